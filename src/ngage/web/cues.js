// Cues tied to a moment of the picture: each becomes a `cue` event, { pts, data }, when that moment
// is shown, or at once where it has been shown already. pts in microseconds.

const CUES_MAX = 256;

export class Cues {
  constructor(target) {
    this.target = target;
    this.begin(null);
  }

  // On another timeline the moments of what waits do not come.
  begin(timeline) {
    if (timeline === this.timeline) return;
    this.timeline = timeline;
    this.waiting = [];
    this.seen = new Set();
    this.shown = -1;
  }

  // A TIMED message. Who connects again, or changes to another rung, may get it twice.
  take({ seq, pts, payload }) {
    const name = `${seq} ${pts}`;
    if (this.seen.has(name)) return;
    this.seen.add(name);
    if (this.seen.size > CUES_MAX) this.seen.delete(this.seen.values().next().value);
    let data;
    try {
      data = JSON.parse(new TextDecoder().decode(payload));
    } catch {
      console.warn(`ngage: cue ${seq} is no JSON and is left out`);
      return;
    }
    const later = this.waiting.findIndex((other) => other.pts > pts);
    this.waiting.splice(later < 0 ? this.waiting.length : later, 0, { pts, data });
    if (this.waiting.length > CUES_MAX) {
      console.warn(`ngage: more than ${CUES_MAX} cues wait: the last is left out`);
      this.waiting.pop();
    }
    this.fire();
  }

  // The picture of this moment is on the screen.
  reached(pts) {
    this.shown = Math.max(this.shown, pts);
    this.fire();
  }

  fire() {
    while (this.waiting.length && this.waiting[0].pts <= this.shown) {
      const detail = this.waiting.shift();
      this.target.dispatchEvent(new CustomEvent("cue", { bubbles: true, detail }));
    }
  }
}

// What the page shows and tests read. Delays in milliseconds; `rendition` is the one on the screen.

export const stats = {
  state: "connecting", notice: "", engine: "", delayMs: null, aheadMs: null, targetMs: null,
  mediaTime: null, rendition: null, frames: 0, dropped: 0, skipped: 0, stalls: 0, reconnects: 0,
  viewers: null, clocksDiffer: false,
};
window.ngage = stats;

export function setState(state, notice = "") {
  if (["ended", "unsupported"].includes(stats.state)) return;
  stats.state = state;
  stats.notice = notice;
}

// A message that seems to arrive before it was sent, or long after, shows that the clocks differ.
const CLOCK_MS_MAX = 10_000;

export class Delays {
  constructor() {
    this.fastestMs = Infinity;
  }

  received(tIn) {
    this.fastestMs = Math.min(this.fastestMs, Date.now() - tIn / 1000);
  }

  shown(tIn, unixMs) {
    stats.clocksDiffer = this.fastestMs < 0 || this.fastestMs > CLOCK_MS_MAX;
    const delay = unixMs - tIn / 1000 - (stats.clocksDiffer ? this.fastestMs : 0);
    stats.delayMs = stats.delayMs === null ? delay : stats.delayMs + (delay - stats.delayMs) / 16;
  }
}

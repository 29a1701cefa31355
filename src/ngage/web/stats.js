// What the page shows, and tests and benches read. Delays in milliseconds; `rendition` is the one on
// the screen, `askedAt` when the channel was asked for, by performance.now().

export const stats = {
  state: "connecting", notice: "", engine: "",
  // Of what is shown: since it entered; from there to here; from here to the screen. The server's.
  delayMs: null, transitMs: null, heldMs: null, madeMs: null, linkMs: null,
  aheadMs: null,
  mediaTime: null, rendition: null, frames: 0, dropped: 0, skipped: 0, stalls: 0, reconnects: 0,
  viewers: null, clocksDiffer: false, askedAt: null,
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

  received({ tIn, arrivedMs }) {
    this.fastestMs = Math.min(this.fastestMs, arrivedMs - tIn / 1000);
  }

  shown({ tIn, arrivedMs }, unixMs) {
    stats.clocksDiffer = this.fastestMs < 0 || this.fastestMs > CLOCK_MS_MAX;
    const transit = arrivedMs - tIn / 1000 - (stats.clocksDiffer ? this.fastestMs : 0);
    const held = unixMs - arrivedMs;
    average("transitMs", transit);
    average("heldMs", held);
    average("delayMs", transit + held);
  }
}

function average(figure, value) {
  const before = stats[figure] ?? value;
  stats[figure] = before + (value - before) / 16;
}

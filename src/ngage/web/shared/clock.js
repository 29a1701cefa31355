// The server's clock as a browser knows it, in Unix milliseconds.

export class Clock {
  constructor() {
    this.aheadMs = 0;
    this.roundTripMs = Infinity;
  }

  // What the server said its time was, in an answer that took so long. The fastest tells best.
  heard(serverMs, roundTripMs) {
    if (!serverMs || roundTripMs > this.roundTripMs) return;
    this.roundTripMs = roundTripMs;
    this.aheadMs = serverMs + roundTripMs / 2 - steadyNow();
  }

  // Something that the server wrote then: it cannot be earlier.
  since(serverMs) {
    if (this.roundTripMs < Infinity) return;
    this.aheadMs = Math.max(this.aheadMs, serverMs - steadyNow());
  }

  now() {
    return steadyNow() + this.aheadMs;
  }
}

// Goes on across a reload, and does not jump while the page is open.
export function steadyNow() {
  return performance.timeOrigin + performance.now();
}

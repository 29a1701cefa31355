// The server's clock as a browser knows it, in Unix milliseconds.

export class Clock {
  constructor() {
    this.aheadMs = null;
    this.roundTripMs = Infinity;
  }

  // What the server said its time was, in an answer that took so long. The fastest tells best.
  heard(serverMs, roundTripMs) {
    if (!serverMs || roundTripMs > this.roundTripMs) return;
    this.roundTripMs = roundTripMs;
    this.aheadMs = serverMs + roundTripMs / 2 - steadyNow();
  }

  // What the server wrote a moment ago: of many such, the one that came fastest tells best.
  since(serverMs) {
    if (this.roundTripMs < Infinity) return;
    this.aheadMs = Math.max(this.aheadMs ?? -Infinity, serverMs - steadyNow());
  }

  // Until the server has told, the browser's clock has to do.
  now() {
    return steadyNow() + (this.aheadMs ?? 0);
  }
}

// Goes on across a reload, and does not jump while the page is open.
export function steadyNow() {
  return performance.timeOrigin + performance.now();
}

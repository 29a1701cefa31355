// One SourceBuffer and what waits for it: appended as one piece when it is free.

const KEEP_SECONDS = 10, TRIM_SECONDS = 20;
const QUEUE_BYTES_MAX = 16 << 20;

export class Track {
  constructor(mime) {
    this.mime = mime;
    this.buffer = null;
    this.queue = [];
    this.queuedBytes = 0;
  }

  open(source, onupdate) {
    this.buffer = source.addSourceBuffer(this.mime);
    this.buffer.mode = "segments";
    this.buffer.addEventListener("updateend", onupdate);
  }

  // All of them or, where there is no room, none: returns which.
  push(...pieces) {
    if (this.queuedBytes > QUEUE_BYTES_MAX) return false;
    this.queue.push(...pieces);
    for (const piece of pieces) this.queuedBytes += piece.byteLength;
    return true;
  }

  pump(currentTime) {
    if (!this.buffer || this.buffer.updating || !this.queue.length) return;
    const ranges = this.buffer.buffered;
    if (ranges.length && ranges.start(0) < currentTime - TRIM_SECONDS) {
      this.buffer.remove(0, currentTime - KEEP_SECONDS);
      return;
    }
    const waiting = new Uint8Array(this.queuedBytes);
    let at = 0;
    for (const piece of this.queue) {
      waiting.set(piece, at);
      at += piece.byteLength;
    }
    try {
      this.buffer.appendBuffer(waiting);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      this.buffer.remove(0, Math.max(0.001, currentTime - 1));
      return;
    }
    this.queue = [];
    this.queuedBytes = 0;
  }
}

// A channel over WebSocket that comes back by itself.

const RETRY_MIN_MS = 500, RETRY_MAX_MS = 20_000;
const SILENCE_MS = 10_000, STEADY_MS = 10_000;

function terminal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

// After a random wait, so that a crowd does not come back at once.
export class Feed {
  // `ticket()`: who this is, if the server has told so.
  constructor(channel, handlers, ticket = () => "") {
    this.handlers = handlers;
    this.ticket = ticket;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.url = `${scheme}//${location.host}/ws/${encodeURIComponent(channel).replaceAll("%3A", ":")}`;
    this.failures = 0;
    this.connect();
    setInterval(() => this.watch(), 1000);
  }

  connect() {
    const ticket = this.ticket();
    const socket = new WebSocket(ticket ? `${this.url}?ticket=${ticket}` : this.url);
    this.socket = socket;
    this.madeAt = performance.now();
    this.heardAt = null;
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => {
      this.heardAt = performance.now();
      this.handlers.message(event.data);
    };
    socket.onopen = () => this.handlers.open?.();
    socket.onclose = (event) => this.lost(socket, event.code, event.reason);
  }

  // What is said while there is no connection is lost.
  send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  // A path that has died tells nobody: silence after the first message counts as a loss.
  watch() {
    if (this.heardAt !== null && performance.now() - this.heardAt > SILENCE_MS) {
      this.restart();
    }
  }

  restart() {
    if (this.socket) this.lost(this.socket, 1006, "");
  }

  lost(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.heardAt = null;
    socket.onmessage = socket.onopen = socket.onclose = null;
    socket.close();
    if (terminal(code)) {
      this.handlers.end?.(reason);
      return;
    }
    this.handlers.lost?.();
    if (performance.now() - this.madeAt > STEADY_MS) this.failures = 0;
    const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.failures++);
    setTimeout(() => this.connect(), Math.random() * ceiling);
  }
}

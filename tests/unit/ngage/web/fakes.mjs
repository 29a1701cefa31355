// A browser as far as the modules under test know one: sockets that tests hold the other end of,
// and time that tests let pass.

import { mock } from "node:test";

export const sockets = [];

export class FakeSocket {
  static OPEN = 1;

  constructor(url) {
    this.url = url;
    this.readyState = 1;
    this.sent = [];
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  // The server's side

  say(...messages) {
    this.onmessage({ data: messages.map((one) => JSON.stringify(one)).join("\n") });
  }

  drop(code, reason = "") {
    this.onclose?.({ code, reason });
  }

  // The newest command of a kind that the client sent.
  asked(command) {
    return this.sent.findLast((one) => command in one);
  }
}

export function install() {
  sockets.length = 0;
  globalThis.WebSocket = FakeSocket;
  const stored = new Map();
  const methods = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  };
  globalThis.localStorage = Object.assign(Object.create(methods), {});
  globalThis.stored = stored;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(Math, "random", () => 0.5);
}

// What waits for a promise goes on.
export async function settle() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

// Centrifugo's client protocol v2 in JSON: one connection that comes back by itself, subscriptions
// that go on where they were, and calls. Who has no token is known again by the ticket that the
// server gave before.

import { HURRY_MS, isPatient, isTerminal, retryCeilingMs } from "./retry.js";

const STEADY_MS = 10_000, CALL_MS = 10_000, LATE_PING_MS = 10_000;
const INVALID_TOKEN = 3500, ALREADY_SUBSCRIBED = 105;

export class CallError extends Error {
  // code 0: it is not known whether the server got the call.
  constructor({ code = 0, message, temporary = false }) {
    super(message);
    this.code = code;
    this.isTemporary = temporary || code === 0;
  }
}

export class Centrifugo {
  // `tickets`: load(), save(text). `changed(state, reason)`: connecting, connected, lost or ended;
  // with connected comes the server's answer, and what the question took in milliseconds.
  constructor(url, { token = "", tickets = null, data = {}, changed = () => {} } = {}) {
    Object.assign(this, { url, token, tickets, data, changed });
    Object.assign(this, { state: "connecting", failures: 0, lastId: 0 });
    this.subscriptions = new Map();
    this.calls = new Map();
    globalThis.document?.addEventListener("visibilitychange", () => this.hurry());
    globalThis.addEventListener?.("online", () => this.hurry());
    this.connect();
  }

  // Handlers: publication(data, { missing, isOld }) and, where the server cannot tell what was
  // missed, gap(). `last`: how many publications to begin with.
  subscribe(channel, handlers, last = 0) {
    const subscription = { channel, handlers, last, epoch: "", offset: 0 };
    this.subscriptions.set(channel, subscription);
    if (this.state === "connected") this.join(subscription);
  }

  rpc(method, data, timeoutMs = CALL_MS) {
    return this.call("rpc", { method, data }, timeoutMs).then((result) => result.data);
  }

  // One command: its result, or a CallError. `taken(result)` comes before what follows the answer.
  call(command, body, timeoutMs = CALL_MS, taken = () => {}) {
    return new Promise((resolve, reject) => {
      if (this.state !== "connected" && command !== "connect") {
        throw new CallError({ message: "not connected" });
      }
      const id = ++this.lastId;
      this.socket.send(JSON.stringify({ id, [command]: body }));
      const late = { id, error: { message: "no answer" } };
      const timer = setTimeout(() => this.answer(late), timeoutMs);
      this.calls.set(id, (reply) => {
        clearTimeout(timer);
        if (reply.error) return reject(new CallError(reply.error));
        taken(reply[command] ?? {});
        resolve(reply[command] ?? {});
      });
    });
  }

  answer(reply) {
    const call = this.calls.get(reply.id);
    this.calls.delete(reply.id);
    call?.(reply);
  }

  // The connection

  connect() {
    clearTimeout(this.retry);
    this.retry = null;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.madeAt = performance.now();
    socket.onopen = () => this.introduce(socket);
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onclose = ({ code, reason }) => this.lost(socket, code, reason);
  }

  async introduce(socket) {
    const ticket = this.token ? "" : this.tickets?.load() ?? "";
    const identity = this.token ? { token: this.token } : {};
    const data = ticket ? { ...this.data, ticket } : this.data;
    const askedAt = performance.now();
    try {
      const answer = await this.call("connect", { ...identity, data, name: "ngage-web" });
      if (answer.data?.ticket) this.tickets?.save(answer.data.ticket);
      this.answersPings = answer.pong;
      this.silenceMs = answer.ping ? answer.ping * 1000 + LATE_PING_MS : 0;
      this.listen();
      this.change("connected", answer, performance.now() - askedAt);
      for (const subscription of this.subscriptions.values()) this.join(subscription);
    } catch (error) {
      this.lost(socket, error.isTemporary ? 1006 : INVALID_TOKEN, error.message);
    }
  }

  receive(text) {
    this.listen();
    for (const line of text.split("\n")) {
      const reply = line ? JSON.parse(line) : {};
      if (reply.id) this.answer(reply);
      else if (reply.push) this.pushed(reply.push);
      else if (line && this.answersPings) this.socket.send("{}");
    }
  }

  // A path that has died tells nobody: silence longer than between pings counts as a loss.
  listen() {
    clearTimeout(this.silence);
    const { socket, silenceMs } = this;
    if (silenceMs) this.silence = setTimeout(() => this.lost(socket, 1006, "no ping"), silenceMs);
  }

  lost(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.silence);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    const open = [...this.calls.keys()];
    if (code === INVALID_TOKEN && !this.token && this.tickets?.load()) {
      this.tickets.save("");
      code = 1006;
    }
    this.change(isTerminal(code) ? "ended" : "lost", reason);
    for (const id of open) this.answer({ id, error: { message: "connection lost" } });
    if (this.state === "ended") return;
    if (performance.now() - this.madeAt > STEADY_MS) this.failures = 0;
    this.isPatient = isPatient(code);
    this.wait(retryCeilingMs(code, this.failures++));
  }

  // Anywhere up to `ceilingMs`, so that a crowd does not come back at once.
  wait(ceilingMs) {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.change("connecting");
      this.connect();
    }, Math.random() * ceilingMs);
  }

  hurry() {
    if (this.retry && !this.isPatient && !globalThis.document?.hidden) this.wait(HURRY_MS);
  }

  change(state, ...details) {
    this.state = state;
    this.changed(state, ...details);
  }

  // Subscriptions

  async join(subscription) {
    if (this.state !== "connected") return;
    const { channel, last } = subscription;
    try {
      if (last && !subscription.epoch) {
        const held = await this.call("history", { channel, limit: last, reverse: true })
          .catch(() => ({}));
        for (const one of held.publications?.reverse() ?? []) this.deliver(subscription, one, true);
        Object.assign(subscription, { epoch: held.epoch ?? "", offset: held.offset ?? 0 });
      }
      const { epoch, offset } = subscription;
      const since = epoch ? { recover: true, epoch, offset } : {};
      const joined = (result) => this.joined(subscription, result);
      await this.call("subscribe", { channel, ...since }, CALL_MS, joined);
    } catch (error) {
      if (error.code === ALREADY_SUBSCRIBED) return;
      if (error.isTemporary) setTimeout(() => this.join(subscription), Math.random() * CALL_MS);
      else subscription.handlers.refused?.(error);
    }
  }

  joined(subscription, { epoch = "", offset = 0, publications = [], ...result }) {
    const isBroken = result.was_recovering && !result.recovered;
    if (isBroken || epoch !== subscription.epoch) subscription.offset = 0;
    subscription.epoch = epoch;
    if (isBroken) subscription.handlers.gap?.();
    for (const one of publications) this.deliver(subscription, one, true);
    subscription.offset = Math.max(subscription.offset, offset);
  }

  pushed({ channel, pub, unsubscribe, disconnect }) {
    const subscription = this.subscriptions.get(channel);
    if (pub && subscription) this.deliver(subscription, pub, false);
    // From 2500 on the server asks to come again.
    if (unsubscribe?.code >= 2500 && subscription) this.join(subscription);
    if (disconnect) this.lost(this.socket, disconnect.code, disconnect.reason);
  }

  deliver(subscription, { data, offset = 0 }, isOld) {
    const missing = offset && subscription.offset ? offset - subscription.offset - 1 : 0;
    subscription.offset = Math.max(subscription.offset, offset);
    subscription.handlers.publication(data, { missing: Math.max(0, missing), isOld });
  }
}

// What this browser voted. A vote has a number that counts up for each poll, so that sending it
// once more changes nothing: it is sent until the server has answered, and asserted after each loss
// of the connection while the poll is open.

import { steadyNow } from "../shared/clock.js";
import { keep, recall } from "../shared/memory.js";

const RETRY_MIN_MS = 500, RETRY_MAX_MS = 10_000;

// A poll's record: `wanted` { seq, choices, elapsedMs } is what the viewer chose last, `counted`
// { seq, choices } what the server has acknowledged, `refusal` the code and message of its no to
// `wanted`, `shownAt` when the question came to the screen. "change" events name a poll.
export class Ballots extends EventTarget {
  constructor(event, client) {
    super();
    this.event = event;
    this.client = client;
    this.records = new Map();
    this.sending = new Set();
  }

  of(poll) {
    if (!this.records.has(poll)) {
      const nothing = { wanted: null, counted: null, refusal: null, shownAt: null };
      this.records.set(poll, recall(this.key(poll)) ?? nothing);
    }
    return this.records.get(poll);
  }

  key(poll) {
    return `ngage.vote.${this.event}.${poll}`;
  }

  isPending(poll) {
    const { wanted, counted, refusal } = this.of(poll);
    return Boolean(wanted) && !refusal && wanted.seq !== counted?.seq;
  }

  // The question is on the screen: from now on, or since before the page was loaded again.
  shown(poll) {
    this.of(poll).shownAt ??= steadyNow();
    this.save(poll);
  }

  elapsedMs(poll) {
    const { shownAt } = this.of(poll);
    return shownAt === null ? 0 : Math.max(0, Math.round(steadyNow() - shownAt));
  }

  vote(poll, choices) {
    const record = this.of(poll);
    const seq = Math.max(record.wanted?.seq ?? 0, record.counted?.seq ?? 0) + 1;
    record.wanted = { seq, choices, elapsedMs: this.elapsedMs(poll) };
    record.refusal = null;
    this.save(poll);
    this.send(poll);
  }

  // What the server has of this voter, who may have voted elsewhere too.
  learn(votes) {
    for (const [name, counted] of Object.entries(votes)) {
      const poll = Number(name);
      const record = this.of(poll);
      if (counted.seq < (record.counted?.seq ?? 0)) continue;
      record.counted = counted;
      if (counted.seq >= (record.wanted?.seq ?? 0)) record.wanted = null;
      this.save(poll);
    }
  }

  // After a new connection: `open` polls are told again what they were told.
  assert(open) {
    for (const poll of open) {
      const { wanted, refusal } = this.of(poll);
      if (wanted && !refusal) this.send(poll);
    }
  }

  async send(poll) {
    if (this.sending.has(poll)) return;
    this.sending.add(poll);
    const record = this.of(poll);
    // What is learnt meanwhile may leave nothing to send.
    for (let failures = 0; record.wanted; failures++) {
      const { wanted } = record;
      const refusal = await this.ask(poll, wanted);
      if (refusal?.isTemporary) {
        // Without a connection there is nobody to ask: assert() goes on.
        if (this.client.state !== "connected") break;
        await pause(refusal, failures);
        continue;
      }
      if (!refusal) this.count(record, wanted);
      else if (record.counted?.seq !== wanted.seq && record.wanted === wanted) {
        record.refusal = { code: refusal.code, message: refusal.message };
      }
      this.save(poll);
      if (record.wanted === wanted) break;
      failures = -1;
    }
    this.sending.delete(poll);
  }

  count(record, { seq, choices }) {
    if (seq >= (record.counted?.seq ?? 0)) record.counted = { seq, choices };
  }

  // null, or why not.
  async ask(poll, { seq, choices, elapsedMs }) {
    try {
      const call = { event: this.event, poll, seq, choices, elapsed_ms: elapsedMs };
      await this.client.rpc("poll.vote", call);
      return null;
    } catch (error) {
      return error;
    }
  }

  save(poll) {
    keep(this.key(poll), this.of(poll));
    this.dispatchEvent(new CustomEvent("change", { detail: poll }));
  }

  // Polls that are not in the event any more need no memory.
  forgetAllBut(polls) {
    const prefix = this.key("");
    for (const key of storedKeys()) {
      const isGone = key.startsWith(prefix) && !polls.includes(Number(key.slice(prefix.length)));
      if (isGone) keep(key, null);
    }
  }
}

function storedKeys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}

function pause({ message }, failures) {
  const told = waitToldMs(message);
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
  const ms = told === null ? Math.random() * ceiling : told + Math.random() * RETRY_MIN_MS;
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// "... try again in N ms", which the server says where somebody is too fast.
export function waitToldMs(message) {
  const told = /in (\d+) ms/.exec(message);
  return told ? Number(told[1]) : null;
}

// The polls of the event: those that are open, what has just closed, and those before.

import { arrange, write } from "../shared/make.js";
import { PollCard } from "./poll-card.js";

// A question waits for the picture that it belongs to, but not for one that does not come.
const PICTURE_MS_MAX = 10_000;
const TICK_MS = 100, TICKS_PER_SECOND = 10;
// How often those who hear the page are told how a vote stands.
const SUMMARY_MS = 15_000;

export class Polls {
  // `mediaTimeUs()`: of the picture on the screen, null without one. `appeared(poll)`: a card came.
  constructor({ show, ballots, clock, isOnline, mediaTimeUs, appeared }) {
    this.context = { show, ballots, clock, isOnline, me: null };
    this.mediaTimeUs = mediaTimeUs;
    this.appeared = appeared;
    this.cards = new Map();
    this.saidAt = 0;
    this.cardsNode = document.getElementById("cards");
    this.earlierNode = document.getElementById("earlier");
    ballots.addEventListener("change", ({ detail }) => this.cards.get(detail)?.render());
    show.addEventListener("change", () => this.update());
    show.addEventListener("tally", () => this.render());
    this.ticks = 0;
    setInterval(() => this.tick(), TICK_MS);
  }

  get all() {
    const { state } = this.context.show;
    return state && this.context.show.isOn("polls") ? state.polls : [];
  }

  get open() {
    return this.all.filter(({ state }) => state === "open").map(({ id }) => id);
  }

  learn(me) {
    this.context.me = me;
    this.context.ballots.learn(me.votes ?? {});
    this.render();
  }

  update() {
    const visible = this.all.filter((poll) => this.isDue(poll));
    for (const poll of visible) this.card(poll).update(poll);
    const present = new Set(visible.map(({ id }) => id));
    for (const id of this.cards.keys()) if (!present.has(id)) this.cards.delete(id);
    const isCurrent = ({ state }, place) => state === "open" || state === "locked" || place === 0;
    const nodes = (polls) => polls.map(({ id }) => this.cards.get(id).node);
    const earlier = visible.filter((poll, place) => !isCurrent(poll, place));
    arrange(this.cardsNode, nodes(visible.filter(isCurrent)));
    arrange(this.earlierNode.lastElementChild, nodes(earlier));
    this.earlierNode.hidden = !earlier.length;
    document.getElementById("no-polls").hidden = visible.length > 0;
  }

  card(poll) {
    const known = this.cards.get(poll.id);
    if (known) return known;
    const card = new PollCard(poll, this.context);
    this.cards.set(poll.id, card);
    if (poll.state === "open") {
      this.context.ballots.shown(poll.id);
      this.say(`${card.kind.textContent}: ${poll.title}`);
      this.appeared(poll);
    }
    return card;
  }

  // Whether the picture that the question belongs to has been shown.
  isDue({ id, state, opened, at_us: atUs }) {
    if (state !== "open" || atUs === null || this.cards.has(id)) return true;
    if (this.context.ballots.of(id).shownAt !== null) return true;
    const shownUs = this.mediaTimeUs();
    if (shownUs === null || shownUs >= atUs) return true;
    return this.context.clock.now() - opened > PICTURE_MS_MAX;
  }

  render() {
    for (const card of this.cards.values()) card.render();
    const open = this.open.map((id) => this.cards.get(id)).find(Boolean);
    if (open && performance.now() - this.saidAt > SUMMARY_MS) this.say(open.summary());
  }

  tick() {
    if (this.all.some((poll) => !this.cards.has(poll.id) && this.isDue(poll))) this.update();
    if (this.ticks++ % (TICKS_PER_SECOND / 2)) return;
    for (const card of this.cards.values()) card.tick();
  }

  say(text) {
    if (!text) return;
    this.saidAt = performance.now();
    write(document.getElementById("said"), text);
  }
}

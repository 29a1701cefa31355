// One poll, quiz question or prediction: choices that can be picked, and their bars.

import { shareOf, stretch } from "../shared/bars.js";
import { counted, clock, percentages } from "../shared/figures.js";
import { icon, make, write } from "../shared/make.js";
import { hint, status, verdict } from "./poll-words.js";

const KINDS = { poll: "Poll", quiz: "Quiz", prediction: "Prediction" };
const STATES = { open: "Open", locked: "Locked", closed: "Closed", cancelled: "Cancelled" };
// A crowd asked to hurry: the last seconds are coloured.
const HURRY_MS = 5_000;

// `context`: ballots, clock, show, and me (what event.me said).
export class PollCard {
  constructor(poll, context) {
    this.context = context;
    this.id = poll.id;
    this.poll = poll;
    this.build(poll);
  }

  build({ id, kind, title, choices, most }) {
    const type = most > 1 ? "checkbox" : "radio";
    const sign = kind === "quiz" ? "clock" : "poll";
    this.kind = make("span", { className: "kind" }, icon(sign), KINDS[kind]);
    this.left = make("span", { className: "left figure", role: "timer" });
    this.burn = make("div", { className: "burn", "aria-hidden": "true" }, make("div"));
    this.hint = make("p", { className: "hint small" });
    this.choices = choices.map((text, place) => this.choice(id, type, text, place));
    this.fieldset = make("fieldset", {}, make("legend", {}, title), this.hint,
      make("div", { className: "choices" }, ...this.choices.map(({ row }) => row)));
    this.button = make("button", { type: "submit", className: "primary" }, "Vote");
    this.status = make("p", { className: "status small", role: "status" });
    this.total = make("p", { className: "total small figure" });
    this.verdict = make("p", { className: "verdict", role: "status", hidden: true });
    this.node = make("form", { className: "card poll", "data-poll": id },
      make("header", {}, this.kind, this.left), this.burn, this.fieldset, this.verdict,
      make("footer", {}, this.button, this.status, this.total));
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.node.addEventListener("change", () => this.render());
  }

  choice(id, type, text, place) {
    const words = `poll-${id}-${place}`;
    const input = make("input", {
      type, name: `poll-${id}`, value: place,
      "aria-labelledby": words, "aria-describedby": `${words}-figure`,
    });
    const fill = make("span", { className: "fill", "aria-hidden": "true" });
    const mark = make("span", { className: "mark" });
    const figure = make("span", { className: "share figure", id: `${words}-figure` });
    const row = make("label", { className: "choice" }, fill, input,
      make("span", { className: "words", id: words }, text), mark, figure);
    // A tap is a vote where it can be taken back. Keys only move the choice: the button votes.
    row.addEventListener("click", ({ target, detail }) => {
      if (target !== input) this.isTap = detail > 0;
      else if (detail > 0) this.isTap = true;
      if (target !== input || !this.isTap) return;
      this.isTap = false;
      if (this.votesOnTap) setTimeout(() => this.submit());
    });
    return { row, input, fill, mark, figure };
  }

  get votesOnTap() {
    return this.poll.most === 1 && (!this.poll.final || this.poll.kind === "quiz");
  }

  get picked() {
    return this.choices.flatMap(({ input }, place) => (input.checked ? [place] : []));
  }

  submit() {
    const { picked } = this;
    const { ballots } = this.context;
    if (!this.canVote || (!picked.length && !this.own.length)) return;
    if (same(picked, this.own) && !this.record.refusal) return;
    ballots.vote(this.id, picked);
  }

  // State

  update(poll) {
    this.poll = poll;
    this.render();
  }

  get record() {
    return this.context.ballots.of(this.id);
  }

  // What this viewer voted: as wanted while that may still count, else as counted.
  get own() {
    const { wanted, counted, refusal } = this.record;
    return (wanted && !refusal ? wanted : counted)?.choices ?? [];
  }

  // Where the vote has changed, the choices on the screen are those that were voted.
  restore() {
    const { own } = this;
    if (this.restored && same(this.restored, own)) return;
    this.restored = own;
    this.choices.forEach(({ input }, place) => {
      input.checked = own.includes(place);
    });
  }

  // As the server has it: exactly the answer.
  get isRight() {
    return this.own.reduce((mask, place) => mask | (1 << place), 0) === this.poll.answer;
  }

  get isOver() {
    return this.poll.state === "closed" || this.poll.state === "cancelled";
  }

  // Milliseconds until this viewer cannot vote any more; null where nothing says so.
  get leftMs() {
    const { closes } = this.poll;
    const left = Math.min(this.windowMs, closes ? closes - this.context.clock.now() : Infinity);
    return left === Infinity ? null : left;
  }

  // The same of the viewer's own timeline. When voting ends for all, the server knows best.
  get windowMs() {
    const { window_ms: windowMs } = this.poll;
    return windowMs ? windowMs - this.context.ballots.elapsedMs(this.id) : Infinity;
  }

  get isOut() {
    return this.poll.scoring === "elimination" && this.context.me?.alive === false;
  }

  get canVote() {
    const { phase } = this.context.show.state;
    const isOff = phase === "paused" || phase === "ended";
    if (this.poll.state !== "open" || isOff || this.isOut) return false;
    const hasVoted = this.own.length > 0;
    return this.windowMs > 0 && !(this.poll.final && hasVoted);
  }

  get result() {
    const { poll } = this;
    if (poll.state === "cancelled") return null;
    if (poll.visible === "after_vote" && !this.own.length && !this.isOver) return null;
    return this.context.show.result(poll);
  }

  // Drawing

  render() {
    this.restore();
    const { poll, own, result, canVote } = this;
    this.node.dataset.state = poll.state;
    this.node.dataset.kind = poll.kind;
    this.fieldset.disabled = !canVote;
    const tooMany = this.picked.length >= poll.most;
    const shares = result && percentages(result.counts, result.voters, poll.most);
    const best = result && this.isOver ? Math.max(...result.counts) : null;
    this.choices.forEach(({ row, input, fill, mark, figure }, place) => {
      const isOwn = own.includes(place);
      row.classList.toggle("own", isOwn);
      row.classList.toggle("best", best > 0 && result.counts[place] === best && !poll.answer);
      if (poll.most > 1) input.disabled = tooMany && !input.checked;
      this.markAnswer(row, mark, place, isOwn);
      stretch(fill, shareOf(result, place));
      write(figure, shares ? `${shares[place]} %` : "");
      figure.title = shares ? counted(result.counts[place], "vote") : "";
    });
    write(this.hint, hint(this));
    this.hint.hidden = !this.hint.textContent;
    this.renderButton(canVote, own);
    write(this.status, status(this));
    const isPending = this.context.ballots.isPending(this.id);
    this.status.dataset.tone = this.record.refusal ? "bad" : isPending ? "" : "good";
    write(this.total, result ? counted(result.voters, "vote") : "");
    write(this.verdict, verdict(this));
    this.verdict.hidden = !this.verdict.textContent;
    this.verdict.dataset.tone = this.isRight ? "good" : "";
    this.tick();
  }

  markAnswer(row, mark, place, isOwn) {
    const { answer } = this.poll;
    const isRight = answer !== null && Boolean(answer & (1 << place));
    const tone = answer === null ? "" : isRight ? "right" : isOwn ? "wrong" : "";
    const own = this.fieldset.disabled && isOwn ? (tone ? "Your answer" : "Your vote") : "";
    const text = isRight ? (isOwn ? "Right" : "Answer") : own;
    if (row.dataset.tone === tone && mark.textContent === text) return;
    row.dataset.tone = tone;
    const sign = tone === "wrong" ? "cross" : "check";
    mark.replaceChildren(...(text ? [icon(sign), text] : []));
  }

  renderButton(canVote, own) {
    const { picked } = this;
    const hasNews = picked.length || own.length;
    this.button.hidden = !canVote || same(picked, own) && own.length > 0;
    this.button.hidden ||= this.votesOnTap && !picked.length;
    this.button.disabled = !hasNews;
    const text = !own.length ? (this.poll.kind === "quiz" ? "Answer" : "Vote")
      : picked.length ? "Change my vote" : "Withdraw my vote";
    write(this.button, text);
  }

  // Each quarter of a second.
  tick() {
    const { leftMs, poll } = this;
    const runs = poll.state === "open" && leftMs !== null;
    const time = leftMs > 0 ? clock(leftMs) : "Time is up";
    write(this.left, runs ? time : STATES[poll.state]);
    this.left.classList.toggle("hurry", runs && leftMs < HURRY_MS);
    this.burn.hidden = !runs;
    if (runs) stretch(this.burn.firstChild, leftMs / this.wholeMs);
    if (this.fieldset.disabled === this.canVote) this.render();
  }

  get wholeMs() {
    const { closes, opened, window_ms: windowMs } = this.poll;
    return windowMs || closes - opened || 1;
  }

  // For those who hear the page: one sentence of what the bars show.
  summary() {
    const { result, poll } = this;
    if (!result?.voters) return "";
    const shares = percentages(result.counts, result.voters, poll.most);
    const leading = shares.indexOf(Math.max(...shares));
    const voters = counted(result.voters, "vote");
    return `${poll.title}: ${poll.choices[leading]} leads with ${shares[leading]} % of ${voters}.`;
  }
}

function same(one, other) {
  return one.length === other.length && one.every((place) => other.includes(place));
}

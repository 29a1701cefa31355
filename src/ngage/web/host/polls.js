// All polls of the event, with what nobody else may see, and what can be done with each.

import { shareOf, stretch } from "../shared/bars.js";
import { clock as clockText, counted, percentages } from "../shared/figures.js";
import { arrange, icon, make, write } from "../shared/make.js";
import { ask } from "./dialogs.js";

const KINDS = { poll: "Poll", quiz: "Quiz", prediction: "Prediction" };
const STATES = {
  created: "Prepared", open: "Open", locked: "Locked", closed: "Closed", cancelled: "Cancelled",
};
const SHOWN_TO = {
  always: "results show", after_vote: "results after voting", after_close: "results when closed",
  never: "results hidden",
};
const ORDER = ["open", "locked", "created", "closed", "cancelled"];

export class PollList {
  // `act(method, body)` calls the server and says what went wrong; `save(poll, kind)` exports.
  constructor(node, { act, save, clock }) {
    Object.assign(this, { node, act, save, clock });
    this.cards = new Map();
    this.polls = [];
    setInterval(() => this.tick(), 250);
  }

  update(polls, tallies) {
    const order = ({ state }) => ORDER.indexOf(state);
    this.polls = [...polls].sort((a, b) => order(a) - order(b) || b.id - a.id);
    for (const poll of this.polls) {
      if (!this.cards.has(poll.id)) this.cards.set(poll.id, this.build(poll));
      this.render(this.cards.get(poll.id), poll, poll.result ?? tallies[poll.id]);
    }
    arrange(this.node, this.polls.map(({ id }) => this.cards.get(id).node));
    document.getElementById("no-polls").hidden = this.polls.length > 0;
    this.tick();
  }

  build({ id, title, choices }) {
    const rows = choices.map((text) => {
      const fill = make("span", { className: "fill" });
      const share = make("span", { className: "figure" });
      const row = make("li", {}, fill, make("span", { className: "text" }, text), share);
      return { row, fill, share };
    });
    const state = make("span", { className: "badge" });
    const left = make("span", { className: "left figure" });
    const about = make("p", { className: "about small" });
    const actions = make("div", { className: "actions" });
    const node = make("article", { className: "card poll", "data-poll": id, "aria-label": title },
      make("header", {}, state, left), make("h3", {}, title), about,
      make("ol", { className: "bars" }, ...rows.map(({ row }) => row)), actions);
    return { node, rows, state, left, about, actions };
  }

  render({ node, rows, state, about, actions }, poll, tally) {
    node.dataset.state = poll.state;
    write(state, STATES[poll.state]);
    const parts = [KINDS[poll.kind], SHOWN_TO[poll.visible]];
    if (tally) parts.push(counted(tally.voters, "voter"));
    write(about, parts.join(" · "));
    const shares = tally && percentages(tally.counts, tally.voters, poll.most);
    rows.forEach(({ row, fill, share }, place) => {
      row.classList.toggle("right", Boolean(poll.answer & (1 << place)));
      stretch(fill, shareOf(tally, place));
      write(share, tally ? `${tally.counts[place].toLocaleString()} · ${shares[place]} %` : "");
    });
    if (actions.dataset.state === poll.state) return;
    actions.dataset.state = poll.state;
    actions.replaceChildren(...this.actions(poll).map(([text, act, look = "", sign = null]) => {
      const button = make("button", { type: "button", className: look }, sign && icon(sign), text);
      button.addEventListener("click", () => act());
      return button;
    }));
  }

  actions(poll) {
    const body = { poll: poll.id };
    const closing = poll.kind === "poll" ? "Close" : "Close and reveal";
    const close = [closing, () => this.close(poll.id), "primary"];
    const cancelling = poll.state === "created" ? "Discard" : "Cancel";
    const cancel = [cancelling, () => this.cancel(poll), "danger"];
    switch (poll.state) {
      case "created":
        return [["Open", () => this.act("poll_open", body), "primary"], cancel];
      case "open":
        return [close, ["Lock", () => this.act("poll_lock", body), "", "lock"], cancel];
      case "locked":
        return [close, cancel];
      case "closed":
        return [
          ["CSV", () => this.save(poll.id, "csv"), "", "download"],
          ["JSON", () => this.save(poll.id, "json"), "", "download"],
        ];
      default:
        return [];
    }
  }

  async close(id) {
    const poll = this.polls.find((one) => one.id === id);
    const isScored = poll.kind === "quiz" && poll.scoring !== "none";
    const needsAnswer = poll.kind === "prediction" || isScored;
    const answer = await ask({
      title: `Close “${poll.title}”?`,
      text: "Voting ends for everybody, and the result is final.",
      yes: poll.kind === "poll" ? "Close the poll" : "Close and reveal",
      no: "Keep it open",
      choices: needsAnswer ? poll.choices : null,
      picked: poll.answer ?? 0,
      most: poll.most,
    });
    if (answer) this.act("poll_close", { poll: id, ...(needsAnswer && { answer }) });
  }

  async cancel({ id, title, state }) {
    const sure = await ask({
      title: `${state === "created" ? "Discard" : "Cancel"} “${title}”?`,
      text: state === "created" ? "Nobody has seen it yet."
        : "No vote counts, and the audience is told that it was called off.",
      yes: state === "created" ? "Discard it" : "Cancel the poll",
      no: "Keep it",
    });
    if (sure) this.act("poll_cancel", { poll: id });
  }

  tick() {
    for (const { id, state, closes } of this.polls) {
      const left = state === "open" && closes ? closes - this.clock.now() : 0;
      write(this.cards.get(id).left, left > 0 ? clockText(left) : "");
    }
  }
}

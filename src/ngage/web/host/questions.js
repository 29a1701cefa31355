// Questions of the audience: released where they are reviewed, answered, or out of the way.

import { count } from "../shared/figures.js";
import { arrange, icon, make, write } from "../shared/make.js";

const ORDER = ["held", "open", "answered"];

const element = (id) => document.getElementById(id);

export class QuestionList {
  constructor(id, client, { act, unread }) {
    this.act = act;
    this.unread = unread;
    this.rows = new Map();
    this.shown = [];
    this.held = [];
    client.subscribe(`questions:${id}`, {
      publication: ({ questions }, { isOld }) => {
        this.shown = questions;
        this.render(isOld);
      },
    });
  }

  // Those that wait for a host.
  hold(held) {
    this.held = held;
    this.render();
  }

  render(isOld = false) {
    const released = new Set(this.shown.map(({ id }) => id));
    const questions = [...this.held.filter(({ id }) => !released.has(id)), ...this.shown];
    if (!isOld && questions.some((one) => !this.rows.has(one.id))) this.unread();
    const order = ({ state }) => ORDER.indexOf(state);
    const sorted = [...questions].sort((a, b) => order(a) - order(b) || b.votes - a.votes);
    arrange(element("asked"), sorted.map((question) => this.row(question)));
    const present = new Set(sorted.map(({ id }) => id));
    for (const id of this.rows.keys()) if (!present.has(id)) this.rows.delete(id);
    element("no-questions").hidden = sorted.length > 0;
  }

  row({ id, text, name, votes, state }) {
    if (!this.rows.has(id)) this.rows.set(id, this.build(id, text, name));
    const { node, number, answer } = this.rows.get(id);
    write(number, count(votes));
    node.dataset.state = state;
    const about = state === "held" ? "Release" : "Answered";
    answer.setAttribute("aria-label", about);
    answer.title = about;
    answer.setAttribute("aria-pressed", state === "answered");
    return node;
  }

  build(id, text, name) {
    const number = make("b", { className: "figure", title: "Votes" });
    const button = (about, sign) => make("button", {
      type: "button", "aria-label": about, title: about,
    }, icon(sign));
    const answer = button("Answered", "check"), dismiss = button("Dismiss", "cross");
    const author = make("p", { className: "small quiet" }, name || "Somebody");
    const words = make("div", {}, make("p", {}, text), author);
    const node = make("li", {}, number, words, answer, dismiss);
    const settle = (state) => this.act("question_state", { question: id, state });
    answer.addEventListener("click", () => {
      settle(node.dataset.state === "open" ? "answered" : "open");
    });
    dismiss.addEventListener("click", () => settle("dismissed"));
    return { node, number, answer };
  }
}

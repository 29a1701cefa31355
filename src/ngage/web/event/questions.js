// Questions of the audience, the most wanted first.

import { count, counted } from "../shared/figures.js";
import { arrange, icon, make, write } from "../shared/make.js";
import { keep, recall } from "../shared/memory.js";
import { Composer } from "./composer.js";

const element = (id) => document.getElementById(id);

export class Questions {
  // `name()`: what somebody unknown is called.
  constructor(show, client, { name, unread }) {
    this.show = show;
    this.client = client;
    this.name = name;
    this.unread = unread;
    this.key = `ngage.questions.${show.id}`;
    this.supported = new Set(recall(this.key) ?? []);
    this.rows = new Map();
    this.all = [];
    this.composer = new Composer(element("asker"), (text) => this.ask(text));
    client.subscribe(`questions:${show.id}`, {
      publication: ({ questions }, { isOld }) => {
        if (!isOld && questions.some(({ id }) => !this.rows.has(id))) this.unread();
        this.all = questions;
        this.render();
      },
    });
    show.addEventListener("change", () => {
      element("asker").hidden = this.show.state.phase === "ended";
    });
  }

  render() {
    const order = (one) => (one.state === "answered" ? 1 : 0);
    const sorted = [...this.all].sort(
      (a, b) => order(a) - order(b) || b.votes - a.votes || a.id - b.id,
    );
    arrange(element("asked"), sorted.map((question) => this.row(question)));
    const present = new Set(sorted.map(({ id }) => id));
    for (const id of this.rows.keys()) if (!present.has(id)) this.rows.delete(id);
    element("no-questions").hidden = sorted.length > 0;
  }

  row({ id, text, name, votes, state }) {
    if (!this.rows.has(id)) this.rows.set(id, this.makeRow(id, text, name));
    const { node, button, number, answered } = this.rows.get(id);
    const isSupported = this.supported.has(id);
    button.setAttribute("aria-pressed", isSupported);
    button.setAttribute("aria-label", `Support this question: ${counted(votes, "vote")}`);
    button.disabled = state === "answered";
    write(number, count(votes));
    node.dataset.state = state;
    answered.hidden = state !== "answered";
    return node;
  }

  makeRow(id, text, name) {
    const number = make("span", { className: "figure" });
    const button = make("button", { type: "button", className: "support" }, icon("up"), number);
    const answered = make("span", { className: "badge" }, icon("check"), "Answered");
    const about = make("p", { className: "small quiet" }, name || "Somebody", " ", answered);
    const node = make("li", { className: "question" }, button,
      make("div", {}, make("p", {}, text), about));
    button.addEventListener("click", () => this.support(id));
    return { node, button, number, answered };
  }

  // Seen at once; taken back if the server says no.
  async support(id) {
    const up = !this.supported.has(id);
    this.mark(id, up);
    try {
      await this.client.rpc("question.vote", { event: this.show.id, question: id, up });
    } catch (error) {
      this.mark(id, !up);
      this.composer.refused(error);
    }
  }

  mark(id, up) {
    const question = this.all.find((one) => one.id === id);
    if (question && this.supported.has(id) !== up) question.votes += up ? 1 : -1;
    if (up) this.supported.add(id);
    else this.supported.delete(id);
    keep(this.key, [...this.supported]);
    this.render();
  }

  async ask(text) {
    const name = this.name();
    const call = { event: this.show.id, text, ...(name && { name }) };
    const { held } = await this.client.rpc("question.ask", call);
    return held ? "Asked: it shows once a host has read it." : "Asked. Thank you!";
  }
}

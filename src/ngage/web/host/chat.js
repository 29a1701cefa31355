// The chat as a moderator sees it: what waits for review, and what can be done about each line.

import { Lines } from "../shared/lines.js";
import { counted } from "../shared/figures.js";
import { arrange, icon, make, write } from "../shared/make.js";
import { ask } from "./dialogs.js";

const LAST = 50, LINES_MAX = 300;

const element = (id) => document.getElementById(id);

export class Moderation {
  constructor(id, client, { act, unread }) {
    this.act = act;
    this.unread = unread;
    this.lines = new Map();
    this.heldRows = new Map();
    this.list = new Lines(element("lines"), element("newer"), LINES_MAX);
    client.subscribe(`chat:${id}`, {
      publication: (message, { isOld }) => this.take(message, isOld),
    }, LAST);
    element("unpin").addEventListener("click", () => act("pin", { id: null }));
    element("slow").addEventListener("change", ({ target }) => {
      act("chat_settings", { slow_seconds: Number(target.value) });
    });
    for (const [name, setting] of [["emote", "emote_only"], ["review", "review"]]) {
      element(name).addEventListener("change", ({ target }) => {
        act("chat_settings", { [setting]: target.checked });
      });
    }
  }

  update({ chat, pinned }) {
    element("unpin").hidden = !pinned;
    element("emote").checked = chat.emote_only;
    element("review").checked = chat.review;
    const slow = String(chat.slow_seconds);
    if (![...element("slow").options].some(({ value }) => value === slow)) {
      element("slow").append(new Option(`${slow} s`, slow));
    }
    element("slow").value = slow;
    for (const [id, { line }] of this.lines) line.classList.toggle("pinned", id === pinned?.id);
  }

  // Lines that wait for a moderator.
  hold(held) {
    if (held.length > this.heldRows.size) this.unread();
    const rows = held.map((line) => this.heldRow(line));
    arrange(element("held").querySelector("ol"), rows);
    const present = new Set(held.map(({ id }) => id));
    for (const id of this.heldRows.keys()) if (!present.has(id)) this.heldRows.delete(id);
    write(element("held").querySelector("h3"), `${counted(held.length, "message")} to review`);
    element("held").hidden = !held.length;
  }

  heldRow({ id, name, text }) {
    if (this.heldRows.has(id)) return this.heldRows.get(id);
    const words = make("p", {}, make("b", {}, name || "Somebody"), " ", text);
    const row = make("li", {}, words,
      this.button("Release", "check", () => this.act("chat_release", { id }), "good"),
      this.button("Reject", "cross", () => this.act("chat_reject", { id }), "danger"));
    this.heldRows.set(id, row);
    return row;
  }

  button(text, sign, act, look = "bare") {
    const about = { type: "button", className: look, "aria-label": text, title: text };
    const button = make("button", about, icon(sign));
    button.addEventListener("click", act);
    return button;
  }

  take(message, isOld) {
    if ("gap" in message) return;
    if ("delete" in message) this.remove(message.delete);
    else if ("clear" in message) this.clear(message.clear);
    else this.add(message, isOld);
  }

  add(message, isOld) {
    const { id, user, name, text } = message;
    if (this.lines.has(id)) return;
    const words = make("p", {}, make("b", {}, name || "Somebody"), " ", text);
    const line = make("li", {}, words,
      this.button("Pin", "pin", () => this.act("pin", { id })),
      this.button("Delete", "trash", () => this.erase(message)),
      this.button("Ban", "ban", () => this.ban(message)));
    this.lines.set(id, { line, user });
    if (this.lines.size > LINES_MAX) this.lines.delete(this.lines.keys().next().value);
    this.list.append(line);
    if (!isOld) this.unread();
  }

  async erase({ id, name, text }) {
    const sure = await ask({
      title: "Delete this message?", text: `${name}: ${text}`, yes: "Delete",
    });
    if (sure) this.act("chat_delete", { id });
  }

  async ban({ user, name }) {
    const sure = await ask({
      title: `Ban ${name || "this viewer"}?`,
      text: "All their messages go, and they cannot write or vote in this event.",
      yes: "Ban",
    });
    if (sure) this.act("ban", { user, on: true });
  }

  remove(id) {
    this.lines.get(id)?.line.remove();
    this.lines.delete(id);
  }

  clear(user) {
    for (const [id, line] of [...this.lines]) if (line.user === user) this.remove(id);
  }
}

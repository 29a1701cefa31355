// Chat: the last lines, what comes, what was left out, and what is taken back.

import { counted } from "../shared/figures.js";
import { make } from "../shared/make.js";
import { Composer, rememberName } from "./composer.js";
import { Lines } from "../shared/lines.js";

const LAST = 30, LINES_MAX = 300;
// Neighbours on the circle of hues are far apart in order.
const HUES = 360, GOLDEN = 137;

const element = (id) => document.getElementById(id);

export class Chat {
  // `unread(hasNews)`: a line came.
  constructor(show, client, { unread }) {
    this.show = show;
    this.client = client;
    this.unread = unread;
    this.user = "";
    this.lines = new Map();
    this.list = new Lines(element("lines"), element("newer"), LINES_MAX);
    this.composer = new Composer(element("composer"), (text) => this.send(text));
    this.name = element("composer").elements.name;
    rememberName(this.name);
    client.subscribe(`chat:${show.id}`, {
      publication: (message, about) => this.take(message, about),
      gap: () => this.gap(),
    }, LAST);
    show.addEventListener("change", () => this.update());
  }

  // Who this is, once the server has told.
  known(user) {
    this.user = user;
    element("composer").querySelector(".name").hidden = !user.startsWith("anon-");
  }

  update() {
    const { chat, phase } = this.show.state;
    const isOver = phase === "ended";
    element("composer").hidden = isOver;
    const off = element("chat").querySelector(".off");
    off.hidden = !isOver;
    off.textContent = "The chat is closed.";
    const hints = [];
    if (chat.slow_seconds) hints.push(`Slow mode: one message every ${chat.slow_seconds} s`);
    if (chat.review) hints.push("Messages show once a host has read them");
    this.composer.standing = hints.join(" · ");
    this.composer.text.placeholder = chat.emote_only ? "Emoji only right now" : "Say something";
    this.composer.render();
  }

  take(message, { missing, isOld }) {
    if (missing) this.gap(missing);
    if ("gap" in message) this.gap(message.gap);
    else if ("delete" in message) this.remove(message.delete);
    else if ("clear" in message) this.clear(message.clear);
    else this.add(message, isOld);
  }

  add({ id, user, name, text, t }, isOld) {
    if (this.lines.has(id)) return;
    const author = make("b", { className: "author" }, name || "Somebody");
    author.style.setProperty("--hue", hue(user));
    const line = make("li", { title: new Date(t).toLocaleTimeString() }, author, " ",
      make("span", {}, text));
    if (user === this.user) line.classList.add("own");
    this.lines.set(id, { line, user });
    if (this.lines.size > LINES_MAX) this.lines.delete(this.lines.keys().next().value);
    this.list.append(line);
    if (!isOld) this.unread();
  }

  remove(id) {
    this.lines.get(id)?.line.remove();
    this.lines.delete(id);
  }

  clear(user) {
    for (const [id, line] of [...this.lines]) if (line.user === user) this.remove(id);
  }

  // So many were left out, as far as anybody knows.
  gap(number) {
    const last = element("lines").lastElementChild;
    if (!last || last.classList.contains("gap")) return;
    const text = number ? `${counted(number, "message")} left out` : "Some messages were left out";
    this.list.append(make("li", { className: "gap" }, text));
  }

  async send(text) {
    const name = this.name.value.trim();
    const call = { event: this.show.id, text, ...(name && { name }) };
    const { held } = await this.client.rpc("chat.send", call);
    this.composer.wait(this.show.state.chat.slow_seconds * 1000);
    return held ? "Sent: it shows once a host has read it." : "";
  }
}

function hue(user) {
  let sum = 0;
  for (const letter of user) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return (sum * GOLDEN) % HUES;
}

// A field for one line of text and what the server says to it: wait, or why not.

import { keep, recall } from "../shared/memory.js";
import { write } from "../shared/make.js";
import { waitToldMs } from "./ballots.js";

const NAME_KEY = "ngage.name";
const NAME_LENGTH_MAX = 32;
const SAID_MS = 6_000;
const REFUSALS = {
  4004: "You cannot write in this event.", 4009: "This is not possible right now.",
  4010: "This was not accepted. Please put it another way.",
};

export class Composer {
  // `send(text)` sends it; what it resolves to is said, if anything.
  constructor(form, send) {
    this.form = form;
    this.text = form.elements.text;
    this.hint = form.querySelector(".hint");
    this.button = form.querySelector("button");
    this.standing = "";
    this.waitsUntil = 0;
    this.saidUntil = 0;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(send);
    });
    setInterval(() => this.render(), 250);
  }

  async submit(send) {
    const text = this.text.value.trim();
    if (!text || performance.now() < this.waitsUntil) return;
    this.button.disabled = true;
    try {
      const said = await send(text);
      this.text.value = "";
      this.say(said ?? "");
    } catch (error) {
      this.refused(error);
    }
    this.button.disabled = false;
    this.render();
  }

  refused({ code, message }) {
    const told = waitToldMs(message);
    if (told !== null) this.wait(told);
    else if (code) this.say(REFUSALS[code] ?? message);
    else this.say("Not sent: there is no connection. Try again.");
  }

  // Nothing more for so long.
  wait(ms) {
    this.waitsUntil = performance.now() + ms;
  }

  say(text) {
    this.said = text;
    this.saidUntil = performance.now() + SAID_MS;
    this.render();
  }

  render() {
    const now = performance.now();
    const left = Math.ceil((this.waitsUntil - now) / 1000);
    const isWaiting = left > 0;
    const said = now < this.saidUntil ? this.said : "";
    const wait = isWaiting ? `Slow mode: ${left} s until your next message` : "";
    write(this.hint, wait || said || this.standing);
    this.form.classList.toggle("waits", isWaiting);
  }
}

// The name of somebody whom the server does not know.
export function rememberName(field) {
  field.value = recall(NAME_KEY) ?? "";
  field.addEventListener("change", () => {
    keep(NAME_KEY, field.value.trim().slice(0, NAME_LENGTH_MAX) || null);
  });
}

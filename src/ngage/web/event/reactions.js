// The bar of reactions, and those of the crowd that float over the picture.

import { count } from "../shared/figures.js";
import { make, write } from "../shared/make.js";
import { Sky } from "../shared/sky.js";

const GATHER_MS = 250, COUNT_MAX = 100;
// A rate is shown instead of what floats, to those who want nothing to move.
const RATE_MS = 1_000;
const NAMES = {
  "❤️": "Love", "👏": "Applause", "😂": "Laughter", "🔥": "Fire", "🎉": "Party",
};

export class Reactions {
  constructor(show, client) {
    this.show = show;
    this.client = client;
    this.bar = document.getElementById("reactions");
    this.sky = new Sky(document.getElementById("sky"));
    this.kinds = [];
    this.taps = new Map();
    this.crowd = [];
    show.addEventListener("change", () => this.update());
    show.addEventListener("reactions", ({ detail }) => this.float(detail));
    setInterval(() => this.rate(), RATE_MS);
  }

  update() {
    const { reactions, phase } = this.show.state;
    this.bar.hidden = !this.show.isOn("reactions") || phase === "ended" || !reactions.length;
    for (const button of this.bar.children) button.disabled = phase === "paused";
    if (reactions.join() === this.kinds.join()) return;
    this.kinds = reactions;
    this.bar.replaceChildren(...reactions.map((emoji, kind) => {
      const name = NAMES[emoji] ?? emoji;
      const button = make("button", { type: "button", "aria-label": name },
        make("span", { className: "emoji" }, emoji), make("span", { className: "rate figure" }));
      button.addEventListener("click", () => this.tap(kind, button));
      return button;
    }));
  }

  // Taps of a moment are one call.
  tap(kind, button) {
    if (!this.taps.size) setTimeout(() => this.send(), GATHER_MS);
    this.taps.set(kind, Math.min(COUNT_MAX, (this.taps.get(kind) ?? 0) + 1));
    this.sky.burst(this.kinds[kind], button);
  }

  send() {
    for (const [kind, number] of this.taps) {
      const call = { event: this.show.id, kind, count: number };
      // A reaction that is lost, or one too many, is nothing to speak of.
      this.client.rpc("react", call).catch(() => {});
    }
    this.taps.clear();
  }

  float(counts) {
    counts.forEach((number, kind) => {
      this.crowd[kind] = (this.crowd[kind] ?? 0) + number;
    });
    this.sky.float(counts.map((number, kind) => [this.kinds[kind], number]));
  }

  rate() {
    for (const [kind, button] of [...this.bar.children].entries()) {
      const number = this.sky.isStill ? this.crowd[kind] : 0;
      write(button.querySelector(".rate"), number ? count(number) : "");
    }
    this.crowd = [];
  }
}

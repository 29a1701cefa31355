// How the show is doing: the figures a host glances at, and what is wrong.

import { count } from "../shared/figures.js";
import { make, write } from "../shared/make.js";
import { Metrics } from "./metrics.js";

const READ_MS = 5_000;
const STAGES = { made: "encoding", link: "to server", edge: "in server" };

const element = (id) => document.getElementById(id);

export class Health {
  constructor() {
    this.metrics = new Metrics();
    this.rows = new Map();
    this.read();
    setInterval(() => document.hidden || this.read(), READ_MS);
  }

  async read() {
    try {
      const answer = await fetch("/metrics");
      this.show(this.metrics.take(await answer.text(), performance.now()));
    } catch {
      // The next reading may come through; the connection says if the server is gone.
    }
  }

  show({ cpu, skips, skipsPerSecond, delays, connections }) {
    this.figure("Connections", count(connections));
    this.figure("CPU", cpu === null ? "–" : `${cpu.toFixed(2)} cores`);
    const rate = skipsPerSecond ? ` (${skipsPerSecond.toFixed(1)}/s)` : "";
    this.figure("Skipped", count(skips) + rate);
    for (const [stage, ms] of delays) {
      this.figure(`Delay ${STAGES[stage] ?? stage}`, ms === null ? "–" : `${Math.round(ms)} ms`);
    }
  }

  figure(name, text) {
    if (!this.rows.has(name)) {
      const value = make("dd", { className: "figure" });
      this.rows.set(name, value);
      element("figures").append(make("div", {}, make("dt", {}, name), value));
    }
    write(this.rows.get(name), text);
  }

  // `journal` and each part of `health`: a reason, or nothing where all is well.
  troubles(journal, health) {
    const votes = journal ? `Votes are refused: ${journal}` : "Votes are kept on disk";
    const others = Object.entries(health)
      .filter(([name, reason]) => reason && name !== "votes")
      .map(([name, reason]) => `${name}: ${reason}`);
    const lines = [[votes, Boolean(journal)], ...others.map((text) => [text, true])];
    const told = lines.map(([text]) => text).join();
    if (told !== this.told) {
      element("troubles").replaceChildren(...lines.map(
        ([text, isBad]) => make("li", { "data-tone": isBad ? "bad" : "good" }, text),
      ));
    }
    this.told = told;
    return lines.filter(([, isBad]) => isBad).map(([text]) => text);
  }
}

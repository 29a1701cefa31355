// The phase of the event, its kill switches, and its links.

import { make } from "../shared/make.js";
import { ask } from "./dialogs.js";

const FEATURES = {
  polls: "Polls", reactions: "Reactions", chat: "Chat", questions: "Questions",
  count: "Viewer count",
};
// What may follow, and how that is called.
const NEXT = {
  scheduled: [["live", "Go live", "primary"]],
  live: [["paused", "Pause", ""], ["ended", "End", "danger"]],
  paused: [["live", "Go on", "primary"], ["ended", "End", "danger"]],
  ended: [["live", "Begin anew", ""]],
};

const END = {
  title: "End the event?", text: "Everybody is told that it is over.",
  yes: "End the event", no: "Go on",
};
const ANEW = {
  title: "Begin the event anew?", text: "It starts over, with no polls and no scores from before.",
  yes: "Begin anew",
};

const element = (id) => document.getElementById(id);

export class Phases {
  constructor(act) {
    this.act = act;
    this.phase = null;
    this.switches = new Map();
    for (const [feature, text] of Object.entries(FEATURES)) {
      const input = make("input", { type: "checkbox", role: "switch" });
      input.addEventListener("change", () => act("event_feature", { feature, on: input.checked }));
      this.switches.set(feature, input);
      element("features").append(make("label", { className: "switch" }, input, text));
    }
  }

  update({ phase, features }) {
    for (const [feature, input] of this.switches) input.checked = features[feature] !== false;
    if (phase === this.phase) return;
    this.phase = phase;
    element("phases").replaceChildren(...NEXT[phase].map(([next, text, look]) => {
      const button = make("button", { type: "button", className: look }, text);
      button.addEventListener("click", () => this.move(next));
      return button;
    }));
  }

  async move(phase) {
    const question = phase === "ended" ? END : this.phase === "ended" ? ANEW : null;
    if (question && !await ask(question)) return;
    this.act("event_phase", { phase });
  }

  links(audience) {
    const stage = audience.replace("/e/", "/stage/");
    const rows = [["Audience", audience], ["Stage screen", stage]];
    element("links").replaceChildren(...rows.map(([name, url]) => make("li", {},
      make("span", { className: "small quiet" }, name),
      make("a", { href: url, target: "_blank", rel: "noopener" }, withoutScheme(url)))));
    element("code").src = `/qr.svg?${new URLSearchParams({ text: audience })}`;
    element("code").hidden = false;
  }

  leaders(best) {
    element("leaders").hidden = !best.length;
    const rows = best.map(({ voter, rank, score, alive }) => make("li", {},
      make("b", {}, String(rank)), make("span", {}, voter),
      make("span", {}, `${score.toLocaleString()}${alive ? "" : " · out"}`)));
    element("leaders").lastElementChild.replaceChildren(...rows);
  }
}

function withoutScheme(url) {
  return url.replace(/^https?:\/\//, "");
}

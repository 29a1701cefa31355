// The picture of the event, its controls, and what hangs before it when there is none to show.

import { captionCues } from "../caption.js";
import { clock as clockText } from "../shared/figures.js";
import { icon, write } from "../shared/make.js";
import { stats } from "../stats.js";
import { Watch } from "../watch.js";

const element = (id) => document.getElementById(id);

const WAITING = {
  connecting: "Connecting to the picture", waiting: "Waiting for the picture",
  reconnecting: "The picture will be back in a moment",
};

export class Picture {
  // `acknowledge(cue)`: a cue that asks for it has been shown.
  constructor(show, clock, { ticket, acknowledge }) {
    this.show = show;
    this.clock = clock;
    this.ticket = ticket;
    this.watch = null;
    this.stage = element("stage");
    captionCues(this.stage, element("caption"));
    this.stage.addEventListener("cue", ({ detail: { data } }) => data?.ack && acknowledge(data.id));
    element("fullscreen").hidden = !this.stage.requestFullscreen;
    element("fullscreen").addEventListener("click", () => this.watch.toggleFullscreen());
    element("sound").addEventListener("click", () => {
      this.watch.toggleSound();
      this.render();
    });
    show.addEventListener("change", () => this.update());
    setInterval(() => this.render(), 250);
  }

  update() {
    const { video } = this.show.state;
    if (video && !this.watch) this.watch = new Watch(video, this.stage, { ticket: this.ticket });
    this.render();
  }

  // Of the picture on the screen; null where none is, or its time is not known.
  get mediaTimeUs() {
    const shown = this.watch?.cues.shown ?? -1;
    return this.watch?.isFed && stats.state === "live" && shown >= 0 ? shown : null;
  }

  render() {
    const { watch } = this;
    if (!this.show.state) return;
    const isCovered = this.renderCurtain();
    this.stage.querySelector(".controls").hidden = isCovered;
    if (!watch) return;
    const { player } = watch;
    player?.measure();
    watch.quality.show(stats.rendition);
    const notice = isCovered ? "" : watch.notice || WAITING[stats.state] || "";
    write(element("message"), notice);
    element("message").hidden = !notice;
    element("sound").disabled = element("fullscreen").disabled = !player?.started;
    this.renderSound(watch);
  }

  renderSound(watch) {
    const [name, text] = watch.isStopped ? ["play", "Play"]
      : watch.isMuted ? ["muted", "Turn sound on"] : ["sound", "Turn sound off"];
    const button = element("sound");
    if (button.ariaLabel === text) return;
    button.setAttribute("aria-label", text);
    const invites = name !== "sound" ? [name === "play" ? "Play" : "Sound on"] : [];
    button.replaceChildren(icon(name), ...invites);
  }

  // Returns whether it hangs. Without a picture it is what there is to see.
  renderCurtain() {
    const { phase, starts, title: name } = this.show.state;
    const text = {
      scheduled: ["Starting soon", this.countdown(starts)],
      paused: ["Back in a moment", "The show is paused. Stay here, it goes on by itself."],
      ended: ["That was it", "Thank you for being there."],
    }[phase] ?? (this.watch ? null : [name, ""]);
    element("curtain").hidden = !text;
    this.stage.hidden = false;
    this.stage.classList.toggle("poster", !this.watch);
    if (!text) return false;
    const [title, words] = element("curtain").children;
    write(title, text[0]);
    write(words, text[1]);
    return true;
  }

  countdown(starts) {
    const left = starts === null ? 0 : starts - this.clock.now();
    if (left <= 0) return "The show begins in a moment.";
    if (left < 86_400_000) return `The show begins in ${clockText(left)}.`;
    const date = new Date(starts).toLocaleString([], { dateStyle: "full", timeStyle: "short" });
    return `The show begins on ${date}.`;
  }
}

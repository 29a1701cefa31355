// Plays HLS where the browser does that by itself and nothing better: iPhones before iOS 17.1.

import { ElementPlayer } from "./element.js";
import { setState, stats } from "./stats.js";

const TYPE = "application/vnd.apple.mpegurl";
// The playlist is asked for again where there is none yet, or the browser has given up.
const RETRY_MS = 2_000;

export class NativePlayer extends ElementPlayer {
  static get isSupported() {
    return document.createElement("video").canPlayType(TYPE) !== "";
  }

  constructor(video, channel) {
    super(video, "hls");
    setState("waiting");
    video.addEventListener("playing", () => {
      this.started = true;
    });
    video.addEventListener("ended", () => setState("ended", "The event has ended."));
    video.addEventListener("error", () => {
      setState("reconnecting");
      setTimeout(() => this.load(), Math.random() * RETRY_MS);
    });
    this.url = `/hls/${encodeURIComponent(channel).replaceAll("%3A", ":")}/live.m3u8`;
    this.load();
  }

  load() {
    this.video.src = this.url;
    this.play();
  }

  // The playlist says when its pictures entered: the browser knows that of the first one.
  measure() {
    super.measure();
    const { video } = this;
    const began = video.getStartDate?.().getTime();
    if (began) stats.delayMs = Date.now() - began - video.currentTime * 1000;
    const ranges = video.buffered;
    if (ranges.length) stats.aheadMs = (ranges.end(ranges.length - 1) - video.currentTime) * 1000;
  }
}

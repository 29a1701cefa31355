// What players with a <video> have in common: the page's controls, and the browser's own figures.

import { setState, stats } from "./stats.js";

export class ElementPlayer {
  constructor(video, engine) {
    this.video = video;
    this.started = false;
    stats.engine = engine;
  }

  play() {
    this.video.play().then(() => setState("live"), (error) => {
      if (error.name === "NotAllowedError") setState("paused", "Press Play.");
    });
  }

  get stopped() {
    return this.video.paused;
  }

  get muted() {
    return this.video.muted;
  }

  set muted(muted) {
    this.video.muted = muted;
  }

  measure() {
    const quality = this.video.getVideoPlaybackQuality?.();
    if (!quality) return;
    stats.dropped = quality.droppedVideoFrames;
    stats.frames = Math.max(stats.frames, quality.totalVideoFrames - quality.droppedVideoFrames);
  }
}

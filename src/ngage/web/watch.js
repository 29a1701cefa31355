// A channel of video in a page: the player that this browser can have, and what feeds it.

import { Cues } from "./cues.js";
import { Feed } from "./feed.js";
import { deliver } from "./message.js";
import { MsePlayer } from "./mse.js";
import { NativePlayer } from "./native.js";
import { Quality } from "./quality.js";
import { setState, stats } from "./stats.js";
import { WebCodecsPlayer } from "./webcodecs.js";

// In `stage` are the video and the field for its quality; cues are told there. `engine` webcodecs
// is the player with the least delay. `delivery`: `~rt` and the like. `ticket()`: as for a Feed.
export class Watch {
  constructor(channel, stage, { engine = "", delivery = "", ticket } = {}) {
    this.stage = stage;
    this.cues = new Cues(stage);
    this.player = choosePlayer(channel, stage.querySelector("video"), this.cues, engine);
    this.feed = null;
    this.quality = new Quality(stage.querySelector("#quality"), (text) => this.feed?.send(text));
    if (this.isFed) this.follow(channel + delivery, ticket);
  }

  // Whether it takes messages, and so can tell of delays and cues.
  get isFed() {
    return Boolean(this.player?.media);
  }

  follow(name, ticket) {
    const { cues, player, quality } = this;
    stats.askedAt = performance.now();
    const ended = (reason) => setState("ended", reason || "The event has ended.");
    const handlers = {
      init: (about) => {
        cues.begin(about.timeline);
        quality.offer(about.tracks);
        player.init(about);
      },
      media: (message) => player.media(message),
      timed: (message) => cues.take(message),
      end: ended,
    };
    this.feed = new Feed(name, {
      open: () => {
        setState(player.started ? "live" : "waiting");
        quality.connected();
      },
      message: (data) => deliver(handlers, data),
      lost: () => {
        stats.reconnects++;
        setState("reconnecting");
      },
      end: ended,
    }, ticket);
    player.onbroken = () => this.feed.restart();
  }

  get notice() {
    return stats.notice || this.quality.notice(stats.rendition);
  }

  get isStopped() {
    return Boolean(this.player?.started && this.player.stopped);
  }

  get isMuted() {
    return this.player?.muted ?? true;
  }

  // What the button for the sound does: plays what has stopped, or turns the sound on or off.
  toggleSound() {
    if (this.player.stopped) this.player.play();
    else this.player.muted = !this.player.muted;
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.requestFullscreen();
  }
}

function choosePlayer(channel, video, cues, wanted) {
  if (WebCodecsPlayer.isSupported && (wanted === "webcodecs" || !MsePlayer.isSupported)) {
    return new WebCodecsPlayer(video, cues);
  }
  if (MsePlayer.isSupported) return new MsePlayer(video, cues);
  if (NativePlayer.isSupported) return new NativePlayer(video, channel);
  setState("unsupported", "This browser has no way to play live video.");
  return null;
}

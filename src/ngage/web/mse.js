// Plays with Media Source Extensions. Media time in seconds, pts and t_in in microseconds.

import { ElementPlayer } from "./element.js";
import { Sequence, parseInit } from "./message.js";
import { Delays, setState, stats } from "./stats.js";

const TARGET_MIN = 0.12, TARGET_MAX = 1.0;
const STALL_ADDS = 0.1;
const CALM_MS = 15_000;
// Decoding the first group of pictures says nothing about the connection.
const SETTLE_MS = 2_000;
const KEEP_SECONDS = 10, TRIM_SECONDS = 20;
const SEEK_OVER = 1.5;
// [seconds over target, playback rate], first that fits. Each change of rate costs Chromium about
// 25 ms of sound, so a correction goes on until it has nearly arrived.
const RATES = [[0.3, 1.5], [0.15, 1.15], [0.07, 1.04]];
const ARRIVED = 0.02;
const QUEUE_BYTES_MAX = 16 << 20;
const STAMPS_MAX = 900;

// One SourceBuffer and what waits for it: appended as one piece when it is free.
class Track {
  constructor(buffer, init, isVideo) {
    this.buffer = buffer;
    this.isVideo = isVideo;
    this.queue = [init];
    this.queuedBytes = init.byteLength;
    this.sequence = new Sequence();
    buffer.mode = "segments";
  }

  // Returns how many messages are missing before this one.
  push(seq, isKey, payload) {
    if (this.queuedBytes > QUEUE_BYTES_MAX) this.sequence.needsKey = true;
    const [missing, usable] = this.sequence.take(seq, isKey);
    if (usable) {
      this.queue.push(payload);
      this.queuedBytes += payload.byteLength;
    }
    return missing;
  }

  pump(currentTime) {
    if (this.buffer.updating) return;
    const ranges = this.buffer.buffered;
    if (ranges.length && ranges.start(0) < currentTime - TRIM_SECONDS) {
      this.buffer.remove(0, currentTime - KEEP_SECONDS);
      return;
    }
    if (!this.queue.length) return;
    const waiting = new Uint8Array(this.queuedBytes);
    let at = 0;
    for (const piece of this.queue) {
      waiting.set(piece, at);
      at += piece.byteLength;
    }
    try {
      this.buffer.appendBuffer(waiting);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      this.buffer.remove(0, Math.max(0.001, currentTime - 1));
      return;
    }
    this.queue = [];
    this.queuedBytes = 0;
  }
}

export class MsePlayer extends ElementPlayer {
  static get isSupported() {
    return "ManagedMediaSource" in window || "MediaSource" in window;
  }

  constructor(video) {
    super(video, "mse");
    this.Source = window.ManagedMediaSource || window.MediaSource;
    this.timeline = null;
    this.tracks = new Map();
    this.stamps = [];
    this.target = TARGET_MIN;
    stats.targetMs = TARGET_MIN * 1000;
    this.delays = new Delays();
    this.started = false;
    this.calmSince = performance.now();
    this.onbroken = () => {};
    // ManagedMediaSource opens only for a video that is not handed to another screen.
    if (window.ManagedMediaSource) video.disableRemotePlayback = true;
    video.addEventListener("waiting", () => this.stalled());
    video.addEventListener("error", () => this.broke());
    setInterval(() => this.steer(), 250);
    if (video.requestVideoFrameCallback) this.watchFrames();
  }

  init(payload) {
    const { timeline, tracks } = parseInit(payload);
    if (timeline === this.timeline) return;
    this.timeline = timeline;
    this.tracks = new Map();
    this.stamps = [];
    this.started = false;
    const source = new this.Source();
    source.addEventListener("sourceopen", () => this.open(source, tracks), { once: true });
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(source);
    this.video.src = this.url;
    this.early = [];
  }

  open(source, tracks) {
    for (const { id, kind, mime, init } of tracks) {
      const isVideo = kind === "video";
      if (!this.Source.isTypeSupported(mime)) {
        if (isVideo) setState("unsupported", `This browser cannot play ${mime}.`);
        continue;
      }
      const buffer = source.addSourceBuffer(mime);
      const track = new Track(buffer, init, isVideo);
      this.tracks.set(id, track);
      buffer.addEventListener("updateend", () => {
        track.pump(this.video.currentTime);
        this.steer();
      });
    }
    const early = this.early;
    this.early = null;
    for (const message of early) this.media(message);
    for (const track of this.tracks.values()) track.pump(0);
  }

  media(message) {
    // A source opens in a later turn of the browser's loop; what comes before waits.
    if (this.early) {
      this.early.push(message);
      return;
    }
    const track = this.tracks.get(message.rendition);
    if (!track) return;
    const missing = track.push(message.seq, message.isKey, message.payload);
    this.delays.received(message.tIn);
    if (track.isVideo) {
      stats.skipped += missing;
      this.stamps.push([message.pts, message.tIn]);
      if (this.stamps.length > STAMPS_MAX) this.stamps.splice(0, STAMPS_MAX / 3);
    }
    track.pump(this.video.currentTime);
  }

  // Keeps the playing position `target` seconds behind the newest picture.
  steer() {
    const { video } = this;
    const ranges = video.buffered;
    if (!ranges.length) return;
    const last = ranges.length - 1;
    const start = ranges.start(last), end = ranges.end(last);
    if (!this.started) {
      this.started = true;
      this.startedAt = this.calmSince = performance.now();
      video.currentTime = Math.max(start, end - this.target);
      this.play();
      return;
    }
    const ahead = end - video.currentTime;
    stats.aheadMs = Math.max(0, ahead * 1000);
    const inHole = video.currentTime < start && this.playable(ranges) < 0.05;
    if (inHole || ahead - this.target > SEEK_OVER) {
      video.currentTime = Math.max(start, end - this.target);
    }
    const rate = this.rate(ahead - this.target, video.playbackRate);
    if (video.playbackRate !== rate) video.playbackRate = rate;
    this.relax();
  }

  rate(over, current) {
    const catching = RATES.find(([seconds]) => over > seconds);
    if (catching) return Math.max(catching[1], current);
    if (current > 1 && over > ARRIVED) return current;
    if (over < -this.target / 2 || (current < 1 && over < -ARRIVED)) return 0.97;
    return 1;
  }

  // Seconds left in the range that is playing: a hole follows it.
  playable(ranges) {
    const { currentTime } = this.video;
    for (let i = 0; i < ranges.length; i++) {
      if (ranges.start(i) <= currentTime + 0.05 && currentTime <= ranges.end(i)) {
        return ranges.end(i) - currentTime;
      }
    }
    return 0;
  }

  stalled() {
    if (!this.started || this.video.seeking || this.video.paused) return;
    stats.stalls++;
    if (performance.now() - this.startedAt > SETTLE_MS) this.retarget(this.target + STALL_ADDS);
  }

  // What the browser cannot decode is left behind: the next connection brings the init again.
  broke() {
    if (!this.tracks.size) return;
    this.timeline = null;
    this.tracks = new Map();
    this.onbroken();
  }

  relax() {
    if (performance.now() - this.calmSince > CALM_MS) this.retarget(this.target * 0.9);
  }

  retarget(seconds) {
    this.target = Math.min(TARGET_MAX, Math.max(TARGET_MIN, seconds));
    this.calmSince = performance.now();
    stats.targetMs = this.target * 1000;
  }

  watchFrames() {
    this.video.requestVideoFrameCallback((now, frame) => {
      this.shown(frame.mediaTime, Date.now() + frame.expectedDisplayTime - performance.now());
      stats.frames = frame.presentedFrames;
      this.watchFrames();
    });
  }

  // mediaTime is the pts of the frame on the screen, its microseconds rounded somewhere.
  shown(mediaTime, unixMs) {
    const pts = mediaTime * 1e6 + 1000;
    const stamp = this.stamps.findLast(([stampPts]) => stampPts <= pts);
    if (!stamp) return;
    this.delays.shown(stamp[1], unixMs);
  }

  measure() {
    if (!this.video.requestVideoFrameCallback) this.shown(this.video.currentTime, Date.now());
    super.measure();
  }
}

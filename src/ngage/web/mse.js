// Plays with Media Source Extensions. Media time in seconds, pts and t_in in microseconds.

import { ElementPlayer } from "./element.js";
import { Ladder, sortTracks } from "./ladder.js";
import { SOUND_ONLY, Sequence, still, videoDuration } from "./message.js";
import { Delays, setState, stats } from "./stats.js";
import { Track } from "./track.js";

const TARGET_MIN = 0.1, TARGET_MAX = 1.0;
const STALL_ADDS = 0.1;
const CALM_MS = 15_000;
// Decoding the first group of pictures says nothing about the connection.
const SETTLE_MS = 2_000;
const SEEK_OVER = 1.5;
// [seconds over target, playback rate], first that fits. Each change of rate costs Chromium about
// 25 ms of sound, so a correction goes on until it has nearly arrived.
const RATES = [[0.3, 1.5], [0.15, 1.15], [0.07, 1.04]];
const ARRIVED = 0.02;
const STAMPS_MAX = 900;
// A picture that stands is shown anew each second, and not near where a key frame is due: Chromium
// has decoded it by then, and what replaces it would wait for the next key frame.
const STILL_US = 1_000_000, STILL_PAST_KEY_US = 100_000, SOUND_FRAME_US = 25_000;

export class MsePlayer extends ElementPlayer {
  static get isSupported() {
    return "ManagedMediaSource" in window || "MediaSource" in window;
  }

  constructor(video, cues) {
    super(video, "mse");
    this.cues = cues;
    this.Source = window.ManagedMediaSource || window.MediaSource;
    this.forget();
    this.target = TARGET_MIN;
    this.delays = new Delays();
    this.calmSince = performance.now();
    this.onbroken = () => {};
    // ManagedMediaSource opens only for a video that is not handed to another screen.
    if (window.ManagedMediaSource) video.disableRemotePlayback = true;
    video.addEventListener("waiting", () => this.stalled());
    video.addEventListener("error", () => this.broke());
    setInterval(() => this.steer(), 250);
    if (video.requestVideoFrameCallback) this.watchFrames();
  }

  forget() {
    this.timeline = null;
    this.pictures = new Map();
    this.sound = this.picture = undefined;
    this.parts = [];
  }

  init({ timeline, tracks }) {
    const [pictures, sound] = sortTracks(tracks, ({ mime }) => this.Source.isTypeSupported(mime));
    const goesOn = timeline === this.timeline && sound?.id === this.sound?.id;
    this.pictures = pictures;
    if (goesOn) return;
    this.timeline = timeline;
    this.sound = sound;
    this.ladder = new Ladder();
    this.sequence = new Sequence();
    this.stamps = [];
    const picture = tracks.find(({ kind }) => kind === "video");
    if (picture && !pictures.size) {
      setState("unsupported", `This browser cannot play ${picture.mime}.`);
    }
    this.parts = [];
    this.picture = undefined;
    if (!pictures.size) this.build();
  }

  // Another source, as the first message needs it: no buffer can be added later. The rungs of the
  // ladder, of which `track` is one, take turns in the one for pictures.
  build(track) {
    this.picture = track && new Track(track.mime);
    this.described = this.key = null;
    this.pictureEnd = 0;
    this.hearing = this.sound && new Track(this.sound.mime);
    this.hearing?.push(this.sound.init);
    const parts = this.parts = [this.picture, this.hearing].filter(Boolean);
    this.started = false;
    const source = new this.Source();
    source.addEventListener("sourceopen", () => {
      for (const part of parts) part.open(source, () => this.appended(part));
      this.pump();
    }, { once: true });
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(source);
    this.video.src = this.url;
  }

  appended(part) {
    if (!this.parts.includes(part)) return;
    part.pump(this.video.currentTime);
    this.steer();
  }

  pump() {
    for (const part of this.parts) part.pump(this.video.currentTime);
  }

  media(message) {
    if (message.rendition === this.sound?.id) this.hear(message);
    else if (message.rendition === SOUND_ONLY) this.hide(message);
    else if (this.pictures.has(message.rendition)) this.see(message);
    else return;
    this.delays.received(message);
    this.pump();
  }

  hear(message) {
    const { seq, pts, payload } = message;
    const [, usable] = this.sequence.take(seq, true);
    if (!usable || !this.parts.length) return;
    this.hearing.push(payload);
    if (!this.isSoundOnly) return;
    this.stamp(message, SOUND_ONLY);
    const behind = pts + SOUND_FRAME_US - this.pictureEnd;
    if (behind > 0) this.stand(this.pictureEnd + Math.ceil(behind / STILL_US) * STILL_US);
  }

  get isSoundOnly() {
    return this.ladder?.rendition === SOUND_ONLY;
  }

  hide(message) {
    const wasSoundOnly = this.isSoundOnly;
    this.ladder.take(message);
    if (!this.parts.length && this.sound) this.build();
    if (!this.sound) stats.rendition = SOUND_ONLY;
    else if (!wasSoundOnly) this.stand(message.pts + STILL_US + STILL_PAST_KEY_US);
  }

  // A buffer of pictures that runs dry would stop the sound too, and a source without one begins
  // with silence. So the last key frame is shown again and again.
  stand(until) {
    if (!this.picture || until <= this.pictureEnd) return;
    this.picture.push(still(this.key, this.pictureEnd, until - this.pictureEnd));
    this.pictureEnd = until;
  }

  see(message) {
    const { rendition, isKey, pts, payload } = message;
    const [missing, usable] = this.ladder.take(message);
    stats.skipped += missing;
    if (!usable) return;
    if (!this.picture) this.build(this.pictures.get(rendition));
    const init = rendition === this.described ? [] : [this.pictures.get(rendition).init];
    if (!this.picture.push(...init, payload)) {
      this.ladder.interrupt();
      return;
    }
    this.described = rendition;
    if (isKey) this.key = payload;
    this.pictureEnd = Math.max(this.pictureEnd, pts + videoDuration(payload));
    this.stamp(message, rendition);
  }

  stamp({ pts, tIn, arrivedMs }, rendition) {
    this.stamps.push({ pts, tIn, arrivedMs, rendition });
    if (this.stamps.length > STAMPS_MAX) this.stamps.splice(0, STAMPS_MAX / 3);
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
    const isDry = video.readyState <= video.HAVE_CURRENT_DATA || this.playable(ranges) < 0.05;
    const inHole = video.currentTime < start && isDry;
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
    if (!this.parts.length) return;
    this.forget();
    this.onbroken();
  }

  relax() {
    if (performance.now() - this.calmSince > CALM_MS) this.retarget(this.target * 0.9);
  }

  retarget(seconds) {
    this.target = Math.min(TARGET_MAX, Math.max(TARGET_MIN, seconds));
    this.calmSince = performance.now();
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
    if (!this.started) return;
    const pts = mediaTime * 1e6 + 1000;
    this.cues.reached(pts);
    const stamp = this.stamps.findLast((one) => one.pts <= pts);
    if (!stamp) return;
    stats.rendition = stamp.rendition;
    this.delays.shown(stamp, unixMs);
  }

  measure() {
    const isBlind = !this.video.requestVideoFrameCallback || document.hidden;
    if (isBlind || this.isSoundOnly) this.shown(this.video.currentTime, Date.now());
    super.measure();
  }
}

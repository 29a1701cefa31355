// Plays with WebCodecs: each picture is shown as soon as it is decoded, with no buffer in between.
// The price is that it moves as the network does.

import { CHUNK_HEAD_BYTES, Sequence, decoderConfig, parseInit } from "./message.js";
import { Sound } from "./sound.js";
import { Delays, setState, stats } from "./stats.js";

// More undecoded pictures mean that this device is too slow: on with the next key frame.
const UNDECODED_MAX = 30;
const STAMPS_MAX = 300;

export class WebCodecsPlayer {
  static get isSupported() {
    return "VideoDecoder" in window;
  }

  constructor(video) {
    this.canvas = document.createElement("canvas");
    this.canvas.id = "canvas";
    video.replaceWith(this.canvas);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.timeline = null;
    this.pictures = null;
    this.sound = new Sound();
    this.stamps = new Map();
    this.delays = new Delays();
    this.newest = null;
    this.started = false;
    this.onbroken = () => {};
    stats.engine = "webcodecs";
    stats.aheadMs = stats.targetMs = 0;
  }

  init(payload) {
    const { timeline, tracks } = parseInit(payload);
    if (timeline === this.timeline) return;
    this.timeline = timeline;
    if (this.pictures?.decoder.state === "configured") this.pictures.decoder.close();
    this.pictures = null;
    this.sound.close();
    this.stamps.clear();
    for (const track of tracks) {
      const codec = track.mime.match(/codecs="([^"]+)"/)[1];
      const description = decoderConfig(track.init);
      if (track.kind === "video") this.open(track.id, { codec, description });
      else this.sound.open(track.id, { codec, description });
    }
  }

  open(rendition, config) {
    const decoder = new VideoDecoder({
      output: (frame) => this.decoded(frame),
      error: () => this.broke(),
    });
    decoder.configure({ ...config, optimizeForLatency: true });
    this.pictures = { rendition, decoder, sequence: new Sequence() };
  }

  media({ rendition, seq, isKey, pts, tIn, payload }) {
    const sample = payload.subarray(CHUNK_HEAD_BYTES);
    if (rendition !== this.pictures?.rendition) {
      this.sound.media(rendition, pts, sample);
      return;
    }
    const { decoder, sequence } = this.pictures;
    if (decoder.state !== "configured") return;
    if (decoder.decodeQueueSize > UNDECODED_MAX && !isKey) {
      sequence.needsKey = true;
      stats.dropped++;
    }
    const [missing, usable] = sequence.take(seq, isKey);
    stats.skipped += missing;
    this.delays.received(tIn);
    if (!usable) return;
    this.stamps.set(pts, tIn);
    if (this.stamps.size > STAMPS_MAX) this.stamps.delete(this.stamps.keys().next().value);
    decoder.decode(new EncodedVideoChunk({
      type: isKey ? "key" : "delta", timestamp: pts, data: sample,
    }));
  }

  // Of what is decoded between two refreshes of the screen, the newest is shown.
  decoded(frame) {
    if (this.newest) this.newest.close();
    else requestAnimationFrame(() => this.draw());
    this.newest = frame;
  }

  draw() {
    const frame = this.newest;
    this.newest = null;
    const { canvas } = this;
    if (canvas.width !== frame.displayWidth || canvas.height !== frame.displayHeight) {
      [canvas.width, canvas.height] = [frame.displayWidth, frame.displayHeight];
    }
    this.context.drawImage(frame, 0, 0, canvas.width, canvas.height);
    const tIn = this.stamps.get(frame.timestamp);
    stats.mediaTime = frame.timestamp / 1e6;
    frame.close();
    stats.frames++;
    if (tIn !== undefined) this.delays.shown(tIn, Date.now());
    if (!this.started) {
      this.started = true;
      setState("live");
    }
  }

  broke() {
    this.timeline = null;
    this.pictures = null;
    this.onbroken();
  }

  // What the page's controls and figures ask.

  get stopped() {
    return false;
  }

  get muted() {
    return this.sound.muted;
  }

  set muted(muted) {
    this.sound.muted = muted;
  }

  play() {}

  measure() {}
}

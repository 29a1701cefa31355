// Plays with WebCodecs: each picture is shown as soon as it is decoded, with no buffer in between.
// The price is that it moves as the network does.

import { Ladder, sortTracks } from "./ladder.js";
import { CHUNK_HEAD_BYTES, SOUND_ONLY, decoderConfig } from "./message.js";
import { Sound } from "./sound.js";
import { Delays, setState, stats } from "./stats.js";

// More undecoded pictures mean that this device is too slow: on with the next key frame.
const UNDECODED_MAX = 30;
const STAMPS_MAX = 300;

export class WebCodecsPlayer {
  static get isSupported() {
    return "VideoDecoder" in window;
  }

  constructor(video, cues) {
    this.cues = cues;
    this.canvas = document.createElement("canvas");
    this.canvas.id = "canvas";
    video.replaceWith(this.canvas);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.timeline = null;
    this.pictures = new Map();
    this.sound = new Sound();
    this.stamps = new Map();
    this.delays = new Delays();
    this.newest = null;
    this.started = false;
    this.onbroken = () => {};
    stats.engine = "webcodecs";
    stats.aheadMs = 0;
  }

  init({ timeline, tracks }) {
    const [pictures, sound] = sortTracks(tracks, () => true);
    const goesOn = timeline === this.timeline && sound?.id === this.sound.track?.rendition;
    this.pictures = pictures;
    if (goesOn) return;
    this.timeline = timeline;
    this.ladder = new Ladder();
    this.described = null;
    this.stamps.clear();
    this.newest?.close();
    this.newest = null;
    this.drawn = -1;
    if (this.decoder?.state === "configured") this.decoder.close();
    this.decoder = new VideoDecoder({
      output: (frame) => this.decoded(frame),
      error: () => this.broke(),
    });
    this.sound.close();
    if (sound) this.sound.open(sound.id, config(sound));
  }

  media(message) {
    const { rendition, seq, pts, payload } = message;
    const sample = payload.subarray(CHUNK_HEAD_BYTES);
    if (rendition === this.sound.track?.rendition) this.sound.media(seq, pts, sample);
    else if (rendition === SOUND_ONLY) this.ladder.take(message);
    else if (this.pictures.has(rendition)) this.see(message, sample);
    else return;
    this.delays.received(message);
    if (this.ladder.rendition === SOUND_ONLY) this.goOn(pts, SOUND_ONLY);
  }

  // What is on the screen, or heard, now.
  goOn(pts, rendition) {
    stats.mediaTime = pts / 1e6;
    stats.rendition = rendition;
    this.cues.reached(pts);
    if (this.started) return;
    this.started = true;
    setState("live");
  }

  see(message, data) {
    const { rendition, isKey, pts, tIn, arrivedMs } = message;
    if (this.decoder.decodeQueueSize > UNDECODED_MAX && !isKey) {
      this.ladder.interrupt();
      stats.dropped++;
    }
    const [missing, usable] = this.ladder.take(message);
    stats.skipped += missing;
    if (!usable) return;
    if (rendition !== this.described) {
      this.decoder.configure({ ...config(this.pictures.get(rendition)), optimizeForLatency: true });
      this.described = rendition;
    }
    this.stamps.set(pts, { tIn, arrivedMs, rendition });
    if (this.stamps.size > STAMPS_MAX) this.stamps.delete(this.stamps.keys().next().value);
    const type = isKey ? "key" : "delta";
    this.decoder.decode(new EncodedVideoChunk({ type, timestamp: pts, data }));
  }

  // Of what is decoded between two refreshes of the screen, the newest is shown. Another rung may
  // begin with what has been shown already.
  decoded(frame) {
    if (frame.timestamp <= this.drawn) {
      frame.close();
      return;
    }
    if (this.newest) this.newest.close();
    else requestAnimationFrame(() => this.draw());
    this.newest = frame;
    // Nothing is drawn on a page that nobody sees.
    if (document.hidden) this.cues.reached(frame.timestamp);
  }

  draw() {
    const frame = this.newest;
    if (!frame) return;
    this.newest = null;
    const { canvas } = this;
    if (canvas.width !== frame.displayWidth || canvas.height !== frame.displayHeight) {
      [canvas.width, canvas.height] = [frame.displayWidth, frame.displayHeight];
    }
    this.context.drawImage(frame, 0, 0, canvas.width, canvas.height);
    const stamp = this.stamps.get(frame.timestamp);
    this.drawn = frame.timestamp;
    frame.close();
    stats.frames++;
    if (stamp) this.delays.shown(stamp, Date.now());
    this.goOn(this.drawn, stamp?.rendition ?? stats.rendition);
  }

  broke() {
    this.timeline = null;
    this.pictures = new Map();
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

function config({ mime, init }) {
  return { codec: mime.match(/codecs="([^"]+)"/)[1], description: decoderConfig(init) };
}

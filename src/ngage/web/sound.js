// Sound by WebCodecs and Web Audio, for the player that has no media element. Decoded only while it
// is heard: browsers let a page sound only after a click.

import { Sequence } from "./message.js";

// What is scheduled ahead of the loudspeaker: network and decoder may be late by that much.
const AHEAD_SECONDS = 0.06;
const AHEAD_SECONDS_MAX = 0.25;

export class Sound {
  constructor() {
    this.track = null;
    this.decoder = null;
    this.context = null;
    this.until = 0;
  }

  open(rendition, config) {
    this.track = { rendition, config, sequence: new Sequence() };
    if (!this.muted) this.start();
  }

  close() {
    this.stop();
    this.track = null;
  }

  get muted() {
    return this.context === null;
  }

  set muted(muted) {
    if (muted) {
      this.stop();
      this.context?.close();
      this.context = null;
    } else {
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.start();
    }
  }

  start() {
    if (!this.track || !("AudioDecoder" in window)) return;
    const [sampleRate, numberOfChannels] = format(this.track.config.description);
    this.decoder = new AudioDecoder({
      output: (data) => this.decoded(data),
      error: () => this.stop(),
    });
    this.decoder.configure({ ...this.track.config, sampleRate, numberOfChannels });
    this.until = 0;
  }

  stop() {
    if (this.decoder?.state === "configured") this.decoder.close();
    this.decoder = null;
  }

  media(seq, timestamp, data) {
    const [, usable] = this.track.sequence.take(seq, true);
    if (!usable || this.decoder?.state !== "configured") return;
    this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data }));
  }

  decoded(data) {
    const { context } = this;
    const { numberOfFrames, numberOfChannels, sampleRate } = data;
    const now = context?.currentTime ?? 0;
    if (!context || this.until - now > AHEAD_SECONDS_MAX) {
      data.close();
      return;
    }
    const buffer = context.createBuffer(numberOfChannels, numberOfFrames, sampleRate);
    for (let channel = 0; channel < numberOfChannels; channel++) {
      const plane = { planeIndex: channel, format: "f32-planar" };
      data.copyTo(buffer.getChannelData(channel), plane);
    }
    data.close();
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    const at = this.until > now ? this.until : now + AHEAD_SECONDS;
    source.start(at);
    this.until = at + buffer.duration;
  }
}

const RATES = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
];

// Sample rate and channels of an AudioSpecificConfig (14496-3, 1.6.2.1).
function format(config) {
  const index = (config[0] & 7) << 1 | config[1] >> 7;
  return [RATES[index], config[1] >> 3 & 15];
}

// `ngage.video.v1` (docs/reference/video-v1.md) as a browser reads it. Times in microseconds, but
// when a message arrived: Unix time in milliseconds.

const INIT = 1, MEDIA = 2, TIMED = 3, END = 5;
const KEY = 1;
// The rendition of what says that there is no picture from here on.
export const SOUND_ONLY = 255;
// What stands before the sample in a chunk: moof, and the head of mdat.
export const CHUNK_HEAD_BYTES = 112;

function parse(data) {
  const view = new DataView(data);
  return {
    type: view.getUint8(0),
    rendition: view.getUint8(1),
    isKey: Boolean(view.getUint8(2) & KEY),
    seq: view.getUint32(4, true),
    pts: Number(view.getBigUint64(8, true)),
    tIn: Number(view.getBigUint64(16, true)),
    arrivedMs: Date.now(),
    payload: new Uint8Array(data, view.getUint8(3) * 8),
  };
}

// { timeline, tracks: [{ id, kind, mime, init, ... }] }, init being the bytes of its init segment.
function parseInit(payload) {
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(payload.subarray(4, 4 + length)));
  let at = 4 + length;
  const tracks = about.tracks.map((track) => {
    const init = payload.subarray(at, at += track.bytes);
    return { ...track, init };
  });
  return { timeline: about.timeline, tracks };
}

// Messages of one track in order: how many are missing, and whether a decoder can take this one.
export class Sequence {
  constructor() {
    this.next = null;
    this.needsKey = true;
  }

  // Returns [missing before this one, whether it can be used]. What was there before cannot: who
  // connects again, or changes to another rung, gets some messages twice.
  take(seq, isKey) {
    const missing = this.next === null ? 0 : (seq - this.next) | 0;
    if (missing < 0) return [0, false];
    this.next = (seq + 1) >>> 0;
    if (missing) this.needsKey = true;
    if (this.needsKey && !isKey) return [missing + 1, false];
    this.needsKey = false;
    return [missing, true];
  }
}

// To the handler that is for it: init(about), media(message), timed(message) or end().
export function deliver(handlers, data) {
  const message = parse(data);
  if (message.type === INIT) handlers.init(parseInit(message.payload));
  else if (message.type === MEDIA) handlers.media(message);
  else if (message.type === TIMED) handlers.timed(message);
  else if (message.type === END) handlers.end();
}

// Places in the head of a chunk: the time in tfdt; duration and composition offset in trun.
const TIME = 60, DURATION = 88, OFFSET = 100;
const US_PER_TICK = 100 / 9;

export function videoDuration(chunk) {
  return new DataView(chunk.buffer, chunk.byteOffset).getUint32(DURATION) * US_PER_TICK;
}

// The chunk of a key frame once more: shown from `pts` on.
export function still(chunk, pts, duration) {
  const copy = chunk.slice();
  const view = new DataView(copy.buffer);
  view.setBigUint64(TIME, BigInt(Math.round(pts / US_PER_TICK)));
  view.setUint32(DURATION, Math.round(duration / US_PER_TICK));
  view.setInt32(OFFSET, 0);
  return copy;
}

// What a decoder needs beside the stream, out of an init segment: avcC, or AudioSpecificConfig.
export function decoderConfig(init) {
  const avcc = boxBody(init, "avcC");
  if (avcc) return avcc;
  const esds = boxBody(init, "esds");
  // ES_Descriptor, DecoderConfigDescriptor, DecoderSpecificInfo (14496-1), each length one byte.
  return esds.subarray(26, 26 + esds[25]);
}

function boxBody(bytes, type) {
  const codes = [...type].map((letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 4; at + 4 <= bytes.length; at++) {
    if (codes.every((code, i) => bytes[at + i] === code)) {
      return bytes.subarray(at + 4, at - 4 + view.getUint32(at - 4));
    }
  }
  return null;
}

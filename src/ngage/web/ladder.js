// The ladder of renditions as one viewer sees it. The server moves a viewer between rungs at key
// frames and says so by nothing else: video of another track begins with a key frame.

import { Sequence } from "./message.js";

export class Ladder {
  constructor() {
    this.rendition = null;
    this.sequence = new Sequence();
  }

  // As Sequence.take(), of whatever video track comes.
  take({ rendition, seq, isKey }) {
    if (rendition !== this.rendition) {
      if (!isKey) return [1, false];
      this.rendition = rendition;
      this.sequence = new Sequence();
    }
    return this.sequence.take(seq, isKey);
  }

  // What was taken last is lost on the way to the decoder.
  interrupt() {
    this.sequence.needsKey = true;
  }
}

// The tracks of an INIT that can be played: [Map of video by rendition, the sound or undefined].
export function sortTracks(tracks, canPlay) {
  const playable = tracks.filter(canPlay);
  const pictures = playable.filter((track) => track.kind === "video");
  return [
    new Map(pictures.map((track) => [track.id, track])),
    playable.find((track) => track.kind === "audio"),
  ];
}

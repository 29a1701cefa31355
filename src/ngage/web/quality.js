// The choice of quality: the highest rung this viewer wants, and what it sees. The server steps
// down by itself where the connection is slow, so that any choice is a ceiling; and on a rung whose
// track is gone for a while it shows the next lower, so that a choice stays what it is.

import { SOUND_ONLY } from "./message.js";

const AUTO = "auto", SOUND = "sound";
// Beyond any rung: the last is taken for it, which is the sound alone.
const LAST_RUNG = 15;

export class Quality {
  // In the label `field`; `send(text)` reaches the server if there is a connection.
  constructor(field, send) {
    this.field = field;
    this.select = field.querySelector("select");
    this.send = send;
    this.labels = new Map();
    this.wanted = AUTO;
    this.wished = 0;
    this.select.addEventListener("change", () => {
      this.wanted = this.select.value;
      this.wish();
    });
  }

  // The tracks of an INIT.
  offer(tracks) {
    const pictures = tracks.filter(({ kind }) => kind === "video");
    const hasSound = tracks.some(({ kind }) => kind === "audio");
    this.field.hidden = !pictures.length || pictures.length + hasSound < 2;
    this.labels = new Map([[AUTO, "Auto"]]);
    for (const track of pictures) this.labels.set(String(track.id), label(track, pictures));
    if (hasSound) this.labels.set(SOUND, "Sound only");
    this.select.replaceChildren(...[...this.labels].map(([id, text]) => new Option(text, id)));
    this.select.value = this.nearest(pictures);
    if (this.rung !== this.wished) this.wish();
  }

  // What is wanted or, where its track is gone, the next lower, or the lowest there is.
  nearest(pictures) {
    if (this.labels.has(this.wanted)) return this.wanted;
    const lower = pictures.find(({ id }) => id > Number(this.wanted)) ?? pictures.at(-1);
    return lower && this.wanted !== SOUND ? String(lower.id) : AUTO;
  }

  get wantsSoundOnly() {
    return this.wanted === SOUND && this.labels.has(SOUND);
  }

  get rung() {
    if (this.wantsSoundOnly) return LAST_RUNG;
    return Number(this.wanted) || 0;
  }

  wish() {
    this.wished = this.rung;
    this.send(`{"t":"r","id":${this.wished}}`);
  }

  // A connection that is new knows of no wish.
  connected() {
    if (this.wished) this.wish();
  }

  // What there is to say where the picture is.
  notice(rendition) {
    if (rendition !== SOUND_ONLY) return "";
    if (!this.labels.has(SOUND)) return "No picture: the connection is slow";
    return this.wantsSoundOnly ? "Sound only, as chosen" : "Sound only: the connection is slow";
  }

  // The rendition on the screen now.
  show(rendition) {
    const on = rendition === SOUND_ONLY ? SOUND : String(rendition);
    for (const option of this.select.options) {
      let text = this.labels.get(option.value);
      if (option.selected && on !== option.value && this.labels.has(on)) {
        const now = this.labels.get(on);
        text += option.value === AUTO ? `, ${now.toLowerCase()}` : `, now ${now.toLowerCase()}`;
      }
      if (option.text !== text) option.text = text;
    }
  }
}

// Its height, and what else tells it from others of that height.
function label({ height, fps, kbps }, pictures) {
  const alike = pictures.filter((other) => other.height === height);
  if (alike.length === 1) return `${height}p`;
  if (new Set(alike.map((other) => other.fps)).size === alike.length) return `${height}p${fps}`;
  return kbps ? `${height}p, ${kbps.toLocaleString()} kbit/s` : `${height}p`;
}

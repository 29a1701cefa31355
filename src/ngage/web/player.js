// Plays `ngage.video.v1` (docs/reference/video-v1.md) with Media Source Extensions.
// Units: pts and t_in in microseconds, media time in seconds, delays in milliseconds.

const HEADER_BYTES = 24;
const INIT = 1, MEDIA = 2, END = 5;
const KEY = 1;

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

const RETRY_MIN_MS = 500, RETRY_MAX_MS = 20_000;
const SILENCE_MS = 10_000, STEADY_MS = 10_000;

const stats = {
  state: "connecting", notice: "", delayMs: null, aheadMs: null, targetMs: TARGET_MIN * 1000,
  frames: 0, dropped: 0, skipped: 0, stalls: 0, reconnects: 0, viewers: null, clocksDiffer: false,
};
window.ngage = stats;

function terminal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

// A WebSocket that comes back, after a random wait so that a crowd does not come back at once.
class Feed {
  constructor(channel, handlers) {
    this.handlers = handlers;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.url = `${scheme}//${location.host}/ws/${encodeURIComponent(channel).replaceAll("%3A", ":")}`;
    this.failures = 0;
    this.connect();
    setInterval(() => this.watch(), 1000);
  }

  connect() {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.madeAt = performance.now();
    this.heardAt = null;
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => {
      this.heardAt = performance.now();
      this.handlers.message(event.data);
    };
    socket.onopen = () => this.handlers.open?.();
    socket.onclose = (event) => this.lost(socket, event.code, event.reason);
  }

  // A path that has died tells nobody: silence after the first message counts as a loss.
  watch() {
    if (this.heardAt !== null && performance.now() - this.heardAt > SILENCE_MS) {
      this.restart();
    }
  }

  restart() {
    if (this.socket) this.lost(this.socket, 1006, "");
  }

  lost(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.heardAt = null;
    socket.onmessage = socket.onopen = socket.onclose = null;
    socket.close();
    if (terminal(code)) {
      this.handlers.end?.(reason);
      return;
    }
    this.handlers.lost?.();
    if (performance.now() - this.madeAt > STEADY_MS) this.failures = 0;
    const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.failures++);
    setTimeout(() => this.connect(), Math.random() * ceiling);
  }
}

// One SourceBuffer and what waits for it: appended as one piece when it is free.
class Track {
  constructor(buffer, init, isVideo) {
    this.buffer = buffer;
    this.isVideo = isVideo;
    this.queue = [init];
    this.queuedBytes = init.byteLength;
    this.nextSeq = null;
    this.needsKey = true;
    buffer.mode = "segments";
  }

  // Returns how many messages are missing before this one.
  push(seq, isKey, payload) {
    const missing = this.nextSeq === null ? 0 : (seq - this.nextSeq) >>> 0;
    this.nextSeq = (seq + 1) >>> 0;
    if (missing || this.queuedBytes > QUEUE_BYTES_MAX) this.needsKey = true;
    if (this.needsKey && !isKey) return missing + 1;
    this.needsKey = false;
    this.queue.push(payload);
    this.queuedBytes += payload.byteLength;
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

class Player {
  constructor(video) {
    this.video = video;
    this.Source = window.ManagedMediaSource || window.MediaSource;
    this.timeline = null;
    this.tracks = new Map();
    this.stamps = [];
    this.target = TARGET_MIN;
    this.fastestMs = Infinity;
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

  message(data) {
    const view = new DataView(data);
    const type = view.getUint8(0);
    const headerBytes = view.getUint8(3) * 8;
    const payload = new Uint8Array(data, headerBytes);
    if (type === INIT) this.init(payload);
    else if (type === MEDIA) this.media(view, payload);
    else if (type === END) setState("ended");
  }

  init(payload) {
    const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(payload.subarray(4, 4 + length)));
    if (about.timeline === this.timeline) return;
    this.timeline = about.timeline;
    this.tracks = new Map();
    this.stamps = [];
    this.started = false;
    const source = new this.Source();
    let at = 4 + length;
    const tracks = about.tracks.map((track) => {
      const init = payload.subarray(at, at += track.bytes);
      return { ...track, init };
    });
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
    for (const data of early) this.message(data);
    for (const track of this.tracks.values()) track.pump(0);
  }

  media(view, payload) {
    // A source opens in a later turn of the browser's loop; what comes before waits.
    if (this.early) {
      this.early.push(view.buffer);
      return;
    }
    const track = this.tracks.get(view.getUint8(1));
    if (!track) return;
    const pts = Number(view.getBigUint64(8, true)), tIn = Number(view.getBigUint64(16, true));
    const missing = track.push(view.getUint32(4, true), view.getUint8(2) & KEY, payload);
    this.fastestMs = Math.min(this.fastestMs, Date.now() - tIn / 1000);
    if (track.isVideo) {
      stats.skipped += missing;
      this.stamps.push([pts, tIn]);
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

  play() {
    this.video.play().then(() => setState("live"), (error) => {
      if (error.name === "NotAllowedError") setState("paused", "Press Play.");
    });
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
    // No message arrives before it was sent: where one seems to, the clocks differ.
    stats.clocksDiffer = this.fastestMs < 0 || this.fastestMs > SILENCE_MS;
    const delay = unixMs - stamp[1] / 1000 - (stats.clocksDiffer ? this.fastestMs : 0);
    stats.delayMs = stats.delayMs === null ? delay : stats.delayMs + (delay - stats.delayMs) / 16;
  }
}

// The page.

const CHANNEL =
  new URLSearchParams(location.search).get("channel") || document.body.dataset.channel;

const TEXT = {
  connecting: "Connecting", waiting: "Waiting for a picture", live: "Live", paused: "Paused",
  reconnecting: "Reconnecting", ended: "Ended", unsupported: "Not supported", failed: "No picture",
};
const element = (id) => document.getElementById(id);

function setState(state, notice = "") {
  if (["ended", "unsupported"].includes(stats.state)) return;
  stats.state = state;
  stats.notice = notice;
}

function milliseconds(value) {
  return value === null ? "–" : `${Math.round(value)} ms`;
}

function show(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

function render() {
  const video = element("video");
  show("state", TEXT[stats.state]);
  element("state").dataset.state = stats.state;
  show("message", stats.notice);
  element("message").hidden = !stats.notice;
  if (!video.requestVideoFrameCallback) player?.shown(video.currentTime, Date.now());
  const quality = video.getVideoPlaybackQuality?.();
  if (quality) {
    stats.dropped = quality.droppedVideoFrames;
    stats.frames = Math.max(stats.frames, quality.totalVideoFrames - quality.droppedVideoFrames);
  }
  show("delay", (stats.clocksDiffer ? "≈ " : "") + milliseconds(stats.delayMs));
  show("ahead", milliseconds(stats.aheadMs));
  for (const figure of ["frames", "dropped", "skipped"]) {
    show(figure, stats[figure].toLocaleString());
  }
  show("viewers", stats.viewers === null ? "–" : stats.viewers.toLocaleString());
  show("clock", stats.clocksDiffer
    ? "The clocks of server and device differ: it counts from the fastest message instead."
    : "It trusts the clocks of the server and of this device.");
  element("sound").disabled = element("fullscreen").disabled = !player?.started;
  const stopped = video.paused && player?.started;
  show("sound", stopped ? "Play" : video.muted ? "Turn sound on" : "Turn sound off");
}

function connectControls(video) {
  element("sound").addEventListener("click", () => {
    if (video.paused) player?.play();
    else video.muted = !video.muted;
    render();
  });
  const stage = document.querySelector(".stage");
  element("fullscreen").hidden = !stage.requestFullscreen;
  element("fullscreen").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen();
  });
}

function createPlayer(video) {
  if (!window.ManagedMediaSource && !window.MediaSource) {
    setState("unsupported", "This browser has no Media Source Extensions, which the player needs.");
    return null;
  }
  const created = new Player(video);
  const feed = new Feed(CHANNEL, {
    open: () => setState(created.started ? "live" : "waiting"),
    message: (data) => created.message(data),
    lost: () => {
      stats.reconnects++;
      setState("reconnecting");
    },
    end: (reason) => setState("ended", reason || "The event has ended."),
  });
  created.onbroken = () => feed.restart();
  return created;
}

const player = createPlayer(element("video"));
connectControls(element("video"));
new Feed(`${CHANNEL}:info`, {
  message: (text) => {
    const info = JSON.parse(text);
    stats.viewers = info.viewers;
    if (info.notice) setState("failed", info.notice);
    else if (stats.state === "failed") setState(player?.started ? "live" : "waiting");
  },
});
setInterval(render, 250);
render();

// The page: picks a player and shows how it is doing. `?player=webcodecs` is the one with the least
// delay, `?channel=NAME` another channel; `?class=` or `data-class` of the body says how often the
// server sends: `rt` each message at once, `live` and `eco` what has come together meanwhile.

import { captionCues } from "./caption.js";
import { Cues } from "./cues.js";
import { element, milliseconds, show } from "./dom.js";
import { Feed } from "./feed.js";
import { deliver } from "./message.js";
import { MsePlayer } from "./mse.js";
import { NativePlayer } from "./native.js";
import { Quality } from "./quality.js";
import { showStages } from "./stages.js";
import { setState, stats } from "./stats.js";
import { WebCodecsPlayer } from "./webcodecs.js";

const query = new URLSearchParams(location.search);
const channel = query.get("channel") || document.body.dataset.channel;
const CLASSES = ["rt", "live", "eco"];

const TEXT = {
  connecting: "Connecting", waiting: "Waiting for a picture", live: "Live", paused: "Paused",
  reconnecting: "Reconnecting", ended: "Ended", unsupported: "Not supported", failed: "No picture",
};

function render() {
  show("state", TEXT[stats.state]);
  element("state").dataset.state = stats.state;
  player?.measure();
  const notice = stats.notice || quality.notice(stats.rendition);
  show("message", notice);
  element("message").hidden = !notice;
  show("delay", (stats.clocksDiffer ? "≈ " : "") + milliseconds(stats.delayMs));
  showStages(stats);
  show("ahead", milliseconds(stats.aheadMs));
  for (const figure of ["frames", "dropped", "skipped"]) {
    show(figure, stats[figure].toLocaleString());
  }
  show("viewers", stats.viewers === null ? "–" : stats.viewers.toLocaleString());
  show("clock", stats.clocksDiffer
    ? "The clocks of server and device differ: it counts from the fastest message instead."
    : "It trusts the clocks of the server and of this device.");
  quality.show(stats.rendition);
  element("sound").disabled = element("fullscreen").disabled = !player?.started;
  const stopped = player?.started && player.stopped;
  show("sound", stopped ? "Play" : player?.muted ?? true ? "Turn sound on" : "Turn sound off");
}

function connectControls() {
  element("sound").addEventListener("click", () => {
    if (player.stopped) player.play();
    else player.muted = !player.muted;
    render();
  });
  element("fullscreen").hidden = !stage.requestFullscreen;
  element("fullscreen").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen();
  });
}

function classSuffix() {
  const wanted = query.get("class") ?? document.body.dataset.class;
  if (!wanted) return "";
  if (CLASSES.includes(wanted)) return `~${wanted}`;
  console.warn(`ngage: no class ${JSON.stringify(wanted)}: there is ${CLASSES.join(", ")}`);
  return "";
}

function choosePlayer(video, cues) {
  const wanted = query.get("player");
  if (WebCodecsPlayer.isSupported && (wanted === "webcodecs" || !MsePlayer.isSupported)) {
    return new WebCodecsPlayer(video, cues);
  }
  if (MsePlayer.isSupported) return new MsePlayer(video, cues);
  if (NativePlayer.isSupported) return new NativePlayer(video, channel);
  setState("unsupported", "This browser has no way to play live video.");
  return null;
}

const stage = document.querySelector(".stage");
const cues = new Cues(stage);
const player = choosePlayer(element("video"), cues);
const quality = new Quality(element("quality"), (text) => feed?.send(text));
let feed = null;
if (player?.media) {
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
  feed = new Feed(channel + classSuffix(), {
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
  });
  player.onbroken = () => feed.restart();
}
element("stages").hidden = !player?.media;
connectControls();
captionCues(stage, element("caption"));
new Feed(`${channel}:info`, {
  message: (text) => {
    const info = JSON.parse(text);
    stats.viewers = info.viewers;
    stats.madeMs = info.stages?.made ?? null;
    stats.linkMs = info.stages?.link ?? null;
    if (info.notice) setState("failed", info.notice);
    else if (stats.state === "failed") setState(player?.started ? "live" : "waiting");
  },
});
setInterval(render, 250);
render();

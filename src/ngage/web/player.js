// The page: plays a channel and shows how it is doing. `?player=webcodecs` is the player with the
// least delay, `?channel=NAME` another channel; `?class=` or `data-class` of the body says how
// often the server sends: `rt` each message at once, `live` and `eco` what has come together
// meanwhile.

import { captionCues } from "./caption.js";
import { element, milliseconds, show } from "./dom.js";
import { Feed } from "./feed.js";
import { showStages } from "./stages.js";
import { setState, stats } from "./stats.js";
import { Watch } from "./watch.js";

const query = new URLSearchParams(location.search);
const channel = query.get("channel") || document.body.dataset.channel;
const CLASSES = ["rt", "live", "eco"];

const TEXT = {
  connecting: "Connecting", waiting: "Waiting for a picture", live: "Live", paused: "Paused",
  reconnecting: "Reconnecting", ended: "Ended", unsupported: "Not supported", failed: "No picture",
};

function render() {
  const { player } = watch;
  show("state", TEXT[stats.state]);
  element("state").dataset.state = stats.state;
  player?.measure();
  show("message", watch.notice);
  element("message").hidden = !watch.notice;
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
  watch.quality.show(stats.rendition);
  element("sound").disabled = element("fullscreen").disabled = !player?.started;
  show("sound", watch.isStopped ? "Play" : watch.isMuted ? "Turn sound on" : "Turn sound off");
}

function connectControls() {
  element("sound").addEventListener("click", () => {
    watch.toggleSound();
    render();
  });
  element("fullscreen").hidden = !stage.requestFullscreen;
  element("fullscreen").addEventListener("click", () => watch.toggleFullscreen());
}

function classSuffix() {
  const wanted = query.get("class") ?? document.body.dataset.class;
  if (!wanted) return "";
  if (CLASSES.includes(wanted)) return `~${wanted}`;
  console.warn(`ngage: no class ${JSON.stringify(wanted)}: there is ${CLASSES.join(", ")}`);
  return "";
}

const stage = document.querySelector(".stage");
const watch = new Watch(channel, stage, { engine: query.get("player"), delivery: classSuffix() });
element("stages").hidden = !watch.isFed;
connectControls();
captionCues(stage, element("caption"));
new Feed(`${channel}:info`, {
  message: (text) => {
    const info = JSON.parse(text);
    stats.viewers = info.viewers;
    stats.madeMs = info.stages?.made ?? null;
    stats.linkMs = info.stages?.link ?? null;
    if (info.notice) setState("failed", info.notice);
    else if (stats.state === "failed") setState(watch.player?.started ? "live" : "waiting");
  },
});
setInterval(render, 250);
render();

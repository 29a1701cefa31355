// The screen in the hall: what is voted on, how to take part, and what the crowd feels. It is read
// from far away, touched by nobody, and asks to be counted as no viewer.

import { shareOf, stretch } from "../shared/bars.js";
import { Centrifugo } from "../shared/centrifugo.js";
import { Clock } from "../shared/clock.js";
import { clock as clockText, count, counted, percentages } from "../shared/figures.js";
import { make, write } from "../shared/make.js";
import { Show } from "../shared/show.js";
import { Sky } from "../shared/sky.js";

const KINDS = { poll: "Vote now", quiz: "Quiz", prediction: "What do you think?" };
const STATES = { locked: "Voting is locked", closed: "The result" };
// How long a result stays, if nothing else comes.
const RESULT_MS = 60_000;
const HURRY_MS = 5_000;

const element = (id) => document.getElementById(id);
const clock = new Clock();
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const client = new Centrifugo(`${scheme}//${location.host}/connection/websocket`, {
  data: { monitor: true },
  changed: (state, answer, roundTripMs) => {
    element("connection").hidden = state === "connected";
    if (state === "connected") clock.heard(answer.time, roundTripMs);
  },
});
const show = new Show(document.body.dataset.event, client, clock);
const sky = new Sky(element("sky"));
// When a poll was first seen closed, and which were never seen open.
const closedAt = new Map();
let bars = { poll: null, rows: [] };

write(element("url"), element("url").textContent.replace(/^https?:\/\//, ""));

show.addEventListener("change", () => {
  const isFirst = closedAt.size === 0 && bars.poll === null;
  for (const { id, state } of show.state.polls) {
    if (state !== "closed" || closedAt.has(id)) continue;
    closedAt.set(id, isFirst ? -Infinity : performance.now());
  }
  render();
});
show.addEventListener("tally", () => show.state && render());
show.addEventListener("reactions", ({ detail }) => {
  if (!show.state?.features.reactions) return;
  sky.float(detail.map((number, kind) => [show.state.reactions[kind], number]));
});
setInterval(() => show.state && render(), 500);

function current() {
  if (!show.isOn("polls") || !["live", "scheduled"].includes(show.state.phase)) return null;
  const first = (state) => show.state.polls.find((poll) => poll.state === state);
  const isRecent = ({ id }) => performance.now() - closedAt.get(id) < RESULT_MS;
  const closed = first("closed");
  return first("open") ?? first("locked") ?? (closed && isRecent(closed) ? closed : null);
}

function render() {
  const { title, phase } = show.state;
  const poll = current();
  write(element("title"), title);
  document.body.dataset.view = poll ? "poll" : phase === "ended" ? "end" : "join";
  element("poll").hidden = !poll;
  element("words").hidden = Boolean(poll);
  element("join").hidden = phase === "ended";
  if (poll) renderPoll(poll);
  else renderWords(phase);
  element("viewers").hidden = !show.viewers || !show.isOn("count");
  if (show.viewers) write(element("viewers").querySelector(".figure"), count(show.viewers.unique));
}

function renderWords(phase) {
  const left = (show.state.starts ?? 0) - clock.now();
  const words = {
    scheduled: left > 0 ? [clockText(left), "until the show begins"]
      : ["Starting soon", "Get your phone ready."],
    live: ["Join in", "Vote, react and ask with your phone."],
    paused: ["Back in a moment", "Stay with us."],
    ended: ["That was it", "Thank you for being there."],
  }[phase];
  const [title, text] = element("words").children;
  write(title, words[0]);
  write(text, words[1]);
}

function renderPoll(poll) {
  if (bars.poll !== poll.id) build(poll);
  // Nobody who has not voted yet should follow the others.
  const isHidden = poll.visible === "after_vote" && poll.state !== "closed";
  const result = show.result(poll);
  const shown = isHidden ? null : result;
  const shares = shown && percentages(shown.counts, shown.voters, poll.most);
  const hasWinner = shown && poll.state === "closed" && poll.answer === null;
  const best = hasWinner ? Math.max(...shown.counts) : 0;
  element("poll").dataset.state = poll.state;
  write(element("kind"), STATES[poll.state] ?? KINDS[poll.kind]);
  bars.rows.forEach(({ row, fill, share }, place) => {
    const isAnswer = poll.answer !== null && Boolean(poll.answer & (1 << place));
    row.classList.toggle("best", isAnswer || (best > 0 && shown.counts[place] === best));
    row.classList.toggle("rest", poll.answer !== null && !isAnswer);
    stretch(fill, shareOf(shown, place));
    write(share, shares ? `${shares[place]} %` : "");
  });
  write(element("total"), result ? counted(result.voters, "vote") : "");
  renderLeft(poll);
}

function renderLeft({ state, closes, opened, window_ms: windowMs }) {
  const ends = closes ?? (windowMs ? opened + windowMs : null);
  const left = ends === null ? null : ends - clock.now();
  const runs = state === "open" && left !== null && left > 0;
  write(element("left"), runs ? clockText(left) : "");
  element("left").classList.toggle("hurry", runs && left < HURRY_MS);
}

function build(poll) {
  const rows = poll.choices.map((text) => {
    const fill = make("span", { className: "fill" });
    const share = make("span", { className: "share figure" });
    const row = make("li", {}, fill, make("span", { className: "text" }, text), share);
    return { row, fill, share };
  });
  element("bars").replaceChildren(...rows.map(({ row }) => row));
  element("bars").dataset.many = poll.choices.length > 6;
  write(element("question"), poll.title);
  element("question").dataset.long = poll.title.length > 70;
  bars = { poll: poll.id, rows };
}

// The screen stays on, where the browser can see to it.
async function keepAwake() {
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // Not allowed, or not seen: the next time it is.
  }
}

document.addEventListener("visibilitychange", () => document.hidden || keepAwake());
keepAwake();

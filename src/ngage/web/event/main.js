// The page of an event: connects, and hands what comes to the parts of the page.

import { Centrifugo } from "../shared/centrifugo.js";
import { Clock } from "../shared/clock.js";
import { count, counted } from "../shared/figures.js";
import { takeFragment } from "../shared/fragment.js";
import { write } from "../shared/make.js";
import { keep, recall } from "../shared/memory.js";
import { Show } from "../shared/show.js";
import { Tabs } from "../shared/tabs.js";
import { Ballots } from "./ballots.js";
import { Chat } from "./chat.js";
import { Picture } from "./picture.js";
import { Polls } from "./polls.js";
import { Questions } from "./questions.js";
import { Reactions } from "./reactions.js";

const PHASES = { scheduled: "Soon", live: "Live", paused: "Paused", ended: "Ended" };
const TICKET_KEY = "ngage.ticket";
// Everybody asks for the score when a question closes: at most so many a second.
const ASKED_PER_SECOND = 20_000, ASK_MS_MAX = 20_000;
// A connection that is back at once is not worth a word.
const PATIENCE_MS = 1_500;

const element = (id) => document.getElementById(id);
const id = document.body.dataset.event;
const clock = new Clock();
const tickets = {
  load: () => recall(TICKET_KEY) ?? "",
  save: (text) => keep(TICKET_KEY, text || null),
};
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const client = new Centrifugo(`${scheme}//${location.host}/connection/websocket`, {
  token: takeFragment("token"), tickets, changed: connection,
});
const show = new Show(id, client, clock);
const ballots = new Ballots(id, client);
const tabs = new Tabs(element("tabs"), "(min-width: 60rem)", ["polls"]);
const picture = new Picture(show, clock, {
  ticket: () => tickets.load(),
  acknowledge: (cue) => client.rpc("cue.ack", { event: id, cue }).catch(() => {}),
});
const polls = new Polls({
  show, ballots, clock,
  isOnline: () => client.state === "connected",
  mediaTimeUs: () => picture.mediaTimeUs,
  appeared: turnToPolls,
});
const chat = new Chat(show, client, { unread: () => tabs.tell("chat") });
new Questions(show, client, {
  name: () => chat.name.value.trim(),
  unread: () => tabs.tell("questions"),
});
new Reactions(show, client);

let lostAt = null, closedCount = null, mustAssert = false;

function connection(state, ...details) {
  if (state === "connected") {
    const [answer, roundTripMs] = details;
    lostAt = null;
    clock.heard(answer.time, roundTripMs);
    chat?.known(answer.data?.user ?? "");
    mustAssert = true;
    // The calls go out after the subscriptions, with what is known by then.
    if (show.state) settle();
  } else if (state === "lost") lostAt ??= performance.now();
  renderConnection(state, details[0]);
}

// What this viewer voted is known to both sides again.
function settle() {
  mustAssert = false;
  ballots.assert(polls.open);
  if (show.state.polls.length) learn();
}

async function learn() {
  try {
    polls.learn(await client.rpc("event.me", { event: id }));
  } catch {
    // The next connection, or the next result, asks again.
  }
}

function renderConnection(state = client.state, reason = "") {
  const strip = element("connection");
  if (state === "ended") {
    strip.hidden = false;
    write(strip, `Disconnected${reason ? `: ${reason}` : ""}. Reload the page to come back.`);
    return;
  }
  const isLong = lostAt !== null && performance.now() - lostAt > PATIENCE_MS;
  strip.hidden = !isLong;
  const isOffline = navigator.onLine === false;
  if (isLong) write(strip, isOffline ? "You are offline." : "Connecting again …");
}

function turnToPolls() {
  const isWriting = document.activeElement?.matches?.("#composer input, #asker input");
  if (isWriting) tabs.tell("polls");
  else tabs.select("polls");
}

show.addEventListener("change", () => {
  const { title, phase, polls: all, pinned } = show.state;
  document.title = title;
  write(element("title"), title);
  write(element("phase"), PHASES[phase] ?? phase);
  element("phase").hidden = false;
  element("phase").dataset.phase = document.body.dataset.phase = phase;
  const panels = ["polls", "chat", "questions"].filter((feature) => show.isOn(feature));
  tabs.offer(panels);
  document.body.dataset.beside = panels.length > 0;
  renderPinned(pinned);
  renderViewers();
  ballots.forgetAllBut(all.map((poll) => poll.id));
  const closed = all.filter(({ kind, state }) => kind !== "poll" && state === "closed").length;
  if (closedCount !== null && closed > closedCount) learnSoon();
  closedCount = closed;
  if (mustAssert) settle();
});

function learnSoon() {
  const asking = show.viewers?.connections ?? 0;
  const spread = Math.min(ASK_MS_MAX, (asking / ASKED_PER_SECOND) * 1000);
  setTimeout(learn, Math.random() * spread);
}

function renderPinned(pinned) {
  element("pinned").hidden = !pinned;
  if (!pinned) return;
  const [name, text] = element("pinned").querySelectorAll("b, span");
  write(name, pinned.name);
  write(text, pinned.text);
}

function renderViewers() {
  const { viewers, state } = show;
  element("viewers").hidden = !viewers || !state || !show.isOn("count");
  if (!viewers) return;
  write(element("viewers").querySelector(".figure"), count(viewers.unique));
  element("viewers").title = counted(viewers.unique, "viewer");
}

show.addEventListener("tally", renderViewers);
show.addEventListener("refused", ({ detail }) => {
  element("connection").hidden = false;
  write(element("connection"), `This event cannot be shown: ${detail.message}.`);
});
setInterval(renderConnection, 500);

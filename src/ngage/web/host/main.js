// The console of an event's hosts: runs the show by the server API, and sees it as the audience
// does, with what is hidden from them.

import { Centrifugo } from "../shared/centrifugo.js";
import { Clock } from "../shared/clock.js";
import { count } from "../shared/figures.js";
import { takeFragment } from "../shared/fragment.js";
import { write } from "../shared/make.js";
import { Show } from "../shared/show.js";
import { Tabs } from "../shared/tabs.js";
import { Api } from "./api.js";
import { Moderation } from "./chat.js";
import { tell } from "./dialogs.js";
import { Health } from "./health.js";
import { Phases } from "./phases.js";
import { PollForm } from "./poll-form.js";
import { PollList } from "./polls.js";
import { QuestionList } from "./questions.js";

const PHASES = { scheduled: "Scheduled", live: "Live", paused: "Paused", ended: "Ended" };
const PANELS = ["polls", "chat", "questions", "show"];
const LEADERS = 10;

const element = (id) => document.getElementById(id);
const id = document.body.dataset.event;
const key = takeFragment("key");
const api = new Api(id, key);
const clock = new Clock();
const alarms = { connection: "", journal: "" };

function alarm(name, text) {
  alarms[name] = text;
  const all = Object.values(alarms).filter(Boolean).join(" ");
  write(element("alarm"), all);
  element("alarm").hidden = !all;
}

// One call; what goes wrong is told, and `false` returned.
async function act(method, body) {
  try {
    return await api.call(method, body);
  } catch (error) {
    tell(error.message, "bad");
    return false;
  }
}

function connect(audience) {
  const { protocol, host } = new URL(audience);
  const url = `${protocol === "https:" ? "wss:" : "ws:"}//${host}/connection/websocket`;
  const client = new Centrifugo(url, {
    token: key,
    changed: (state, answer, roundTripMs) => {
      if (state === "connected") clock.heard(answer.time, roundTripMs);
      const words = {
        lost: "No connection: what you see may be old.", ended: `Disconnected: ${answer}`,
      };
      if (state !== "connecting") alarm("connection", words[state] ?? "");
    },
  });
  const show = new Show(id, client, clock);
  const tabs = new Tabs(element("tabs"), "(min-width: 64rem)", PANELS);
  const phases = new Phases(act);
  const health = new Health();
  const polls = new PollList(element("cards"), { act, clock, save });
  const chat = new Moderation(id, client, { act, unread: () => tabs.tell("chat") });
  const questions = new QuestionList(id, client, { act, unread: () => tabs.tell("questions") });
  const form = new PollForm(element("poll-form"), create);
  element("new-poll").addEventListener("click", () => form.open());
  phases.links(audience);

  let closed = -1;
  client.subscribe(`host:${id}`, {
    publication: (hidden) => {
      polls.update(hidden.polls, hidden.tallies);
      chat.hold(hidden.held);
      questions.hold(hidden.held_questions);
      viewers(hidden.viewers);
      const troubles = health.troubles(hidden.journal, hidden.health);
      alarm("journal", troubles.join(" "));
      const isScored = ({ state, kind }) => kind === "quiz" && state === "closed";
      const scored = hidden.polls.filter(isScored).length;
      if (scored !== closed) leaders(phases);
      closed = scored;
    },
    refused: ({ message }) => alarm("connection", `This event is not to be seen: ${message}.`),
  });
  show.addEventListener("change", () => {
    const { title, phase } = show.state;
    document.title = `${title}: console`;
    write(element("title"), title);
    write(element("phase"), PHASES[phase] ?? phase);
    element("phase").hidden = false;
    element("phase").dataset.phase = phase;
    phases.update(show.state);
    chat.update(show.state);
  });
}

async function create(poll, opens) {
  const made = await api.call("poll_create", poll);
  if (opens) await api.call("poll_open", { poll: made.poll.id });
  tell(opens ? "The poll is open." : "The poll is prepared.");
}

async function save(poll, kind) {
  try {
    await api.save(poll, kind);
  } catch (error) {
    tell(error.message, "bad");
  }
}

function viewers(now) {
  element("viewers").hidden = !now;
  if (!now) return;
  write(element("viewers").querySelector(".figure"), count(now.unique));
  element("viewers").title = `${count(now.connections)} connections`;
}

async function leaders(phases) {
  const result = await act("leaderboard", { limit: LEADERS });
  if (result) phases.leaders(result.leaderboard);
}

async function start() {
  if (!key) {
    alarm("connection", "This address has no key. Open the console by its whole link.");
    return;
  }
  try {
    const { audience_url: audience } = await api.call("event_get");
    connect(audience);
  } catch (error) {
    alarm("connection", error.message);
  }
}

start();

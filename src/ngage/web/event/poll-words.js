// What a poll's card says to its viewer, beside the figures.

import { count, counted } from "../shared/figures.js";

const REFUSALS = {
  4001: "Too late: voting had closed.", 4002: "This vote is gone.",
  4003: "That choice is not there.", 4004: "You cannot vote in this event.",
  4005: "Your first vote stands.", 4006: "Too late for this question.",
  4009: "Voting is not possible right now.",
};

// Above the choices: what is asked of the viewer.
export function hint({ poll, own, isOut, context }) {
  const { most, final, visible, state, kind } = poll;
  if (state !== "open") return "";
  if (isOut) return "You are out of this quiz, but you can watch on.";
  if (context.show.state.phase === "paused") return "Voting goes on when the event does.";
  const parts = [];
  if (most > 1) parts.push(`Choose up to ${most}`);
  if (final && !own.length) {
    parts.push(kind === "quiz" ? "The first answer counts" : "A vote is final");
  }
  if (visible === "after_vote" && !own.length) parts.push("Results show once you have voted");
  if (visible === "after_close") parts.push("Results show when voting closes");
  if (visible === "never") parts.push("Results go to the host only");
  return parts.join(" · ");
}

// Below them: what became of the vote.
export function status({ id, poll, own, record, isOver, context }) {
  const { refusal } = record;
  if (isOver) return "";
  if (refusal) return REFUSALS[refusal.code] ?? refusal.message;
  if (context.ballots.isPending(id)) {
    const isOnline = context.isOnline();
    return isOnline ? "Sending your vote …" : "Kept: it is sent as soon as you are connected.";
  }
  if (!own.length) return "";
  if (poll.state === "locked") return "Your pick is in. Wait for the result.";
  return poll.kind === "quiz" ? "Your answer is in." : "Your vote is in.";
}

// Once it is over: what that means for the viewer.
export function verdict({ poll, own, isRight, context }) {
  const { kind, state, answer, scoring } = poll;
  if (state === "cancelled") return "Called off: it does not count.";
  if (kind === "poll" || state !== "closed" || answer === null) return "";
  const { me } = context;
  const first = isRight ? "Right!" : own.length ? "Not this time." : "You did not answer.";
  if (!me || scoring === "none") return first;
  if (scoring === "elimination") {
    return `${first} ${me.alive ? "You are still in." : "You are out."}`;
  }
  const rank = me.rank ? `, rank ${count(me.rank)}` : "";
  return `${first} ${counted(me.score, "point")}${rank}.`;
}

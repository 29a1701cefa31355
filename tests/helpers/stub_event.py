"""An event with polls, chat and questions as its pages know it, simple enough to be read at once.

What ngage-edge is to do for them: docs in words, this in the least code. Nothing is kept, nothing
is exact under load.
"""

import time
from collections import Counter
from typing import Any

from tests.helpers.stub_centrifugo import Hub, Refusal, User

REACTIONS = ["❤️", "👏", "😂", "🔥", "🎉"]
FEATURES = ["polls", "reactions", "chat", "questions", "count"]
CLOSED, UNKNOWN, NO_CHOICE, BANNED, FINAL, LATE, _, TOO_FAST, NOT_NOW = range(4001, 4010)
GRACE_MS = 250
POINTS = 1000
OF_A_POLL = ("id", "kind", "title", "choices", "most", "final", "state", "visible", "opened")
OF_A_POLL += ("closes", "at_us", "window_ms", "scoring", "answer", "result")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class StubEvent:
    """One event; `hub` carries what it publishes. Methods in the order of the server API."""

    def __init__(self, hub: Hub, id: str, title: str, video: str | None = None) -> None:
        self.hub, self.id = hub, id
        self.state: dict[str, Any] = {
            **{"v": 1, "id": id, "number": 1, "title": title, "phase": "scheduled"},
            **{"starts": None, "video": video, "features": dict.fromkeys(FEATURES, True)},
            **{"reactions": REACTIONS, "pinned": None},
            "chat": {"slow_seconds": 0, "emote_only": False, "review": False},
        }
        self.polls: list[dict[str, Any]] = []
        self.votes: dict[int, dict[str, dict[str, Any]]] = {}
        self.scores: Counter[str] = Counter()
        self.out: set[str] = set()
        self.banned: set[str] = set()
        self.lines: dict[int, dict[str, Any]] = {}
        self.held: dict[int, dict[str, Any]] = {}
        self.questions: list[dict[str, Any]] = []
        self.supporters: dict[int, set[str]] = {}
        self.spoken: dict[str, int] = {}
        self.reactions = [0] * len(REACTIONS)
        self.viewers = {"connections": 0, "unique": 0}
        self.health: dict[str, str] = {}
        self.journal = ""
        self.ids = 0
        self.publish()

    def next_id(self) -> int:
        self.ids += 1
        return self.ids

    # What is published

    def publish(self) -> None:
        shown = [poll for poll in self.polls if poll["state"] != "created"][::-1][:8]
        polls = [{key: poll[key] for key in OF_A_POLL} | self.secret(poll) for poll in shown]
        self.hub.channel(f"event:{self.id}").publish({**self.state, "polls": polls})
        self.tick()

    def secret(self, poll: dict[str, Any]) -> dict[str, Any]:
        over = poll["state"] == "closed"
        shows = over and poll["visible"] != "never"
        return {
            "answer": poll["answer"] if over else None,
            "result": self.tally(poll) if shows else None,
        }

    def tally(self, poll: dict[str, Any]) -> dict[str, Any]:
        votes = [vote["choices"] for vote in self.votes.get(poll["id"], {}).values()]
        counts = Counter(choice for choices in votes for choice in choices)
        places = range(len(poll["choices"]))
        return {"counts": [counts[n] for n in places], "voters": sum(map(bool, votes))}

    def private(self) -> list[dict[str, Any]]:
        """All polls as hosts see them, the oldest first."""
        return [
            {**poll, "result": self.tally(poll) if poll["state"] == "closed" else None}
            for poll in self.polls
        ]

    def tick(self) -> None:
        running = [poll for poll in self.polls if poll["state"] in ("open", "locked")]
        begun = [poll for poll in self.polls if poll["state"] != "created"]
        tallies = {str(poll["id"]): self.tally(poll) for poll in begun}
        seen = {
            str(poll["id"]): tallies[str(poll["id"])]
            for poll in running
            if poll["visible"] in ("always", "after_vote")
        }
        tally = {"t": now_ms(), "viewers": self.viewers, "polls": seen, "reactions": self.reactions}
        self.hub.channel(f"tally:{self.id}").publish(tally)
        self.reactions = [0] * len(REACTIONS)
        held = list(self.held.values())
        hidden = {
            "viewers": self.viewers,
            "tallies": tallies,
            "held": held,
            "polls": self.private(),
        }
        hidden |= {"alive": None, "cues": {}, "health": self.health, "journal": self.journal}
        self.hub.channel(f"host:{self.id}").publish(hidden)

    def publish_questions(self) -> None:
        shown = [one for one in self.questions if one["state"] in ("open", "answered")]
        best = sorted(shown, key=lambda one: -one["votes"])
        self.hub.channel(f"questions:{self.id}").publish({"questions": [dict(q) for q in best]})

    # What the audience asks for

    def call(self, user: User, method: str, data: Any) -> Any:
        return getattr(self, "rpc_" + method.replace(".", "_"))(user.name, data)

    def rpc_poll_vote(self, user: str, data: Any) -> Any:
        poll = self.poll(data["poll"])
        before = self.votes.setdefault(poll["id"], {}).get(user, {"seq": 0, "choices": []})
        if data["seq"] <= before["seq"]:
            return {"status": "duplicate"}
        self.check_vote(user, poll, data, before)
        vote = {key: data[key] for key in ("seq", "choices", "elapsed_ms")}
        self.votes[poll["id"]][user] = vote
        self.tick()
        return {"status": "accepted"}

    def check_vote(self, user: str, poll: dict[str, Any], data: Any, before: Any) -> None:
        if user in self.banned:
            raise Refusal(BANNED, "banned")
        if self.state["phase"] in ("paused", "ended") or not self.state["features"]["polls"]:
            raise Refusal(NOT_NOW, "not now")
        if poll["state"] != "open":
            raise Refusal(CLOSED, "closed")
        if poll["window_ms"] and data["elapsed_ms"] > poll["window_ms"] + GRACE_MS:
            raise Refusal(LATE, "late")
        if poll["final"] and before["seq"]:
            raise Refusal(FINAL, "the first vote is final")
        good = set(data["choices"]) <= set(range(len(poll["choices"])))
        if not good or len(data["choices"]) > poll["most"]:
            raise Refusal(NO_CHOICE, "no such choice")

    def rpc_react(self, user: str, data: Any) -> Any:
        self.reactions[data["kind"]] += data["count"]
        self.tick()
        return {}

    def rpc_chat_send(self, user: str, data: Any) -> Any:
        if user in self.banned:
            raise Refusal(BANNED, "banned")
        waits = self.spoken.get(user, 0) + self.state["chat"]["slow_seconds"] * 1000 - now_ms()
        if waits > 0:
            raise Refusal(TOO_FAST, f"too fast: try again in {waits} ms", True)
        if self.state["chat"]["emote_only"] and any(map(str.isalnum, data["text"])):
            raise Refusal(NOT_NOW, "only emoji now")
        self.spoken[user] = now_ms()
        line = {"id": self.next_id(), "t": now_ms(), "user": user, "text": data["text"]}
        line["name"] = data.get("name") or "Guest"
        if self.state["chat"]["review"]:
            self.held[line["id"]] = line
            self.tick()
            return {"held": True}
        self.say(line)
        return {"id": line["id"]}

    def say(self, line: dict[str, Any]) -> None:
        self.lines[line["id"]] = line
        self.hub.channel(f"chat:{self.id}").publish(line)

    def rpc_question_ask(self, user: str, data: Any) -> Any:
        question = {"id": self.next_id(), "text": data["text"], "votes": 0, "state": "open"}
        question["name"] = data.get("name") or "Guest"
        self.questions.append(question)
        self.publish_questions()
        return {"id": question["id"]}

    def rpc_question_vote(self, user: str, data: Any) -> Any:
        supporters = self.supporters.setdefault(data["question"], set())
        (supporters.add if data["up"] else supporters.discard)(user)
        self.question(data["question"])["votes"] = len(supporters)
        self.publish_questions()
        return {}

    def rpc_event_me(self, user: str, data: Any) -> Any:
        votes = {str(poll): by[user] for poll, by in self.votes.items() if user in by}
        ranked = sorted(self.scores.values(), reverse=True)
        score = self.scores[user]
        rank = ranked.index(score) + 1 if score in ranked else None
        about = {"score": score, "rank": rank, "alive": user not in self.out}
        return {"votes": votes, "banned": user in self.banned, **about}

    # What hosts ask for

    def poll(self, id: int) -> dict[str, Any]:
        for poll in self.polls:
            if poll["id"] == id:
                return poll
        raise Refusal(UNKNOWN, "no such poll")

    def question(self, id: int) -> dict[str, Any]:
        return next(one for one in self.questions if one["id"] == id)

    def api_event_get(self, _: Any) -> Any:
        return {"event": {**self.state, "polls": self.private()}}

    def api_event_update(self, body: Any) -> Any:
        self.state |= {key: body[key] for key in ("title", "starts", "video") if key in body}

    def api_event_phase(self, body: Any) -> Any:
        self.state["phase"] = body["phase"]

    def api_event_feature(self, body: Any) -> Any:
        self.state["features"][body["feature"]] = body["on"]

    def api_poll_create(self, body: Any) -> Any:
        poll = {
            **{"id": self.next_id(), "kind": "poll", "most": 1, "final": False},
            **{"visible": "always", "duration_ms": 0, "window_ms": 0, "scoring": "none"},
            **{"answer": None, "opened": None, "closes": None, "at_us": None, "result": None},
            **{key: value for key, value in body.items() if key != "event"},
            "state": "created",
        }
        self.polls.append(poll)
        return {"poll": poll}

    def api_poll_open(self, body: Any) -> Any:
        poll = self.poll(body["poll"])
        opened = now_ms()
        closes = opened + poll["duration_ms"] if poll["duration_ms"] else None
        poll |= {"state": "open", "opened": opened, "closes": closes, "at_us": body.get("at_us")}

    def api_poll_lock(self, body: Any) -> Any:
        self.poll(body["poll"])["state"] = "locked"

    def api_poll_cancel(self, body: Any) -> Any:
        self.poll(body["poll"])["state"] = "cancelled"

    def api_poll_close(self, body: Any) -> Any:
        poll = self.poll(body["poll"])
        poll["state"] = "closed"
        poll["answer"] = body.get("answer", poll["answer"])
        for user, vote in self.votes.get(poll["id"], {}).items():
            right = sum(1 << choice for choice in vote["choices"]) == poll["answer"]
            self.scores[user] += POINTS * (right and poll["scoring"] != "none")
            if poll["scoring"] == "elimination" and not right:
                self.out.add(user)

    def api_poll_audit(self, body: Any) -> Any:
        return {"poll": body["poll"], "votes": self.votes.get(body["poll"], {})}

    def api_leaderboard(self, body: Any) -> Any:
        best = self.scores.most_common(body["limit"])
        rows = [
            {"voter": user.removeprefix("anon-"), "rank": n, "score": s, "alive": True}
            for n, (user, s) in enumerate(best, 1)
        ]
        return {"leaderboard": rows, "voters": len(self.scores), "alive": None}

    def api_chat_delete(self, body: Any) -> Any:
        self.hub.channel(f"chat:{self.id}").publish({"delete": body["id"]})

    def api_chat_settings(self, body: Any) -> Any:
        self.state["chat"] |= {key: body[key] for key in body if key != "event"}

    def api_chat_release(self, body: Any) -> Any:
        self.say(self.held.pop(body["id"]))

    def api_chat_reject(self, body: Any) -> Any:
        del self.held[body["id"]]

    def api_ban(self, body: Any) -> Any:
        (self.banned.add if body["on"] else self.banned.discard)(body["user"])
        if body["on"]:
            self.hub.channel(f"chat:{self.id}").publish({"clear": body["user"]})

    def api_pin(self, body: Any) -> Any:
        line = self.lines.get(body["id"])
        self.state["pinned"] = line and {key: line[key] for key in ("id", "name", "text")}

    def api_question_state(self, body: Any) -> Any:
        self.question(body["question"])["state"] = body["state"]
        self.publish_questions()

    def api_question_list(self, _: Any) -> Any:
        return {"questions": self.questions}

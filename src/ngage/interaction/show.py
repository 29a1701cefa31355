"""One event as it is published: the state at each change, tallies on a tick, all of it to hosts.

Each document is whole, so that the newest is all that anybody needs, and goes out only if it says
something new. What the audience may not see is not in what the audience gets.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ngage.interaction.ballots import Tally
from ngage.interaction.clock import Clock
from ngage.interaction.model import Event, Kind, Poll, State, Visible
from ngage.interaction.parts import Outlets, Parts
from ngage.interaction.polls import Polls
from ngage.limits import CUES_COUNTED_MAX

Document = dict[str, Any]

VERSION = 1
# Whose counts everybody gets while they change; pages hide them from who has not voted.
COUNTED_IN_PUBLIC = {Visible.ALWAYS, Visible.AFTER_VOTE}


class Show:
    """The publications of one event. troubles tells by name what is wrong, "" for what is not."""

    def __init__(
        self,
        event: Event,
        polls: Polls,
        parts: Parts,
        outlets: Outlets,
        *,
        clock: Clock,
        troubles: Callable[[], Mapping[str, str]],
    ) -> None:
        self.event = event
        self.parts = parts
        self._polls = polls
        self._outlets = outlets
        self._clock = clock
        self._troubles = troubles
        self._viewers: tuple[int, int] = (0, 0)
        self._cues: Counter[str] = Counter()
        self._state = self._tally = self._host = b""

    def refresh(self) -> None:
        """Publish the state, if it has changed."""
        state = msgspec.json.encode(self.state())
        if state != self._state:
            self._state = state
            self._outlets.state(state.decode())

    def tick(self, native: Mapping[int, int]) -> None:
        """Publish what has been counted since the last tick; native are the core's reactions."""
        parts, features = self.parts, self.event.features
        self._viewers = parts.viewers.tick(self._clock.monotonic_ms()) or self._viewers
        reactions = parts.reactions.tick(native) if features.reactions else None
        tally = self.tally()
        tally["reactions"] = list(reactions or [0] * len(self.event.reactions))
        encoded = msgspec.json.encode(tally)
        # The same reactions once more are news; none at all are, once, so that who comes later
        # does not see those of before.
        if reactions or encoded != self._tally:
            self._tally = encoded
            stamped = msgspec.json.encode({"t": self._clock.unix_ms(), **tally})
            self._outlets.tally(stamped.decode())
        host = msgspec.json.encode(self.host())
        if host != self._host:
            self._host = host
            self._outlets.host(host.decode())

    def attend(self) -> None:
        """Publish what chat and questions have held back for a moment."""
        self.parts.chat.tick()
        self.parts.questions.tick()

    def acknowledged(self, cue: str) -> None:
        """A viewer has shown a cue. Of too many, those that fewest have shown give way."""
        if cue not in self._cues and len(self._cues) >= CUES_COUNTED_MAX:
            del self._cues[min(self._cues, key=self._cues.__getitem__)]
        self._cues[cue] += 1

    # Documents

    def state(self) -> Document:
        """What everybody sees."""
        event, chat = self.event, self.parts.chat
        polls = self._polls.shown(event) if event.features.polls else []
        return {
            "v": VERSION,
            "id": event.id,
            "number": event.number,
            "title": event.title,
            "phase": event.phase,
            "starts": event.starts_ms,
            "video": event.video,
            "features": event.features,
            "reactions": event.reactions,
            "chat": chat.rules,
            "pinned": event.pinned if event.features.chat else None,
            "polls": [public(poll) for poll in polls],
        }

    def tally(self) -> Document:
        """What everybody sees counted, but for reactions."""
        event = self.event
        connections, unique = self._viewers
        counted = [
            poll
            for poll in (self._polls.shown(event) if event.features.polls else [])
            if poll.running and poll.visible in COUNTED_IN_PUBLIC
        ]
        count = {"connections": connections, "unique": unique}
        return {
            "viewers": count if event.features.count else None,
            "polls": {str(poll.id): _counts(self._polls.tally(poll)) for poll in counted},
        }

    def host(self) -> Document:
        """What hosts see beside that."""
        connections, unique = self.parts.viewers.exact
        troubles = dict(self._troubles())
        trouble = self._polls.trouble(self.event.id)
        polls = self._polls.of(self.event.id)
        tallies = {
            str(poll.id): _counts(self._polls.tally(poll))
            for poll in polls
            if poll.run == self.event.run and poll.state is not State.CREATED
        }
        return {
            "viewers": {"connections": connections, "unique": unique},
            "tallies": tallies,
            "polls": [private(poll) for poll in polls if poll.run in (0, self.event.run)],
            "alive": self._polls.board(self.event.id).alive,
            "held": self.parts.chat.held,
            "held_questions": self.parts.questions.held,
            "held_dropped": self.parts.chat.held_dropped,
            "cues": self._cues,
            "health": {**troubles, "polls": trouble},
            "journal": troubles.get("votes", ""),
        }


def public(poll: Poll) -> Document:
    """A poll as the audience sees it: no answer and no result before their time."""
    decided = poll.state is State.CLOSED and poll.kind is not Kind.POLL
    shown = poll.result if poll.visible is not Visible.NEVER else None
    return {
        "id": poll.id,
        "kind": poll.kind,
        "title": poll.title,
        "choices": poll.choices,
        "most": poll.most,
        "final": poll.final,
        "state": poll.state,
        "visible": poll.visible,
        "opened": poll.opened_ms,
        "closes": poll.closes_ms,
        "at_us": poll.at_us,
        "window_ms": poll.window_ms,
        "scoring": poll.scoring,
        "answer": poll.answer if decided else None,
        "result": _counts(shown.tally) if shown else None,
    }


def private(poll: Poll) -> Document:
    """A poll as hosts see it."""
    result = None
    if poll.result is not None:
        journal = {"bytes": poll.result.journal_bytes, "sha256": poll.result.journal_sha256}
        result = {**_counts(poll.result.tally), "journal": journal}
    return {
        **public(poll),
        "answer": poll.answer,
        "duration_ms": poll.duration_ms,
        "result": result,
    }


def _counts(tally: Tally) -> Document:
    return {"counts": tally.counts, "voters": tally.voters}

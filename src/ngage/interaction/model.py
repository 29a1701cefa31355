"""Events and polls as values, and what they may be.

A change gives another value; who holds one holds the truth of a moment. Times are Unix
milliseconds; masks have bit n for choice n.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from ngage.errors import EventError, PollError
from ngage.interaction.ballots import BallotRules, Tally
from ngage.limits import (
    EVENT_TITLE_CHARS_MAX,
    POLL_CHOICE_CHARS_MAX,
    POLL_CHOICES_MAX,
    POLL_DURATION_MS_MAX,
    POLL_TITLE_CHARS_MAX,
    QUIZ_DELAY_MS_MAX,
    QUIZ_GRACE_MS,
    QUIZ_WAY_MS_MAX,
    QUIZ_WINDOW_MS_MAX,
)

EVENT_ID = re.compile(r"[a-z0-9-]{1,40}")
VIDEO_NAME_CHARS_MAX = 128
REACTIONS = ("❤️", "👏", "😂", "🔥", "🎉")
UNIX_MS_MAX = 1 << 47  # the year 6429: what JavaScript and SQLite hold easily

UnixMs = Annotated[int, Meta(ge=0, le=UNIX_MS_MAX)]


class Phase(StrEnum):
    """Where an event is."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


# An event that has ended may begin anew; that is its next run.
PHASES = {
    Phase.SCHEDULED: {Phase.LIVE, Phase.ENDED},
    Phase.LIVE: {Phase.PAUSED, Phase.ENDED},
    Phase.PAUSED: {Phase.LIVE, Phase.ENDED},
    Phase.ENDED: {Phase.SCHEDULED, Phase.LIVE},
}


class Features(Struct, frozen=True):
    """The kill switches: what is off is hidden and refused."""

    polls: bool = True
    reactions: bool = True
    chat: bool = True
    questions: bool = True
    count: bool = True


FEATURES = tuple(Features.__struct_fields__)


class Pinned(Struct, frozen=True):
    """A line of the chat that stays on top."""

    id: int
    name: str
    text: str


class Event(Struct, frozen=True, kw_only=True):
    """An event. number: a small name of it for the core; run: counts its beginnings.

    chat: the rules of its chat, which belong to the chat.
    """

    number: int
    id: str
    title: str
    phase: Phase = Phase.SCHEDULED
    run: int = 1
    starts_ms: int | None = None
    video: str | None = None
    features: Features = Features()
    reactions: tuple[str, ...] = REACTIONS
    chat: dict[str, Any] = {}
    pinned: Pinned | None = None
    created_ms: int = 0

    def moved(self, phase: Phase) -> "Event":
        """The event in another phase. Raises EventError for one that cannot follow."""
        if phase not in PHASES[self.phase]:
            raise EventError(f"event {self.id!r} is {self.phase}: it cannot become {phase}")
        run = self.run + 1 if self.phase is Phase.ENDED else self.run
        return replace(self, phase=phase, run=run)

    def switched(self, feature: str, on: bool) -> "Event":
        """The event with a feature on or off. Raises EventError for one there is not."""
        if feature not in FEATURES:
            raise EventError(f"feature {feature!r}: it must be one of {', '.join(FEATURES)}")
        return replace(self, features=replace(self.features, **{feature: on}))

    @property
    def takes_votes(self) -> bool:
        """Whether its open polls accept votes now."""
        return self.features.polls and self.phase in (Phase.SCHEDULED, Phase.LIVE)


def check_event(event: Event) -> Event:
    """`event`, if it can be so; else EventError."""
    if not EVENT_ID.fullmatch(event.id):
        raise EventError(f"id {event.id!r}: it must be 1 to 40 of a-z, 0-9 and -")
    if not is_line(event.title, EVENT_TITLE_CHARS_MAX):
        raise EventError(f"title: it must be one line of 1 to {EVENT_TITLE_CHARS_MAX} characters")
    if event.video is not None and not is_line(event.video, VIDEO_NAME_CHARS_MAX):
        raise EventError("video: it must be the name of a channel, or null")
    return event


class Kind(StrEnum):
    """What is asked."""

    POLL = "poll"
    QUIZ = "quiz"
    PREDICTION = "prediction"


class State(StrEnum):
    """Where a poll is."""

    CREATED = "created"
    OPEN = "open"
    LOCKED = "locked"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Visible(StrEnum):
    """When the audience sees what was voted."""

    ALWAYS = "always"
    AFTER_VOTE = "after_vote"
    AFTER_CLOSE = "after_close"
    NEVER = "never"


class Scoring(StrEnum):
    """What a right answer of a quiz is worth."""

    NONE = "none"
    SPEED = "speed"
    ELIMINATION = "elimination"


class Result(Struct, frozen=True):
    """What a poll ended with, and the journal it can be counted again from."""

    counts: tuple[int, ...]
    voters: int
    journal_bytes: int
    journal_sha256: str

    @property
    def tally(self) -> Tally:
        """As the ballots gave it."""
        return Tally(self.counts, self.voters)


class Poll(Struct, frozen=True, kw_only=True):
    """A poll, a question of a quiz, or a prediction.

    most: choices that a voter may pick. final: the first vote stands. duration_ms: until it closes
    by itself, 0 is not at all. window_ms: time to answer on each viewer's own timeline. at_us:
    media time that it belongs to. result: once it is closed and counted.
    """

    id: int = 0
    event: str
    kind: Kind = Kind.POLL
    title: str
    choices: tuple[str, ...]
    most: int = 1
    final: bool = False
    visible: Visible = Visible.ALWAYS
    duration_ms: int = 0
    window_ms: int = 0
    delay_max_ms: int = QUIZ_DELAY_MS_MAX
    scoring: Scoring = Scoring.NONE
    answer: int | None = None
    state: State = State.CREATED
    run: int = 0
    at_us: int | None = None
    opened_ms: int | None = None
    closes_ms: int | None = None
    result: Result | None = None

    @property
    def scored(self) -> bool:
        """Whether it gives points or decides who stays."""
        return self.scoring is not Scoring.NONE

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state in (State.OPEN, State.LOCKED)

    @property
    def needs_answer(self) -> bool:
        """Whether it cannot close, because nobody has said what is right."""
        return self.answer is None and (self.kind is Kind.PREDICTION or self.scored)

    @property
    def rules(self) -> BallotRules:
        """What the core holds votes against, once it is open."""
        return BallotRules(
            choices=len(self.choices),
            most=self.most,
            final=self.final,
            opens_ms=self.opened_ms or 0,
            closes_ms=self.closes_ms or 0,
            window_ms=self.window_ms,
            delay_max_ms=self.delay_max_ms,
        )

    @property
    def lasts_ms(self) -> int:
        """From opening to the end of voting; 0: until a host ends it.

        Without a duration, a question with a window is over when the last viewer's window is, and
        its answer has come.
        """
        if self.duration_ms or not self.window_ms:
            return self.duration_ms
        return self.delay_max_ms + self.window_ms + QUIZ_GRACE_MS + QUIZ_WAY_MS_MAX


def check_poll(poll: Poll) -> Poll:
    """`poll`, if it can be so; else PollError."""
    count = len(poll.choices)
    if not is_line(poll.title, POLL_TITLE_CHARS_MAX):
        raise PollError(f"title: it must be one line of 1 to {POLL_TITLE_CHARS_MAX} characters")
    if not 2 <= count <= POLL_CHOICES_MAX:
        raise PollError(f"choices: there must be 2 to {POLL_CHOICES_MAX}, not {count}")
    for number, choice in enumerate(poll.choices):
        if not is_line(choice, POLL_CHOICE_CHARS_MAX):
            raise PollError(
                f"choices[{number}]: it must be one line of 1 to {POLL_CHOICE_CHARS_MAX} characters"
            )
    if len(set(poll.choices)) != count:
        raise PollError("choices: two are the same")
    if not 1 <= poll.most <= count:
        raise PollError(f"most: it must be 1 to {count}, the number of choices")
    if not 0 <= poll.duration_ms <= POLL_DURATION_MS_MAX:
        raise PollError(f"duration_ms: it must be 0 (none) to {POLL_DURATION_MS_MAX}")
    _check_quiz(poll)
    return poll


def _check_quiz(poll: Poll) -> None:
    if not 0 <= poll.window_ms <= QUIZ_WINDOW_MS_MAX:
        raise PollError(f"window_ms: it must be 0 (none) to {QUIZ_WINDOW_MS_MAX}")
    if poll.kind is not Kind.QUIZ and (poll.scored or poll.window_ms):
        raise PollError(f"scoring and window_ms are for a quiz, not for a {poll.kind}")
    if poll.scoring is Scoring.SPEED and not poll.window_ms:
        raise PollError("window_ms: scoring by speed needs one")
    if poll.answer is None:
        return
    if poll.kind is Kind.POLL:
        raise PollError("answer: a poll has none; a quiz or a prediction has")
    check_answer(poll, poll.answer)


def check_answer(poll: Poll, answer: int) -> int:
    """`answer`, a mask, if it is one that a voter could give; else PollError."""
    if not 0 < answer < 1 << len(poll.choices) or answer.bit_count() > poll.most:
        raise PollError(f"answer: it must name 1 to {poll.most} of the {len(poll.choices)} choices")
    return answer


def mask_of(choices: Iterable[int]) -> int:
    """The mask of choices by number. Raises PollError for one that has no bit."""
    mask = 0
    for choice in choices:
        if not 0 <= choice < POLL_CHOICES_MAX:
            raise PollError(f"choice {choice}: it must be 0 to {POLL_CHOICES_MAX - 1}")
        mask |= 1 << choice
    return mask


def choices_of(mask: int) -> list[int]:
    """The choices that a mask names."""
    return [choice for choice in range(POLL_CHOICES_MAX) if mask >> choice & 1]


def is_line(text: str, chars_max: int) -> bool:
    """Whether `text` is one line that is not blank, of at most `chars_max` characters.

    Nothing invisible that could turn the lines around it (bidirectional overrides).
    """
    return bool(text.strip()) and len(text) <= chars_max and not CONTROL.search(text)


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

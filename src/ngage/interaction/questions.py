"""Questions and answers of one event: the crowd asks, the crowd sorts, the host answers.

The best are published, by votes, of equal ones the older first, so that nothing moves without a
reason. When there are too many, what is settled gives way first, then what fewest want.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple, Protocol

import msgspec

from ngage.errors import RefusalCode, RefusedError, UnknownQuestionError
from ngage.interaction.authors import Author
from ngage.interaction.clock import Clock
from ngage.interaction.wording import Filter, clean
from ngage.limits import (
    QUESTION_TEXT_CHARS_MAX,
    QUESTION_VOTES_MAX,
    QUESTIONS_INTERVAL_MS,
    QUESTIONS_MAX,
    QUESTIONS_SHOWN_MAX,
)


class QuestionState(StrEnum):
    """Where a question is; held: a moderator has not released it."""

    HELD = "held"
    OPEN = "open"
    ANSWERED = "answered"
    DISMISSED = "dismissed"


# In which order they give way to new ones, and which are shown.
GIVES_WAY = (
    QuestionState.DISMISSED,
    QuestionState.ANSWERED,
    QuestionState.HELD,
    QuestionState.OPEN,
)
SHOWN = {QuestionState.OPEN, QuestionState.ANSWERED}


class Question(msgspec.Struct, frozen=True, gc=False):
    """A question as hosts see it; the audience sees no user and no time."""

    id: int
    t: int
    user: str
    name: str
    text: str
    votes: int
    state: QuestionState


class Asked(NamedTuple):
    """What became of a question: its id, and whether a moderator has to release it first."""

    id: int
    held: bool


class Entry:
    """A question with all there is to it: who asked, and who wants it answered."""

    __slots__ = ("author", "id", "state", "t", "text", "voters")

    def __init__(
        self, number: int, t: int, author: Author, text: str, state: QuestionState
    ) -> None:
        self.id, self.t, self.author, self.text, self.state = number, t, author, text, state
        self.voters: set[int] = set()

    def rank(self) -> tuple[int, int]:
        """Its place among the others: the most wanted first."""
        return -len(self.voters), self.id

    def shown(self) -> dict[str, object]:
        """What the audience sees."""
        return {
            "id": self.id,
            "text": self.text,
            "name": self.author.name,
            "votes": len(self.voters),
            "state": self.state,
        }

    def known(self) -> Question:
        """What hosts see."""
        author, votes = self.author, len(self.voters)
        return Question(self.id, self.t, author.user, author.name, self.text, votes, self.state)


class QuestionKeeper(Protocol):
    """What is written down of questions; each call returns at once and never raises."""

    def asked(self, entry: Entry) -> None: ...
    def settled(self, question: int, state: QuestionState) -> None: ...
    def forgotten(self, question: int) -> None: ...
    def voted(self, question: int, voter: int, up: bool) -> None: ...


class Questions:
    """One event's questions. Calls belong to the event loop; tick() publishes what has changed.

    publish takes the JSON of one publication. review tells whether questions wait for a moderator,
    but not those of moderators. banned tells whether a voter may do nothing. known: questions of an
    earlier process, oldest first. counts: by outcome, which several may share.
    """

    def __init__(
        self,
        publish: Callable[[str], object],
        *,
        clock: Clock,
        banned: Callable[[int], bool] = lambda voter: False,
        words: Filter | None = None,
        review: Callable[[], bool] = lambda: False,
        keeper: QuestionKeeper | None = None,
        known: Iterable[Entry] = (),
        counts: Counter[str] | None = None,
    ) -> None:
        self.words = words
        self.counts: Counter[str] = Counter() if counts is None else counts
        self._publish, self._banned, self._review = publish, banned, review
        self._clock, self._keeper = clock, keeper
        self._entries = {entry.id: entry for entry in known}
        self._next = max(self._entries, default=0) + 1
        self._votes = sum(len(entry.voters) for entry in self._entries.values())
        self._changed = True
        self._published = ""
        self._quiet_ms = clock.monotonic_ms()  # until then

    # What people do

    def ask(self, author: Author, text: str) -> Asked:
        """Put a question. Raises RefusedError, whose message may be told to the author."""
        self._admit(author.voter)
        shown = self._examine(text)
        held = self._review() and not author.moderator
        if len(self._entries) >= QUESTIONS_MAX:
            self._forget(min(self._entries.values(), key=_worth))
            self.counts["dropped"] += 1
        state = QuestionState.HELD if held else QuestionState.OPEN
        entry = Entry(self._next, self._clock.unix_ms(), author, shown, state)
        self._entries[entry.id] = entry
        self._next += 1
        self._changed = True
        if self._keeper:
            self._keeper.asked(entry)
        self.counts["held" if held else "asked"] += 1
        return Asked(entry.id, held)

    def vote(self, voter: int, question: int, up: bool) -> None:
        """Want an open question answered, or no longer; again is the same. Raises RefusedError."""
        self._admit(voter)
        entry = self._entries.get(question)
        if entry is None or entry.state in {QuestionState.HELD, QuestionState.DISMISSED}:
            raise RefusedError(RefusalCode.UNKNOWN, "no such question")
        if entry.state is not QuestionState.OPEN:
            raise RefusedError(RefusalCode.CLOSED, "answered already")
        if up == (voter in entry.voters):
            return
        if not up:
            entry.voters.remove(voter)
            self._votes -= 1
        elif self._votes < QUESTION_VOTES_MAX:
            entry.voters.add(voter)
            self._votes += 1
        else:
            raise RefusedError(RefusalCode.UNAVAILABLE, "too many votes for questions")
        self._changed = True
        self.counts["votes"] += 1
        if self._keeper:
            self._keeper.voted(question, voter, up)

    # What moderators do

    def check(self, question: int) -> None:
        """Raise UnknownQuestionError if there is none of that id."""
        if question not in self._entries:
            raise UnknownQuestionError(f"question {question}: unknown")

    def settle(self, question: int, state: QuestionState) -> None:
        """Answer, dismiss, release or reopen a question. Raises UnknownQuestionError."""
        if state is QuestionState.HELD:
            raise ValueError("state: open, answered or dismissed")
        self.check(question)
        self._entries[question].state = state
        self._changed = True
        if self._keeper:
            self._keeper.settled(question, state)

    def clear(self, user: str) -> None:
        """Forget what a user has asked."""
        for entry in [one for one in self._entries.values() if one.author.user == user]:
            self._forget(entry)

    @property
    def held(self) -> Sequence[Question]:
        """The oldest of those that wait for a moderator, as many as the audience sees of others."""
        held = (entry for entry in self._entries.values() if entry.state is QuestionState.HELD)
        return [entry.known() for entry in islice(held, QUESTIONS_SHOWN_MAX)]

    def list(self) -> list[Question]:
        """All of them as hosts see them, the most wanted first."""
        return [entry.known() for entry in sorted(self._entries.values(), key=Entry.rank)]

    # Going out

    def tick(self) -> bool:
        """Publish what is shown, if it has changed and the last time is a while ago; whether so."""
        now_ms = self._clock.monotonic_ms()
        if not self._changed or now_ms < self._quiet_ms:
            return False
        self._changed = False
        shown = [entry for entry in self._entries.values() if entry.state in SHOWN]
        best = nsmallest(QUESTIONS_SHOWN_MAX, shown, key=Entry.rank)
        state = {"questions": [entry.shown() for entry in best]}
        publication = msgspec.json.encode(state).decode()
        if publication == self._published:
            return False
        self._publish(publication)
        self._published = publication
        self._quiet_ms = now_ms + QUESTIONS_INTERVAL_MS
        return True

    def _admit(self, voter: int) -> None:
        if self._banned(voter):
            self.counts["banned"] += 1
            raise RefusedError(RefusalCode.BANNED, "banned")

    def _examine(self, text: str) -> str:
        try:
            shown: str | None = clean(text, QUESTION_TEXT_CHARS_MAX)
        except RefusedError:
            self.counts["text"] += 1
            raise
        if shown is not None and self.words:
            shown = self.words(shown)
        if shown is None:
            self.counts["words"] += 1
            raise RefusedError(RefusalCode.REJECTED, "not acceptable here")
        return shown

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.id]
        self._votes -= len(entry.voters)
        self._changed = True
        if self._keeper:
            self._keeper.forgotten(entry.id)


def _worth(entry: Entry) -> tuple[int, int, int]:
    """How much a question is worth keeping."""
    return GIVES_WAY.index(entry.state), len(entry.voters), entry.id

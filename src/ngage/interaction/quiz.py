"""Who was right, how fast, and who is still in: from the journal alone, so that it can be proved.

docs/reference/events.md has the rule for those who play. All numbers are whole, and the formula
rounds in one way only, so that any other program comes to the same points.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ngage.interaction.journal import RECORD, Records
from ngage.interaction.model import Poll, Scoring, choices_of
from ngage.limits import QUIZ_GRACE_MS as GRACE

POINTS_MAX = 1000

Voters = NDArray[np.uint64]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Scores(NamedTuple):
    """One question: who answered, by voter; points and milliseconds of right answers."""

    voters: Voters
    points: Numbers
    elapsed_ms: Numbers
    correct: Flags


def points(elapsed_ms: Numbers, window_ms: int) -> Numbers:
    """Points of right answers: 1000 at once, 500 at the end of the window, halves rounded up.

    floor(1000 - 500 * elapsed / window + 1/2); what came in the grace counts as the end.
    """
    elapsed = np.minimum(elapsed_ms, window_ms)
    return (2 * POINTS_MAX * window_ms - POINTS_MAX * elapsed + window_ms) // (2 * window_ms)


def score(poll: Poll, counted: Records) -> Scores:
    """What the registers of a closed question amount to; right is exactly the answer."""
    answered = counted[counted["mask"] != 0]
    correct = answered["mask"] == poll.answer
    elapsed = answered["elapsed_ms"].astype(np.int64)
    if poll.scoring is Scoring.SPEED:
        worth = points(elapsed, poll.window_ms)
    else:
        worth = np.full(len(answered), POINTS_MAX if poll.scored else 0, np.int64)
    return Scores(
        answered["voter"].astype(np.uint64),
        np.where(correct, worth, 0),
        np.where(correct, elapsed, 0),
        correct,
    )


class Standing(NamedTuple):
    """Where one voter is. Equal points and time share a rank, and the next one is skipped."""

    voter: int
    rank: int
    score: int
    elapsed_ms: int
    alive: bool


class Board:
    """The standings after some questions: more points first, then less time for right answers.

    Until a question that eliminates, everybody is in; after it, who was right in all of those.
    """

    def __init__(
        self,
        voters: Voters | None = None,
        points: Numbers | None = None,
        elapsed_ms: Numbers | None = None,
        alive: Flags | None = None,
        eliminated: bool = False,
    ) -> None:
        self._voters = np.empty(0, np.uint64) if voters is None else voters
        self._points = np.empty(0, np.int64) if points is None else points
        self._elapsed = np.empty(0, np.int64) if elapsed_ms is None else elapsed_ms
        self._alive = np.empty(0, np.bool_) if alive is None else alive
        self._eliminates = eliminated
        self._order = np.lexsort((self._elapsed, -self._points))  # equal ones stay by voter
        self._ranks = self._rank()

    def after(self, scoring: Scoring, scores: Scores) -> Self:
        """The standings with one more question. Takes a tenth of a second for a million voters."""
        voters = _union(self._voters, scores.voters)
        before = np.searchsorted(voters, self._voters)
        now = np.searchsorted(voters, scores.voters)
        sums = np.zeros(len(voters), np.int64)
        sums[before] = self._points
        sums[now] += scores.points
        elapsed = np.zeros(len(voters), np.int64)
        elapsed[before] = self._elapsed
        elapsed[now] += scores.elapsed_ms
        alive = np.full(len(voters), not self._eliminates)
        alive[before] = self._alive
        if scoring is Scoring.ELIMINATION:
            right = np.zeros(len(voters), np.bool_)
            right[now] = scores.correct
            alive &= right
        eliminates = self._eliminates or scoring is Scoring.ELIMINATION
        return type(self)(voters, sums, elapsed, alive, eliminates)

    @property
    def voters(self) -> int:
        """Who has answered any question."""
        return len(self._voters)

    @property
    def alive(self) -> int | None:
        """How many are still in; None if nobody could be out yet."""
        return int(np.count_nonzero(self._alive)) if self._eliminates else None

    def top(self, limit: int) -> list[Standing]:
        """The best, best first."""
        return [self._standing(int(place)) for place in self._order[:limit]]

    def standing(self, voter: int) -> Standing | None:
        """Where a voter is; None if it has answered no question."""
        place = int(np.searchsorted(self._voters, np.uint64(voter)))
        if place == len(self._voters) or self._voters[place] != voter:
            return None
        return self._standing(place)

    def is_alive(self, voter: int) -> bool:
        """Whether a voter is still in."""
        standing = self.standing(voter)
        return standing.alive if standing else not self._eliminates

    def _standing(self, place: int) -> Standing:
        return Standing(
            int(self._voters[place]),
            int(self._ranks[place]),
            int(self._points[place]),
            int(self._elapsed[place]),
            bool(self._alive[place]),
        )

    def _rank(self) -> Numbers:
        points, elapsed = self._points[self._order], self._elapsed[self._order]
        better = np.ones(len(points), np.bool_)
        better[1:] = (points[1:] != points[:-1]) | (elapsed[1:] != elapsed[:-1])
        first = np.maximum.accumulate(np.where(better, np.arange(1, len(points) + 1), 0))
        ranks = np.empty(len(points), np.int64)
        ranks[self._order] = first
        return ranks


def _union(some: Voters, others: Voters) -> Voters:
    """Both, sorted as each is: a stable sort merges them, five times as fast as np.union1d."""
    both = np.sort(np.concatenate((some, others)), kind="stable")
    first = np.ones(len(both), np.bool_)
    first[1:] = both[1:] != both[:-1]
    return both[first]


class Decision(NamedTuple):
    """What became of one accepted vote, and by which numbers.

    shown_ms: when the viewer says it saw the question, received_ms - rtt_ms // 2 - elapsed_ms;
    rtt_ms: the round trip as far as it counts. rule: what was
    checked before it was accepted. verdict: `counts`, `replaced` by a later one, or `withdrawn`.
    """

    seq: int
    choices: list[int]
    received_ms: int
    elapsed_ms: int
    rtt_ms: int
    shown_ms: int
    rule: str
    verdict: str
    right: bool | None
    points: int


def explain(poll: Poll, records: Records) -> list[Decision]:
    """Every decision about one voter, from all of its records, in the order they were accepted."""
    if not len(records):
        return []
    last = int(np.lexsort((records["mask"], records["seq"]))[-1])
    counted = score(poll, records[last : last + 1]) if poll.answer else None
    decisions = []
    for number, record in enumerate(records.tolist()):
        values = dict(zip(RECORD.names or (), record, strict=True))
        counts = number == last and values["mask"] != 0
        decided = counts and counted is not None
        decisions.append(
            Decision(
                seq=values["seq"],
                choices=choices_of(values["mask"]),
                received_ms=values["received_ms"],
                elapsed_ms=values["elapsed_ms"],
                rtt_ms=values["rtt_ms"],
                shown_ms=values["received_ms"] - values["rtt_ms"] // 2 - values["elapsed_ms"],
                rule=rule(poll),
                verdict="counts" if counts else "withdrawn" if number == last else "replaced",
                right=bool(counted.correct[0]) if decided and counted else None,
                points=int(counted.points[0]) if decided and counted else 0,
            )
        )
    return decisions


def rule(poll: Poll) -> str:
    """What a vote of this poll had to keep to, with the numbers."""
    parts = [f"at most {poll.most} of {len(poll.choices)} choices"]
    if poll.window_ms and poll.opened_ms is not None:
        shown = poll.rules
        parts.append(f"elapsed_ms <= {poll.window_ms} + {GRACE}")
        parts.append(
            f"{shown.opens_ms} - {GRACE} - rtt_ms // 2 <= shown_ms"
            f" <= {shown.opens_ms} + {shown.delay_max_ms}"
        )
    if poll.closes_ms is not None:
        parts.append(f"received_ms <= {poll.closes_ms}")
    parts.append("the first vote stands" if poll.final else "the larger (seq, mask) counts")
    return "; ".join(parts)

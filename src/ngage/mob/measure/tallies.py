"""What a tally may be: the rules for votes, and what a tally that breaks them has lost or doubled.

A vote is a register: one of each voter counts, the newest. Acknowledged votes are in the final
tally exactly once, others at most once; the crowd says which bounds that gives (VoteBounds). While
voting goes on, each tally has at least the voters who had an acknowledgement before it was made, at
most those who had voted when it came, and never fewer than the one before it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ngage_core.behaviour import VoteBounds


class Tally(NamedTuple):
    """Votes for each choice, and voters who have one."""

    counts: tuple[int, ...]
    voters: int


class Finding(NamedTuple):
    """The final tally against its bounds. lost, doubled: at least so many votes are."""

    counts: tuple[int, ...] = ()
    voters: int = 0
    lost: int = 0
    doubled: int = 0


def compare(tally: Tally, before: VoteBounds, after: VoteBounds) -> Finding:
    """The bounds of before and after the tally was asked for: it has what was acknowledged before,
    and nothing that was sent after it.

    A vote that is missing in one choice and counted in another is lost and doubled.
    """
    lost = [below(count, least) for count, least in _pairs(tally.counts, before.least)]
    doubled = [below(most, count) for count, most in _pairs(tally.counts, after.most)]
    return Finding(
        tally.counts,
        tally.voters,
        max(sum(lost), below(tally.voters, before.voters_least)),
        max(sum(doubled), below(after.voters_most, tally.voters)),
    )


def below(value: int, limit: int) -> int:
    """By how much it is less."""
    return max(0, limit - value)


def _pairs(counts: Sequence[int], bounds: Sequence[int]) -> list[tuple[int, int]]:
    """By choice; one that only one of them has is 0 to the other."""
    width = max(len(counts), len(bounds))
    return [
        (counts[i] if i < len(counts) else 0, bounds[i] if i < len(bounds) else 0)
        for i in range(width)
    ]


class Watch:
    """Tallies of one poll as they come, in which everybody picks one choice."""

    def __init__(self, choices: int) -> None:
        self.seen = 0
        self._choices = choices
        self._before = Tally((0,) * choices, 0)

    def see(self, tally: Tally, voters_most: int) -> str:
        """What is wrong with the next one, "" if nothing is.

        voters_most: fans that had voted when it came.
        """
        before, self._before = self._before, tally
        self.seen += 1
        if len(tally.counts) != self._choices:
            return f"the tally has {len(tally.counts)} choices, and the poll {self._choices}"
        if tally.voters != sum(tally.counts):
            return f"{tally.voters} voters, and {sum(tally.counts)} votes of one choice each"
        if tally.voters < before.voters:
            return f"{tally.voters} voters, after there had been {before.voters}"
        if tally.voters > voters_most:
            return f"{tally.voters} voters, when only {voters_most} had voted"
        return ""

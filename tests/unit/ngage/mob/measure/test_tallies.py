"""Tallies within bounds and outside of them, and tallies that follow one another."""

import pytest

from ngage.mob.measure.tallies import Tally, Watch, compare
from ngage_core.behaviour import VoteBounds

EXACT = VoteBounds((3, 0, 2), (3, 0, 2), 5, 5, 0)
OPEN = VoteBounds((2, 0, 1), (4, 1, 3), 4, 6, 2)


@pytest.mark.parametrize(
    ("counts", "bounds", "lost", "doubled"),
    [
        ((3, 0, 2), EXACT, 0, 0),
        ((2, 0, 2), EXACT, 1, 0),
        ((3, 1, 2), EXACT, 0, 1),
        ((1, 2, 2), EXACT, 2, 2),  # two went to another choice
        ((0, 0, 0), EXACT, 5, 0),
        ((3, 0), EXACT, 2, 0),  # a choice is not in the tally
        ((3, 0, 2, 1), EXACT, 0, 1),
        ((2, 0, 2), OPEN, 0, 0),
        ((4, 1, 1), OPEN, 0, 0),
        ((2, 0, 1), OPEN, 1, 0),  # each is possible, but not all of them
        ((4, 1, 3), OPEN, 0, 2),
    ],
)
def test_what_is_lost_and_doubled(
    counts: tuple[int, ...], bounds: VoteBounds, lost: int, doubled: int
) -> None:
    found = compare(Tally(counts, sum(counts)), bounds, bounds)
    assert (found.lost, found.doubled) == (lost, doubled)
    assert (found.counts, found.voters) == (counts, sum(counts))


def test_what_came_while_the_tally_was_asked_for_may_be_in_it() -> None:
    after = VoteBounds((4, 0, 2), (4, 0, 2), 6, 6, 0)
    for counts in ((3, 0, 2), (4, 0, 2)):
        found = compare(Tally(counts, sum(counts)), EXACT, after)
        assert (found.lost, found.doubled) == (0, 0)


@pytest.mark.parametrize(
    ("tally", "voted", "complaint"),
    [
        (Tally((1, 1), 2), 2, ""),
        (Tally((3, 0), 3), 3, ""),
        (Tally((1, 0), 1), 3, "1 voters, after there had been 2"),
        (Tally((2, 1), 3), 2, "3 voters, when only 2 had voted"),
        (Tally((2, 1), 2), 3, "2 voters, and 3 votes of one choice each"),
        (Tally((2,), 2), 3, "the tally has 1 choices, and the poll 2"),
    ],
)
def test_tallies_grow_with_those_who_vote(tally: Tally, voted: int, complaint: str) -> None:
    watch = Watch(2)
    assert watch.see(Tally((2, 0), 2), 2) == ""
    assert watch.see(tally, voted) == complaint

"""When a vote may come: a poll's own times, and the window on each viewer's timeline."""

from pathlib import Path

import pytest

from ngage_core.votes import limits
from tests.helpers.votes import told, voting
from tests.oracle.votes import ACCEPTED, CLOSED, DUPLICATE, LATE, Rules, Vote, batches


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "7.votes"


# Received, elapsed, and what it is told, with a window of 10 s and delays up to 3 s.
QUIZ = Rules(opens_ms=100_000, window_ms=10_000, delay_max_ms=3_000)
WINDOW = [
    (100_000, 0, ACCEPTED),
    (99_750, 0, ACCEPTED),
    (99_749, 0, LATE),
    (103_000, 0, ACCEPTED),
    (103_001, 0, LATE),
    (110_250, 10_250, ACCEPTED),
    (110_251, 10_251, LATE),
    (113_250, 10_250, ACCEPTED),
    (113_251, 10_250, LATE),
    (110_000, 10_250, ACCEPTED),
    (109_999, 10_250, LATE),
    (100_000, 2**32 - 1, LATE),
]


@pytest.mark.parametrize(("received_ms", "elapsed_ms", "status"), WINDOW)
def test_edges_of_the_window(journal: Path, received_ms: int, elapsed_ms: int, status: int) -> None:
    with voting(journal, QUIZ) as votes:
        assert told(votes, Vote(1, 1, 1, elapsed_ms, received_ms)) == [status]


FAR = [
    (103_500, 1_000, ACCEPTED),
    (103_501, 1_000, LATE),
    (104_000, 2**32 - 1, ACCEPTED),
    (104_001, 2**32 - 1, LATE),
    (99_750, 2_000, ACCEPTED),  # it never harms
]


@pytest.mark.parametrize(("received_ms", "rtt_ms", "status"), FAR)
def test_the_way_back_is_not_the_viewers_delay(
    journal: Path, received_ms: int, rtt_ms: int, status: int
) -> None:
    with voting(journal, QUIZ) as votes:
        assert told(votes, Vote(1, 1, 1, 0, received_ms, rtt_ms)) == [status]
        kept = [record for _, records in batches(journal.read_bytes()) for record in records]
        counted = min(rtt_ms, limits()["vote_rtt_ms_max"])
        assert [one.rtt_ms for one in kept] == ([counted] if status == ACCEPTED else [])


def test_a_window_without_an_opening(journal: Path) -> None:
    with voting(journal, Rules(window_ms=10_000)) as votes:
        cast = [Vote(1, 1, 1, 10_250, 5), Vote(2, 1, 1, 10_251, 10**12)]
        assert told(votes, *cast) == [ACCEPTED, LATE]


def test_the_deadline_is_of_when_it_was_received(journal: Path) -> None:
    with voting(journal, Rules(opens_ms=1_000, closes_ms=2_000)) as votes:
        times = [999, 1_000, 2_000, 2_001, 1_500]
        cast = [Vote(voter, 1, 1, 0, at) for voter, at in enumerate(times, 1)]
        assert told(votes, *cast) == [CLOSED, ACCEPTED, ACCEPTED, CLOSED, ACCEPTED]
        # Who repeats what counts is told so, however late.
        assert told(votes, Vote(2, 1, 1, 0, 9_000), Vote(2, 2, 1, 0, 9_000)) == [DUPLICATE, CLOSED]

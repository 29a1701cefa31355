"""A votes thread of a test's own, and what a vote is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ngage_core.votes import Votes
from tests.oracle.votes import Rules, Vote

POLL = 7


@contextmanager
def voting(journal: Path, rules: Rules, ports: int = 2) -> Iterator[Votes]:
    """With one poll open."""
    votes = Votes(ports)
    votes.start()
    try:
        votes.open(POLL, journal, **rules._asdict())
        yield votes
    finally:
        votes.stop()


def push(votes: Votes, vote: Vote, *, port: int = 0, poll: int = POLL, client: int = 0) -> None:
    voter, seq, mask, elapsed_ms, received_ms, rtt_ms = vote
    assert votes.vote(port, client, voter, poll, seq, mask, elapsed_ms, 0, received_ms, rtt_ms)


def told(votes: Votes, *cast: Vote, port: int = 0, poll: int = POLL) -> list[int]:
    """Push votes, and return the status of each when they are decided, in one batch or more."""
    for vote in cast:
        push(votes, vote, port=port, poll=poll)
    votes.flush()
    acks = votes.acks(port)
    assert [(poll, seq) for _, poll, seq, _, _ in acks] == [(poll, vote.seq) for vote in cast]
    return [status for *_, status in acks]

"""The votes thread against tests/oracle/votes.py: any votes, repeated, in any order, restarted."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ngage_core.votes import Votes
from tests.helpers.votes import POLL, push, voting
from tests.oracle.votes import ACCEPTED, DUPLICATE, Poll, Rules, Vote, recount

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where syncing takes no time
VOTERS = st.integers(1, 4)
CAST = st.builds(
    Vote,
    VOTERS,
    st.one_of(st.integers(0, 4), st.just(2**32 - 1)),
    st.one_of(st.integers(0, 7), st.sampled_from([8, 2**32 - 1])),
    st.one_of(st.just(0), st.integers(0, 3_000)),
    st.integers(9_000, 13_000),
    st.one_of(st.just(0), st.integers(0, 3_000), st.just(2**32 - 1)),
)
RULES = st.builds(
    Rules,
    choices=st.integers(1, 4),
    most=st.just(1),
    final=st.booleans(),
    opens_ms=st.sampled_from([0, 10_000]),
    closes_ms=st.sampled_from([0, 12_000]),
    window_ms=st.sampled_from([0, 1_000]),
    delay_max_ms=st.sampled_from([0, 500]),
).flatmap(lambda rules: st.integers(1, rules.choices).map(lambda most: rules._replace(most=most)))
STEPS = st.one_of(
    st.tuples(st.just("votes"), st.lists(CAST, min_size=1, max_size=8)),
    st.tuples(st.just("votes"), st.lists(CAST, min_size=1, max_size=1)),
    st.tuples(st.just("port"), st.integers(0, 1)),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("close"), st.none()),
    st.tuples(st.just("reopen"), st.none()),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("ban"), VOTERS),
    st.tuples(st.just("lift"), VOTERS),
)


@contextmanager
def a_journal() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        yield Path(directory) / "7.votes"


class Both:
    """The votes thread and the oracle, given the same steps, with what both say of each vote."""

    def __init__(self, journal: Path, rules: Rules) -> None:
        self.journal = journal
        self.poll = Poll(rules)
        self.port = 0
        self.expected: list[int] = []
        self.start()

    def start(self) -> None:
        self.votes = Votes(2)
        self.votes.start()
        self.poll.banned.clear()
        self.reopen()

    def reopen(self) -> None:
        known = self.votes.open(POLL, self.journal, **self.poll.rules._asdict())
        assert known == len(self.poll.registers)
        self.poll.closed = False

    def take(self, step: str, about: Any) -> None:
        if step == "votes":
            for vote in about:
                push(self.votes, vote, port=self.port)
                self.expected.append(self.poll.cast(vote))
            return
        if step != "port":
            getattr(self, step)(*([] if about is None else [about]))
        self.check()
        if step == "port":
            self.port = about

    def flush(self) -> None:
        self.votes.flush()

    def close(self) -> None:
        self.votes.close(POLL)
        self.poll.closed = True

    def restart(self) -> None:
        self.votes.stop()
        self.check()
        self.start()

    def ban(self, voter: int) -> None:
        self.votes.ban(voter, True)
        self.poll.banned.add(voter)

    def lift(self, voter: int) -> None:
        self.votes.ban(voter, False)
        self.poll.banned.discard(voter)

    def check(self) -> None:
        """Of everything so far."""
        if self.votes.vote(1 - self.port, 0, 1, POLL + 1, 1, 1):  # runs: what is told is all there
            self.votes.flush()
            self.votes.acks(1 - self.port)
        assert [status for *_, status in self.votes.acks(self.port)] == self.expected
        self.expected.clear()
        assert self.votes.tally(POLL) == self.poll.tally()
        for voter in range(1, 5):
            assert self.votes.register(POLL, voter) == self.poll.registers.get(voter)
        assert recount(self.journal.read_bytes()) == self.poll.registers


@given(RULES, st.lists(STEPS, max_size=30))
def test_every_vote_is_told_what_the_oracle_says(
    rules: Rules, steps: list[tuple[str, Any]]
) -> None:
    with a_journal() as journal:
        both = Both(journal, rules)
        try:
            for step, about in steps:
                both.take(step, about)
            both.restart()
        finally:
            both.votes.stop()


GOOD = st.builds(
    Vote,
    *(st.integers(1, 6), st.integers(1, 5), st.integers(0, 7)),
    *(st.just(0), st.just(1), st.just(0)),
)


@given(st.lists(st.tuples(st.integers(0, 1), GOOD), max_size=60), st.data())
def test_the_order_of_votes_is_of_no_account(
    cast: list[tuple[int, Vote]], data: st.DataObject
) -> None:
    """Two ports at once, each vote up to three times: the larger wins, wherever it came first."""
    times = data.draw(st.lists(st.integers(1, 3), min_size=len(cast), max_size=len(cast)))
    repeated = [vote for vote, count in zip(cast, times, strict=True) for _ in range(count)]
    shuffled = data.draw(st.permutations(repeated))
    rules = Rules(choices=3, most=3)
    oracle = Poll(rules)
    for _, vote in cast:
        oracle.cast(vote)
    with a_journal() as journal:
        with voting(journal, rules) as votes:
            for port, vote in shuffled:
                push(votes, vote, port=port)
            votes.close(POLL)
            acks = votes.acks(0) + votes.acks(1)
            assert len(acks) == len(shuffled)
            assert {status for *_, status in acks} <= {ACCEPTED, DUPLICATE}
            assert votes.tally(POLL) == oracle.tally()
        assert recount(journal.read_bytes()) == oracle.registers
        with voting(journal, rules) as votes:
            assert votes.tally(POLL) == oracle.tally()

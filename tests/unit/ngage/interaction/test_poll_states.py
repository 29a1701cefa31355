"""Polls as a state machine: hosts, voters, time, restarts and a store that refuses, in any order.

The oracle is a dictionary for each poll and the rules of the reference, said once more.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ngage.errors import PollError, StoreError
from ngage.interaction.ballots import Tally, VoteStatus
from ngage.interaction.journal import recount, registers
from ngage.interaction.model import Kind, Phase, Poll, State
from ngage.interaction.polls import Polls
from ngage.interaction.store import Store
from tests.helpers.ballots import MemoryBallots
from tests.helpers.interaction import FakeClock, draft, kept_event, locked

Result = TypeVar("Result")

COUNTED = {VoteStatus.ACCEPTED, VoteStatus.DUPLICATE}
SORTS = [(Kind.POLL, 0), (Kind.POLL, 2000), (Kind.PREDICTION, 2000)]
POLLS = st.integers(1, len(SORTS) + 1)  # as they are numbered
STEPS = st.sampled_from(["lock", "close", "cancel"])
VOTES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([0, 1, 2, 4, 8]))


@dataclass
class Known:
    """What the oracle knows of a poll."""

    kind: Kind
    duration_ms: int
    state: State = State.CREATED
    ends_ms: int | None = None  # monotonic
    votes: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def tally(self) -> Tally:
        masks = [mask for _, mask in self.votes.values()]
        counts = tuple(sum(mask >> bit & 1 for mask in masks) for bit in range(3))
        return Tally(counts, sum(map(bool, masks)))


class PollStates(RuleBasedStateMachine):
    @initialize(final=st.booleans())
    def begin(self, final: bool) -> None:
        """A show with a poll of each sort, open, and one that is not."""
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.known: dict[int, Known] = {}
        self.store = self.do(Store.open(self.directory / "ngage.db", busy_ms=1))
        self.event = self.do(kept_event(self.store))
        self.process()
        for kind, duration_ms in SORTS:
            self.open(self.create(kind, duration_ms, final))
        self.create(Kind.POLL, 2000, final)

    def process(self) -> None:
        self.ballots = MemoryBallots(self.clock.unix_ms)
        self.service = Polls(
            self.store, self.ballots, self.directory, self.clock, lambda event: None
        )
        self.do(self.service.restore({self.event.id: self.event}))

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.do(self.store.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.directory)

    def do(self, work: Awaitable[Result]) -> Result:
        async def run() -> Result:
            return await work

        return self.loop.run_until_complete(run())

    def refused(self, work: Callable[[], Awaitable[object]], error: type[Exception]) -> None:
        try:
            self.do(work())
        except error:
            return
        raise AssertionError(f"it was not refused with {error.__name__}")

    # Hosts

    def create(self, kind: Kind, duration_ms: int, final: bool) -> int:
        new = draft(kind=kind, duration_ms=duration_ms, final=final)
        poll = self.do(self.service.create(self.event, new, "host"))
        self.known[poll.id] = Known(kind, duration_ms)
        return poll.id

    @rule(poll=POLLS)
    def open(self, poll: int) -> None:
        known = self.known[poll]

        def act() -> Awaitable[Poll]:
            return self.service.open(self.event, poll, None, "host")

        if known.state is not State.CREATED or not self.event.takes_votes:
            self.refused(act, PollError)
            return
        self.do(act())
        known.state = State.OPEN
        if known.duration_ms:
            known.ends_ms = self.clock.monotonic + known.duration_ms

    @rule(poll=POLLS, step=STEPS, answer=st.sampled_from([None, 0b010]))
    def step(self, poll: int, step: str, answer: int | None) -> None:
        known = self.known[poll]
        after = self.after(known, step, answer)
        if after is None:
            self.refused(lambda: self.act(poll, step, answer), PollError)
            return
        self.do(self.act(poll, step, answer))
        known.state = after

    @rule(poll=POLLS, step=STEPS)
    def step_while_the_store_is_locked(self, poll: int, step: str) -> None:
        answer = None if self.known[poll].kind is Kind.POLL else 1
        if self.after(self.known[poll], step, answer) is None:
            return
        with locked(self.store.path):
            self.refused(lambda: self.act(poll, step, answer), StoreError)

    @precondition(lambda self: self.event.phase in (Phase.LIVE, Phase.PAUSED))
    @rule()
    def pause_or_go_on(self) -> None:
        paused = self.event.phase is Phase.PAUSED
        self.event = self.event.moved(Phase.LIVE if paused else Phase.PAUSED)
        self.do(self.service.follow(self.event))

    def act(self, poll: int, step: str, answer: int | None) -> Awaitable[Poll]:
        if step == "close":
            return self.service.close(self.event, poll, answer, "host")
        return getattr(self.service, step)(self.event, poll, "host")  # type: ignore[no-any-return]

    def after(self, known: Known, step: str, answer: int | None) -> State | None:
        """The state that a step leads to; None: it is refused."""
        prediction = known.kind is Kind.PREDICTION
        allowed = {
            "lock": known.state is State.OPEN,
            "close": known.state in (State.OPEN, State.LOCKED)
            and (answer is not None) is prediction,
            "cancel": known.state in (State.CREATED, State.OPEN, State.LOCKED),
        }
        to = {"lock": State.LOCKED, "close": State.CLOSED, "cancel": State.CANCELLED}
        return to[step] if allowed[step] else None

    # Voters

    @rule(poll=POLLS, votes=st.lists(VOTES, min_size=1, max_size=5))
    def vote(self, poll: int, votes: list[tuple[int, int, int]]) -> None:
        known = self.known[poll]
        for voter, seq, mask in votes:
            status = self.ballots.vote(poll, voter, seq, mask)
            if status is VoteStatus.ACCEPTED:
                assert known.state is State.OPEN
                assert self.event.takes_votes
                assert mask < 8
                assert (seq, mask) > known.votes.get(voter, (0, 0))
                known.votes[voter] = (seq, mask)
            elif status is VoteStatus.DUPLICATE:
                assert (seq, mask) <= known.votes[voter]
            elif known.state is State.OPEN and self.event.takes_votes:
                in_time = self.clock.unix >= self.service.find("show", poll).opened_ms
                assert status is not VoteStatus.CLOSED or known.duration_ms or not in_time

    # Time and processes

    @rule(milliseconds=st.sampled_from([100, 1000, 3000]))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)
        self.do(self.service.attend())
        self.end_what_is_over()

    @rule(by_ms=st.sampled_from([-5000, 5000]))
    def the_system_clock_is_set(self, by_ms: int) -> None:
        self.clock.jump(by_ms)

    @rule()
    def restart(self) -> None:
        known = {p.id: p for p in self.service.of(self.event.id)}
        self.do(self.store.close())
        self.store = self.do(Store.open(self.directory / "ngage.db", busy_ms=1))
        self.process()
        assert {p.id: p for p in self.service.of(self.event.id)} == known
        # A deadline is in Unix time then: it may come earlier, but never later than it was to.
        for number, poll in self.known.items():
            closes_ms = self.service.find(self.event.id, number).closes_ms
            if poll.state is State.OPEN and closes_ms is not None:
                left = min(max(closes_ms - self.clock.unix, 0), poll.duration_ms)
                poll.ends_ms = self.clock.monotonic + left
        self.do(self.service.attend())
        self.end_what_is_over()

    def end_what_is_over(self) -> None:
        for known in self.known.values():
            ends = known.ends_ms
            if known.state is State.OPEN and ends is not None and ends <= self.clock.monotonic:
                prediction = known.kind is Kind.PREDICTION
                known.state = State.LOCKED if prediction else State.CLOSED

    # What always holds

    @invariant()
    def the_service_is_where_the_oracle_is(self) -> None:
        for number, known in getattr(self, "known", {}).items():
            poll = self.service.find(self.event.id, number)
            assert poll.state is known.state
            assert (poll.result is not None) == (known.state is State.CLOSED)
            if known.state is not State.CANCELLED:
                assert self.service.tally(poll) == known.tally
            if poll.result:
                assert poll.result.tally == known.tally
                counted = registers(self.service.journal(poll))
                assert recount(counted, len(poll.choices)) == known.tally
        assert self.service.trouble(self.event.id) == "" if hasattr(self, "service") else True


TestPollStates = PollStates.TestCase
TestPollStates.settings = settings(max_examples=40, stateful_step_count=15)

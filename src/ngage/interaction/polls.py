"""All polls of an edge: what hosts do with them, when their time is over, and what they end with.

A step is kept in the store first; only then is it told, and what the store refuses has not
happened. Where voting ends, the core closes even before that: no vote counts that came after the
end that is kept. Votes are counted in the core, which holds them against the deadline by itself:
the timers here only bring the result. What a step leads to in the core, and the result, may fail
and are then tried again by attend(), until they are done; trouble() says why.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from ngage.errors import JournalError, PollStateError, StoreError, UnknownPollError
from ngage.interaction import records, transitions
from ngage.interaction.ballots import Ballots, Register, Tally
from ngage.interaction.clock import Clock
from ngage.interaction.counting import count
from ngage.interaction.model import Event, Phase, Poll, State, check_poll
from ngage.interaction.quiz import Board
from ngage.interaction.records import Action
from ngage.interaction.store import Store
from ngage.limits import MEND_SECONDS, POLLS_PER_EVENT_MAX, POLLS_SHOWN_MAX, RETRY_SECONDS

log = logging.getLogger(__name__)

Change = Callable[[Poll, int], Poll]  # the poll after a step, which is done at that Unix ms

DEADLINE = "deadline"  # who ends what is over


class Polls:
    """The polls, their journals in `directory`. changed(event id) is called after each step."""

    def __init__(
        self,
        store: Store,
        ballots: Ballots,
        directory: Path,
        clock: Clock,
        changed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._ballots = ballots
        self._directory = directory
        self._clock = clock
        self._changed = changed
        self._events: dict[str, Event] = {}
        self._polls: dict[str, dict[int, Poll]] = defaultdict(dict)
        self._boards: dict[str, Board] = {}
        self._unsettled: dict[int, Poll] = {}  # not ended, or not counted
        self._held: set[int] = set()  # the core has their votes
        self._accepting: set[int] = set()  # and takes more
        self._deadlines: dict[int, int] = {}  # monotonic ms
        self._troubles: dict[int, str] = {}
        self._retry_ms = self._mend_ms = 0
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # What there is

    def of(self, event: str) -> list[Poll]:
        """The polls of an event, the oldest first."""
        return list(self._polls[event].values()) if event in self._polls else []

    def shown(self, event: Event) -> list[Poll]:
        """What the audience sees: those open, and those that ended in this run, newest first."""
        begun = [p for p in self.of(event.id) if p.run == event.run and p.opened_ms is not None]
        begun.sort(key=_begin, reverse=True)
        begun.sort(key=lambda poll: poll.running, reverse=True)
        return sorted(begun[:POLLS_SHOWN_MAX], key=_begin, reverse=True)

    def find(self, event: str, number: int) -> Poll:
        """A poll of an event. Raises UnknownPollError."""
        found = self._polls[event].get(number) if event in self._polls else None
        if found is None:
            raise UnknownPollError(f"event {event!r} has no poll {number}")
        return found

    def tally(self, poll: Poll) -> Tally:
        """What has been counted of a poll; all zero before it is open."""
        if poll.id in self._held:
            return self._ballots.tally(poll.id)
        return poll.result.tally if poll.result else Tally((0,) * len(poll.choices), 0)

    def register(self, poll: Poll, voter: int) -> Register | None:
        """The vote of one voter in a poll of this run."""
        return self._ballots.register(poll.id, voter) if poll.id in self._held else None

    def holds(self, number: int) -> bool:
        """Whether the core knows a poll, and so says by itself what becomes of a vote."""
        return number in self._held

    def board(self, event: str) -> Board:
        """The standings of the quiz of an event's current run."""
        return self._boards.get(event) or Board()

    def trouble(self, event: str) -> str:
        """What could not be done for an event's polls, and is tried again; empty: nothing."""
        polls = self._polls.get(event, {})
        return "; ".join(f"poll {n}: {why}" for n, why in self._troubles.items() if n in polls)

    def journal(self, poll: Poll) -> Path:
        """Where its votes are."""
        return self._directory / f"{poll.id}.votes"

    # What hosts do

    async def create(self, event: Event, draft: Poll, host: str) -> Poll:
        """Keep a new poll. Raises PollError, StoreError."""
        check_poll(draft)
        async with self._turns[event.id]:
            if len(self.of(event.id)) >= POLLS_PER_EVENT_MAX:
                raise PollStateError(f"event {event.id!r} has {POLLS_PER_EVENT_MAX} polls already")
            action = self._action("poll_create", host, title=draft.title, kind=draft.kind)
            poll = await self._store.run(lambda c: records.insert_poll(c, event, draft, action))
            self._put(poll)
        return poll

    async def open(self, event: Event, number: int, at_us: int | None, host: str) -> Poll:
        """Voting begins. Raises PollError, StoreError, JournalError."""
        async with self._turns[event.id]:
            poll = self.find(event.id, number)
            event = self._events.get(event.id, event)  # it may have changed meanwhile
            if not event.takes_votes:
                off = "" if event.features.polls else ", and polls are switched off"
                raise PollStateError(f"event {event.id!r} is {event.phase}{off}: no poll can open")
            running = [p.id for p in self.of(event.id) if p.running and p.run == event.run]
            if len(running) >= POLLS_SHOWN_MAX:
                named = ", ".join(map(str, running))
                raise PollStateError(f"{len(running)} polls are open or locked already: {named}")
            poll = transitions.opened(poll, event.run, self._clock.unix_ms(), at_us)
            # The core has to be ready before anybody hears of it. Should the store refuse, the
            # journal is empty, and the next attempt goes on with it.
            await self._accept(poll)
            try:
                await self._keep(poll, "poll_open", host)
            except BaseException:
                await self._release(number)
                raise
            if poll.lasts_ms:
                self._deadlines[number] = self._clock.monotonic_ms() + poll.lasts_ms
            self._put(poll)
        return poll

    async def lock(self, event: Event, number: int, host: str) -> Poll:
        """Voting ends, the result waits. Raises PollError, StoreError."""
        return await self._step(event.id, number, "poll_lock", host, transitions.locked)

    async def close(self, event: Event, number: int, answer: int | None, host: str) -> Poll:
        """Voting ends and is counted; of a quiz or prediction `answer` is right (a mask).

        Raises PollError, StoreError. The poll has no result yet if it could not be counted.
        """
        change = partial(transitions.closed, answer=answer)
        return await self._step(event.id, number, "poll_close", host, change)

    async def cancel(self, event: Event, number: int, host: str) -> Poll:
        """It does not count. Raises PollError, StoreError."""
        return await self._step(event.id, number, "poll_cancel", host, transitions.cancelled)

    async def follow(self, event: Event) -> None:
        """The event has changed: take votes or none for now, end what ends with it, begin anew."""
        before = self._events.get(event.id)
        self._events[event.id] = event
        if before and before.run != event.run:
            self._boards.pop(event.id, None)
            for poll in self.of(event.id):
                if poll.id not in self._unsettled:
                    await self._release(poll.id)
        for poll in [p for p in self._unsettled.values() if p.event == event.id]:
            await self._advance(poll)

    async def drop(self, event: Event) -> None:
        """Forget an event's polls, and their journals."""
        async with self._turns[event.id]:
            for poll in self.of(event.id):
                await self._release(poll.id)
                with suppress(OSError):
                    await asyncio.to_thread(self.journal(poll).unlink, missing_ok=True)
                for known in (self._unsettled, self._deadlines, self._troubles):
                    known.pop(poll.id, None)
            for of_events in (self._polls, self._boards, self._events):
                of_events.pop(event.id, None)
        self._turns.pop(event.id, None)

    # What comes by itself

    async def restore(self, events: Mapping[str, Event]) -> None:
        """Go on where another process has ended. Raises StoreError."""
        self._events = dict(events)
        now, monotonic = self._clock.unix_ms(), self._clock.monotonic_ms()
        for poll in await self._store.read(records.read_polls):
            self._put(poll, quiet=True)
            if poll.state is State.OPEN and poll.closes_ms is not None:
                # However the clock was set meanwhile, no poll lasts longer than it was to.
                left = min(max(poll.closes_ms - now, 0), poll.lasts_ms)
                self._deadlines[poll.id] = monotonic + left
            if poll.id in self._unsettled and not self.journal(poll).exists():
                log.error("poll %d: its journal %s is lost", poll.id, self.journal(poll))
        for event in events.values():
            for poll in self.shown(event):
                if poll.id in self._unsettled or self.journal(poll).exists():
                    await self._settle(poll)
            await self._restore_board(event)

    async def attend(self) -> None:
        """End what is over, and try again what could not be done. To be called at every tick."""
        now = self._clock.monotonic_ms()
        if self._troubles and now < self._retry_ms:
            return
        for poll in list(self._unsettled.values()):
            due = self._deadlines.get(poll.id, now + 1) <= now
            if due or poll.id in self._troubles:
                await self._advance(poll)
        self._retry_ms = now + round(RETRY_SECONDS * 1000)
        if now >= self._mend_ms and self._ballots.failing():
            self._mend_ms = now + round(MEND_SECONDS * 1000)
            await self._mend()

    async def release(self) -> None:
        """Give the core's registers back when all votes are on the disk; the end of this."""
        for number in list(self._held):
            await self._release(number)

    # Steps

    async def _step(self, event: str, number: int, name: str, host: str, change: Change) -> Poll:
        async with self._turns[event]:
            before = self.find(event, number)
            change(before, self._clock.unix_ms())  # raises, before anything is done
            accepting = number in self._accepting
            if accepting:
                await self._refuse(before)
            poll = change(before, self._clock.unix_ms())
            try:
                await self._keep(poll, name, host)
            except BaseException:
                if accepting and self._takes_votes(before) and not self._is_over(before):
                    with self._trying(before):
                        await self._accept(before)
                raise
            self._deadlines.pop(number, None)
            self._put(poll)
        await self._settle(poll)
        return self._polls[event].get(number, poll)

    async def _advance(self, poll: Poll) -> None:
        """End a poll that is over, else bring it to where it is to be."""
        over = self._is_over(poll) or self._is_ended(poll)
        if poll.state is not State.OPEN or not over:
            await self._settle(poll)
            return
        with self._trying(poll):
            await self._step(poll.event, poll.id, "poll_end", DEADLINE, transitions.ended)

    async def _mend(self) -> None:
        """After a sync that failed, only opening a journal anew tells what is on the disk."""
        for poll in list(self._unsettled.values()):
            async with self._turns[poll.event]:
                known = self._unsettled.get(poll.id)  # it may have ended meanwhile
                if known and known.id in self._accepting and self._ballots.failing(known.id):
                    with self._trying(known):
                        await self._accept(known, anew=True)

    async def _settle(self, poll: Poll) -> None:
        """Bring the core, and the result, to where a poll is; if it cannot be, attend() will."""
        async with self._turns[poll.event]:
            poll = self._polls[poll.event].get(poll.id, poll)
            with self._trying(poll):
                match poll.state:
                    case State.OPEN if self._takes_votes(poll):
                        await self._accept(poll)
                    case State.OPEN | State.LOCKED:
                        await self._refuse(poll)
                    case State.CLOSED:
                        await self._refuse(poll)
                        if poll.result is None:
                            await self._finish(poll)
                    case State.CANCELLED:
                        await self._release(poll.id)
                self._troubles.pop(poll.id, None)

    @contextmanager
    def _trying(self, poll: Poll) -> Iterator[None]:
        try:
            yield
        except PollStateError:
            pass  # a host was faster
        except (StoreError, JournalError, OSError) as error:
            if poll.id not in self._troubles:
                log.error("poll %d: %s", poll.id, error)
            self._troubles[poll.id] = str(error)

    async def _finish(self, poll: Poll) -> None:
        result, scores = await asyncio.to_thread(count, self._ballots, poll, self.journal(poll))
        poll = replace(poll, result=result)
        now = self._clock.unix_ms()
        await self._store.run(lambda c: records.insert_result(c, poll, scores, now))
        event = self._events.get(poll.event)
        if scores is not None and event and event.run == poll.run:
            board = self.board(poll.event)
            self._boards[poll.event] = await asyncio.to_thread(board.after, poll.scoring, scores)
        self._put(poll)
        ended = [p for p in self.of(poll.event) if p.id not in self._unsettled]
        for old in sorted(ended, key=_begin)[:-POLLS_SHOWN_MAX]:
            await self._release(old.id)

    async def _restore_board(self, event: Event) -> None:
        for poll in sorted(self.of(event.id), key=_begin):
            if not (poll.scored and poll.result and poll.run == event.run):
                continue
            scores = await self._store.read(partial(records.read_scores, poll=poll.id))
            if scores is not None:
                board = self.board(event.id)
                self._boards[event.id] = await asyncio.to_thread(board.after, poll.scoring, scores)

    # The core

    async def _accept(self, poll: Poll, *, anew: bool = False) -> None:
        if poll.id in self._accepting and not anew:
            return
        try:
            await asyncio.to_thread(self._ballots.open, poll.id, self.journal(poll), poll.rules)
        except (OSError, OverflowError) as error:
            raise JournalError(str(error)) from error
        self._held.add(poll.id)
        self._accepting.add(poll.id)

    async def _refuse(self, poll: Poll) -> None:
        if poll.id not in self._held:
            await self._accept(poll)
        if poll.id in self._accepting:
            await asyncio.to_thread(self._ballots.close, poll.id)
            self._accepting.discard(poll.id)

    async def _release(self, number: int) -> None:
        if number in self._held:
            await asyncio.to_thread(self._ballots.close, number)
            self._ballots.forget(number)
            self._held.discard(number)
            self._accepting.discard(number)

    # Small things

    def _put(self, poll: Poll, *, quiet: bool = False) -> None:
        self._polls[poll.event][poll.id] = poll
        if poll.running or (poll.state is State.CLOSED and poll.result is None):
            self._unsettled[poll.id] = poll
        else:
            self._unsettled.pop(poll.id, None)
        if not quiet:
            self._changed(poll.event)

    async def _keep(self, poll: Poll, name: str, host: str) -> None:
        details = {"answer": poll.answer} if poll.state is State.CLOSED else {}
        action = self._action(name, host, **details)
        await self._store.run(lambda c: records.update_poll(c, poll, action))

    def _action(self, name: str, host: str, **details: object) -> Action:
        return Action(self._clock.unix_ms(), host, name, details)

    def _takes_votes(self, poll: Poll) -> bool:
        event = self._events.get(poll.event)
        return event is None or (event.takes_votes and event.run == poll.run)

    def _is_over(self, poll: Poll) -> bool:
        ends = self._deadlines.get(poll.id)
        return ends is not None and ends <= self._clock.monotonic_ms()

    def _is_ended(self, poll: Poll) -> bool:
        event = self._events.get(poll.event)
        return event is not None and event.phase is Phase.ENDED


def _begin(poll: Poll) -> tuple[int, int]:
    """What orders polls by when they were opened."""
    return poll.opened_ms or 0, poll.id

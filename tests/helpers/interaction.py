"""What the tests of events share: a clock that is set, an event that is kept, drafts of polls."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ngage.identity import Identity, RpcCall
from ngage.interaction import records
from ngage.interaction.bans import Bans
from ngage.interaction.buckets import Limits
from ngage.interaction.clock import Clock
from ngage.interaction.data import prepare
from ngage.interaction.events import Events
from ngage.interaction.figures import Figures
from ngage.interaction.hooks import Hooks
from ngage.interaction.keeping import Scribe
from ngage.interaction.model import Event, Phase, Poll
from ngage.interaction.parts import Outlets, Refusal
from ngage.interaction.polls import Polls
from ngage.interaction.records import Action
from ngage.interaction.rooms import Rooms
from ngage.interaction.store import Store
from ngage.settings import Settings
from tests.helpers.ballots import MemoryBallots

START_MS = 1_795_000_000_000


class FakeClock(Clock):
    """Both clocks stand still until somebody moves them; jump() sets the system's only."""

    def __init__(self) -> None:
        self.unix = START_MS
        self.monotonic = 5_000

    def unix_ms(self) -> int:
        return self.unix

    def monotonic_ms(self) -> int:
        return self.monotonic

    def advance(self, milliseconds: int) -> None:
        self.unix += milliseconds
        self.monotonic += milliseconds

    def jump(self, milliseconds: int) -> None:
        self.unix += milliseconds


def draft(event: str = "show", **changes: Any) -> Poll:
    """A poll that is good in every way but for `changes`."""
    fields = {"title": "Which?", "choices": ("A", "B", "C"), **changes}
    return Poll(event=event, **fields)


async def kept_event(store: Store, name: str = "show", phase: Phase = Phase.LIVE) -> Event:
    """An event in the store."""
    event = Event(number=0, id=name, title="The show", phase=phase)
    action = Action(START_MS, "test", "event_create", {})
    return await store.run(lambda c: records.insert_event(c, event, action))


class PollEdge:
    """Polls as an edge has them; restart() is another process on the same disk."""

    def __init__(self, store: Store, directory: Path, clock: FakeClock) -> None:
        self.store, self.directory, self.clock = store, directory, clock
        self.changes: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self.ballots = MemoryBallots(self.clock.unix_ms)
        self.polls = Polls(
            self.store, self.ballots, self.directory, self.clock, self.changes.append
        )

    async def restart(self, event: Event) -> None:
        self._begin()
        await self.polls.restore({event.id: event})

    async def opened(self, event: Event, **changes: Any) -> Poll:
        poll = await self.polls.create(event, draft(event.id, **changes), "host")
        return await self.polls.open(event, poll.id, None, "host")


class FakeCore:
    """The edge as events see it: what was published by channel, votes that passed, replies."""

    def __init__(self, ballots: MemoryBallots) -> None:
        self.ballots = ballots
        self.published: dict[str, list[Any]] = {}
        self.viewers = (0, 0)
        self.native: dict[int, int] = {}
        self.votes: list[tuple[int, ...]] = []
        self.replies: list[tuple[int, int, bytes | Refusal]] = []

    def check(self, event: str) -> None:
        """Nobody else makes channels."""

    def outlets(self, event: str) -> Outlets:
        names = ("event", "tally", "host", "chat", "questions")
        publish = (partial(self._publish, f"{name}:{event}") for name in names)
        said = [json.dumps(one) for one in self.published.get(f"chat:{event}", [])]
        return Outlets(*publish, viewers=lambda: self.viewers, said=said)

    def vote(self, call: RpcCall, poll: int, seq: int, mask: int, elapsed_ms: int) -> None:
        voter = call.identity.voter
        came = call.received_ms, call.rtt_ms
        self.votes.append((call.client, voter, poll, seq, mask, elapsed_ms, call.command, *came))
        self.ballots.vote(poll, voter, seq, mask, elapsed_ms)

    def reply(self, client: int, command: int, answer: bytes | Refusal) -> None:
        self.replies.append((client, command, answer))

    def reactions(self) -> dict[int, int]:
        return self.native

    def last(self, channel: str) -> Any:
        """The newest publication."""
        return self.published[channel][-1]

    def _publish(self, channel: str, text: str) -> None:
        self.published.setdefault(channel, []).append(json.loads(text))


class Stage:
    """Events on a store, ballots in memory, a clock that is set, and nobody who ticks.

    restart() is another process on the same disk; after an upgrade channels have what they had.
    """

    def __init__(
        self, directory: Path, *, tick_ms: int = 60_000, attend_ms: int = 60_000, **settings: Any
    ) -> None:
        self.directory = directory
        self.tick_ms, self.attend_ms = tick_ms, attend_ms
        self.clock = FakeClock()
        self.settings = Settings(**settings)
        self.told: list[tuple[str, str, Any]] = []

    async def start(
        self, hooks: Hooks | None = None, published: dict[str, list[Any]] | None = None
    ) -> None:
        data = prepare(str(self.directory))
        self.store = await Store.open(data.database, busy_ms=50)
        self.ballots = MemoryBallots(self.clock.unix_ms)
        self.core = FakeCore(self.ballots)
        self.core.published.update(published or {})
        self.scribe = Scribe(self.store)
        self.bans = Bans(self.ballots)
        limits = Limits.of(self.settings, self.clock)
        rooms = Rooms(
            self.store,
            self.scribe,
            self.bans,
            limits,
            settings=lambda: self.settings,
            clock=self.clock,
            figures=Figures(limits, hooks or Hooks()),
            reactions=self.core.reactions,
        )
        self.events = Events(
            self.store,
            self.ballots,
            data.votes,
            self.core,
            make_parts=rooms,
            limits=limits,
            tick_ms=self.tick_ms,
            attend_seconds=self.attend_ms / 1000,
            hooks=hooks,
            tell=lambda kind, event, data: self.told.append((kind, event, data)),
            clock=self.clock,
        )
        await self.events.start()
        await self.bans.flush()

    async def stop(self) -> None:
        await self.events.stop()
        await self.scribe.close()
        await self.store.close()

    async def restart(self, *, upgrade: bool = False) -> None:
        await self.stop()
        await self.start(published=self.core.published if upgrade else None)

    async def tick(self, milliseconds: int = 0) -> None:
        """Time passes, then all that a tick does."""
        self.clock.advance(milliseconds)
        await self.events.attend()
        self.events.tick()

    async def event(self, name: str = "show", phase: Phase = Phase.LIVE) -> Event:
        event = await self.events.create(Event(number=0, id=name, title="The show"), "host")
        return event if event.phase is phase else await self.events.move(name, phase, "host")

    async def poll(self, event: str = "show", **changes: Any) -> Poll:
        """One that is open."""
        known = self.events.get(event)
        poll = await self.events.polls.create(known, draft(event, **changes), "host")
        return await self.events.polls.open(known, poll.id, None, "host")

    def rpc(self, method: str, user: Identity, command: int = 1, **data: Any) -> Any:
        """The answer: data, a Refusal, or None for one that comes later."""
        asked = json.dumps({"event": "show", **data}).encode()
        call = RpcCall(user.voter & 0xFFFF, user, method, asked, command, 1234, 56)
        answer = self.events.rpc(call)
        return json.loads(answer) if isinstance(answer, bytes) else answer


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes to the database for as long as this is open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")

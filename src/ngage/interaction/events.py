"""The events of an edge: what hosts do with them, the ticks, and the way back after a restart.

A change is kept in the store, then applied and published; what the store refuses has not happened.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from ngage.errors import EventError, StoreError, UnknownEventError
from ngage.interaction import records
from ngage.interaction.ballots import Ballots
from ngage.interaction.clock import Clock
from ngage.interaction.model import Event, Phase, Pinned, Poll, State, check_event
from ngage.interaction.parts import Core, Hooks, Limits, Outlets, Parts
from ngage.interaction.polls import Polls
from ngage.interaction.records import Action
from ngage.interaction.rpc import Rpc
from ngage.interaction.show import Show, public
from ngage.interaction.store import Store
from ngage.limits import ATTEND_SECONDS, EVENTS_MAX
from ngage.settings import Settings

log = logging.getLogger(__name__)

MakeParts = Callable[[Event, Outlets], Awaitable[Parts]]
# Tells somebody outside: kind, event, data.
Tell = Callable[[str, str, object], None]

TOLD = {State.OPEN: "poll.opened", State.CLOSED: "poll.closed"}


class Events:
    """All events, from start() to stop(). The store is its caller's.

    directory: where journals of votes are; it has to be there. make_parts gives the chat and so on
    of an event. tell is told of phases and polls, shown of each event as it is now, gone of one
    that is deleted. rpc is what answers clients.
    """

    def __init__(
        self,
        store: Store,
        ballots: Ballots,
        directory: Path,
        core: Core,
        *,
        make_parts: MakeParts,
        limits: Limits,
        tick_ms: int,
        attend_seconds: float = ATTEND_SECONDS,
        hooks: Hooks | None = None,
        tell: Tell = lambda kind, event, data: None,
        shown: Callable[[Event], None] = lambda event: None,
        gone: Callable[[str], None] = lambda name: None,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._ballots = ballots
        self._core = core
        self._make_parts = make_parts
        self._tick_seconds = tick_ms / 1000
        self._attend_seconds = attend_seconds
        self._tell = tell
        self._shown = shown
        self._gone = gone
        self._clock = clock or Clock()
        self._shows: dict[str, Show] = {}
        self._turn = asyncio.Lock()
        self._running: list[asyncio.Task[None]] = []
        self._told: dict[int, State] = {}
        self.polls = Polls(store, ballots, directory, self._clock, self._changed)
        self.rpc = Rpc(self._shows, self.polls, core, limits, hooks)

    # Life

    async def start(self) -> None:
        """Go on where another process has ended, publish, and begin to tick. Raises StoreError."""
        events = {event.id: event for event in await self._store.read(records.read_events)}
        await self.polls.restore(events)
        for poll in [poll for name in events for poll in self.polls.of(name)]:
            self._told[poll.id] = poll.state
        for event in events.values():
            await self._begin(event)
            await self.polls.follow(event)
        self._running = [
            asyncio.ensure_future(self._repeat(self._tick, self._tick_seconds)),
            asyncio.ensure_future(self._repeat(self.attend, self._attend_seconds)),
        ]

    async def stop(self) -> None:
        """Publish no more. Votes that were accepted are on the disk when this returns."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []
        await self.rpc.close()
        await self.polls.release()

    def configure(self, settings: Settings) -> None:
        """Take over what a reload changes."""
        for show in self._shows.values():
            show.parts.chat.limit(settings.chat_lines_per_second)
            show.parts.viewers.smoothing_seconds = settings.viewers_smoothing_seconds

    # What there is

    def show(self, name: str) -> Show:
        """An event as it is published. Raises UnknownEventError."""
        show = self._shows.get(name)
        if show is None:
            raise UnknownEventError(f"there is no event {name!r}")
        return show

    def get(self, name: str) -> Event:
        """An event. Raises UnknownEventError."""
        return self.show(name).event

    def all(self) -> list[Event]:
        """All events, the oldest first."""
        return [show.event for show in self._shows.values()]

    # What hosts do

    async def create(self, draft: Event, host: str) -> Event:
        """A new event. Raises EventError, StoreError."""
        check_event(draft)
        self._core.check(draft.id)
        async with self._turn:
            if len(self._shows) >= EVENTS_MAX:
                raise EventError(f"there are {EVENTS_MAX} events already")
            draft = structs.replace(draft, created_ms=self._clock.unix_ms())
            action = self._action("event_create", host, title=draft.title)
            event = await self._store.run(lambda c: records.insert_event(c, draft, action))
            await self._begin(event)
            await self.polls.follow(event)
        return event

    async def update(self, name: str, host: str, **changes: Any) -> Event:
        """Change title, starts_ms or video. Raises EventError, StoreError."""
        return await self._change(
            name,
            self._action("event_update", host, **changes),
            lambda event: check_event(structs.replace(event, **changes)),
        )

    async def move(self, name: str, phase: Phase, host: str) -> Event:
        """Begin, pause or end an event. Raises EventError, StoreError."""
        before = phase

        def move(event: Event) -> Event:
            nonlocal before
            before = event.phase
            return event.moved(phase)

        event = await self._change(name, self._action("event_phase", host, phase=phase), move)
        self._tell("event.phase", name, {"phase": phase, "before": before})
        return event

    async def switch(self, name: str, feature: str, on: bool, host: str) -> Event:
        """Switch a feature on or off. Raises EventError, StoreError."""
        action = self._action("event_feature", host, feature=feature, on=on)
        return await self._change(name, action, lambda event: event.switched(feature, on))

    async def set_chat(self, name: str, changes: Mapping[str, Any], host: str) -> Event:
        """Change rules of the chat. Raises EventError, StoreError."""
        chat = self.show(name).parts.chat
        before = structs.asdict(chat.rules)
        try:
            rules = structs.asdict(chat.configure(**changes))
        except (ValueError, TypeError) as error:
            raise EventError(str(error)) from None
        try:
            return await self._change(
                name,
                self._action("chat_settings", host, **changes),
                lambda event: structs.replace(event, chat=rules),
            )
        except StoreError:
            chat.configure(**before)
            raise

    async def pin(self, name: str, line: int | None, host: str) -> Event:
        """Keep a line of the chat on top, or none. Raises UnknownLineError, StoreError."""
        pinned = None
        if line is not None:
            said = self.show(name).parts.chat.line(line)
            pinned = Pinned(said.id, said.name, said.text)
        return await self._change(
            name,
            self._action("pin", host, line=line),
            lambda event: structs.replace(event, pinned=pinned),
        )

    async def note(self, name: str, action: str, host: str, **details: object) -> None:
        """Write down what a host does to a part of an event, before it is done. StoreError."""
        self.show(name)
        noted = self._action(action, host, **details)
        await self._store.run(lambda c: records.log_action(c, name, noted))

    async def actions(self, name: str, limit: int) -> list[dict[str, Any]]:
        """What hosts did last to an event, the newest first. Raises EventError, StoreError."""
        self.show(name)
        return await self._store.read(lambda c: records.read_actions(c, name, limit))

    async def delete(self, name: str, host: str) -> None:
        """Forget an event that is not on. Raises EventError, StoreError."""
        async with self._turn:
            event = self.get(name)
            if event.phase in (Phase.LIVE, Phase.PAUSED):
                raise EventError(f"event {name!r} is {event.phase}: end it first")
            action = self._action("event_delete", host, title=event.title)
            await self._store.run(lambda c: records.delete_event(c, event, action))
            await self.polls.drop(event)
            show = self._shows.pop(name)
            for voter in list(show.parts.chat.bans):
                show.parts.chat.pardon(voter)
            # Whoever still looks sees that it is over.
            show.event = structs.replace(event, phase=Phase.ENDED, pinned=None)
            show.refresh()
            self._gone(name)

    # Steps

    async def _begin(self, event: Event) -> None:
        outlets = self._core.outlets(event.id)
        parts = await self._make_parts(event, outlets)
        show = Show(event, self.polls, parts, outlets, clock=self._clock, troubles=self._troubles)
        self._shows[event.id] = show
        show.refresh()
        self._shown(event)

    async def _change(self, name: str, action: Action, change: Callable[[Event], Event]) -> Event:
        async with self._turn:
            show = self.show(name)
            event = change(show.event)
            await self._store.run(lambda c: records.update_event(c, event, action))
            show.event = event
            show.refresh()
            self._shown(event)
            await self.polls.follow(event)
        return event

    def _changed(self, name: str) -> None:
        show = self._shows.get(name)
        if show is None:
            return
        show.refresh()
        for poll in self.polls.shown(show.event):
            self._tell_of(poll)

    def _tell_of(self, poll: Poll) -> None:
        counted = poll.state is not State.CLOSED or poll.result is not None
        if poll.state in TOLD and counted and self._told.get(poll.id) is not poll.state:
            self._told[poll.id] = poll.state
            self._tell(TOLD[poll.state], poll.event, public(poll))

    def _troubles(self) -> Mapping[str, str]:
        return {"store": self._store.trouble, "votes": self._ballots.failing()}

    def _action(self, name: str, host: str, **details: object) -> Action:
        return Action(self._clock.unix_ms(), host, name, details)

    # Ticks

    def tick(self) -> None:
        """Publish what has been counted; done by itself between start() and stop()."""
        native = self._core.reactions()
        for show in list(self._shows.values()):
            show.tick(native)

    async def attend(self) -> None:
        """End what is over, try again what has failed, publish what was held back."""
        for show in list(self._shows.values()):
            show.attend()
        await self.polls.attend()

    async def _tick(self) -> None:
        self.tick()

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Again and again; whatever fails once, it goes on."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("a tick of the events failed, the next one comes")
            await asyncio.sleep(seconds)

"""The events of an edge, with all they need: database, votes, chat, hooks, webhooks, pages.

They need a directory to keep things in, the setting `data`; without one there are none. Open from
start() to stop(), which an upgrade does in the one process before the other. Pages name the address
of the edge, so they are expected until serve_pages(), when it listens; they stay after stop().
"""

import contextlib
import logging
from functools import partial

from ngage.api import Edge
from ngage.centrifugo import Centrifugo
from ngage.identity import Identity, RpcCall
from ngage.interaction.bans import Bans
from ngage.interaction.buckets import Limits
from ngage.interaction.clock import Clock
from ngage.interaction.data import Data, take
from ngage.interaction.events import Events
from ngage.interaction.figures import Figures
from ngage.interaction.hooks import Command, Connection, Hooks
from ngage.interaction.keeping import Scribe
from ngage.interaction.model import Event
from ngage.interaction.native import EdgeCore, NativeBallots
from ngage.interaction.parts import Refusal
from ngage.interaction.rooms import Rooms
from ngage.interaction.store import Store
from ngage.interaction.webhooks import Webhooks
from ngage.interaction.wording import WordFilter
from ngage.pages import (
    expect_event_pages,
    serve_assets,
    serve_event_pages,
    unserve_event_pages,
)
from ngage.settings import Settings

NOT_AVAILABLE = Refusal(108, "not available", temporary=True)
# What webhooks have to be done in when the edge stops.
WEBHOOKS_SECONDS = 2.0

log = logging.getLogger(__name__)


class Venue:
    """One edge's. data: where things are kept, None for no events."""

    def __init__(self, edge: Edge, data: Data | None) -> None:
        settings = edge.settings
        self.events: Events | None = None
        self.clock = Clock(edge.votes.now_ms)
        self.limits = Limits.of(settings, self.clock)
        self.hooks = Hooks.of(settings)
        self._webhooks = Webhooks.of(settings, self.clock)
        self.figures = Figures(self.limits, self.hooks, webhooks=self._webhooks)
        self._edge = edge
        self._data = data
        self._titles: dict[str, str] = {}
        self._public_url = ""  # that pages name; empty before there are any
        self._open = contextlib.AsyncExitStack()
        edge.votes.leave(data is not None)  # until its polls are open

    def protocol(self, secret: bytes, *, version: str) -> Centrifugo:
        """The client protocol of this edge, with the methods of its events and the hooks."""
        return Centrifugo(
            *(self._edge, self._edge.clients, self._edge.settings, secret),
            version=version,
            rpc=self.rpc,
            on_connect=self._on_connect if self.hooks.has("on_connect") else None,
            on_message=self._on_message if self.hooks.has("on_message") else None,
        )

    def configure(self, settings: Settings) -> None:
        """Take over what a reload changes."""
        self.limits.configure(settings)
        self.hooks.configure(settings)
        if self.events:
            self.events.configure(settings)
        if self._edge.public_url != self._public_url:
            self.serve_pages()

    def serve_pages(self) -> None:
        """Put the pages of all events in place, now that the edge's address is known."""
        self._public_url = self._edge.public_url
        for name, title in self._titles.items():
            serve_event_pages(self._edge, name, title)

    def rpc(self, call: RpcCall) -> bytes | Refusal | None:
        """What clients call: see ngage.centrifugo."""
        if self.events is None:
            return NOT_AVAILABLE
        return self.events.rpc(call)

    async def start(self, protocol: Centrifugo) -> None:
        """Go on with the events that are kept.

        Raises StartError if another process has them, StoreError, JournalError, SettingsError.
        """
        if self._data is None:
            return
        try:
            await self._start(protocol, self._data)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Publish no more; what is to be kept is on the disk when this returns."""
        self.events = None
        self._edge.votes.leave(True)
        await self._open.aclose()

    async def close(self) -> None:
        """For good: give webhooks their time."""
        await self.stop()
        if self._webhooks:
            await self._webhooks.close(WEBHOOKS_SECONDS)

    async def _start(self, protocol: Centrifugo, data: Data) -> None:
        settings = self._edge.settings
        words = settings.chat_words_file
        self._open.enter_context(take(data))
        store = await Store.open(data.database)
        self._open.push_async_callback(store.close)
        scribe = Scribe(store)
        self._open.push_async_callback(scribe.close)
        self.figures.scribe = scribe
        ballots = NativeBallots(self._edge)
        core = EdgeCore(self._edge, protocol.reply, self._numbers)
        self._open.enter_context(core)
        tell = self._webhooks.tell if self._webhooks else _tell_nobody
        rooms = Rooms(
            *(store, scribe, Bans(ballots), self.limits),
            settings=lambda: self._edge.settings,
            clock=self.clock,
            figures=self.figures,
            reactions=core.reactions,
            words=WordFilter.read(words) if words else None,
            heard=partial(tell, "chat.message"),
        )
        serve_assets(self._edge)
        events = Events(
            *(store, ballots, data.votes, core),
            make_parts=rooms,
            limits=self.limits,
            tick_ms=settings.event_tick_ms,
            hooks=self.hooks,
            tell=tell,
            shown=self._show,
            gone=self._forget,
            clock=self.clock,
        )
        await events.start()
        self._edge.votes.guard(self.hooks.has("on_vote"))
        self._edge.votes.leave(False)
        self._open.push_async_callback(events.stop)
        self.events = events
        log.info("%d events are kept in %s", len(events.all()), data.database.parent)

    def _on_connect(self, identity: Identity, address: str, data: bytes) -> object:
        about = (identity.user, identity.voter, address, identity.info or b"")
        return self.hooks.connect(Connection(*about))

    def _on_message(self, identity: Identity, channel: str, data: bytes) -> object:
        about = (identity.user, identity.voter, channel, data.decode())
        return self.hooks.message(Command(*about))

    def _numbers(self) -> list[int]:
        return [event.number for event in self.events.all()] if self.events else []

    def _show(self, event: Event) -> None:
        if self._titles.get(event.id) != event.title:
            self._titles[event.id] = event.title
            if self._public_url:
                serve_event_pages(self._edge, event.id, event.title)
            else:
                expect_event_pages(self._edge, event.id)

    def _forget(self, name: str) -> None:
        if self._titles.pop(name, None) is not None:
            unserve_event_pages(self._edge, name)


def _tell_nobody(kind: str, event: str, data: object) -> None:
    """There are no webhooks."""

"""Edge: what a program that embeds ngage holds.

All calls belong to the thread of the event loop. None of them waits for a client: publishing to a
million subscribers costs what publishing to one does.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ngage.bridge import Bridge, Votes, parse_client
from ngage.channel import Channel, encode_data, link_rungs
from ngage.clients import Clients
from ngage.errors import ClientError, CloseCode, NgageError
from ngage.events import Message
from ngage.options import join_address
from ngage.responses import Playlist, encode_playlist, encode_response
from ngage.settings import ChannelOptions, Settings, live_changes

# A drain spreads its closes so that clients do not come back all at once.
CLOSES_PER_SECOND = 1000
# The share of a drain's time to spread closes over; the rest is for closing handshakes.
SPREAD_SHARE = 0.8
DRAIN_POLL_SECONDS = 0.02


class Edge:
    """A broadcast edge inside this process; an async context manager that serves while open.

    Takes a Settings, or its fields as keywords: `Edge(listen="127.0.0.1:0", echo=True)`. Entering
    raises StartError, SettingsError or CapacityError; leaving closes every connection at once, so
    drain() first where clients matter.
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        self.settings = replace(settings or Settings(), **overrides)
        self._bridge: Bridge | None = None
        self._address = ("", 0)
        self._channels: dict[str, Channel] = {}
        self._is_public: Callable[[str], bool] = lambda _name: True

    # Life

    def prepare(self) -> None:
        """Do what entering does but listen and serve: channels, pages, votes can come before that.

        Then enter, or listen() and close() at last.
        """
        self._bridge = Bridge(self.settings)
        self._bridge.prepare()

    def listen(self) -> None:
        """Serve, after prepare(). Raises StartError, SettingsError, ChannelError."""
        for name in self.settings.channels:
            self.channel(name)
        self._address = self._started.start()

    def close(self) -> None:
        """Close every connection at once, and end what prepare() has begun."""
        self._started.stop()
        self._bridge = None
        self._channels.clear()

    async def __aenter__(self) -> Self:
        if self._bridge is None:
            self.prepare()
        try:
            self.listen()
        except NgageError:
            self.close()
            raise
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def drain(
        self, seconds: float, *, code: int = CloseCode.GOING_AWAY, reason: str = ""
    ) -> int:
        """Stop accepting and close every client, spread over at most `seconds`.

        Returns as soon as all are gone, or at the deadline: how many are left.
        """
        engine = self._started.engine
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        spread = min(seconds * SPREAD_SHARE, self.connections / CLOSES_PER_SECOND)
        engine.drain(code, reason, round(spread * 1000))
        while self.connections and clock.time() < deadline:
            await asyncio.sleep(DRAIN_POLL_SECONDS)
        return self.connections

    def reload(self, settings: Settings) -> list[str]:
        """Take over what can change while serving; returns the settings that need a restart.

        Raises SettingsError, ChannelError for what the core refuses; then the old settings stay.
        """
        changed, waiting = live_changes(self.settings, settings)
        for name, options in changed.channels.items():
            if self._open(name, options).options != options:
                waiting.append(f"channels.{name}")
        self._started.set_rules(changed)
        self.settings = changed
        return waiting

    # What it is

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the public listener, the port resolved."""
        return self._address

    @property
    def url(self) -> str:
        """ws://HOST:PORT of the public listener."""
        return f"ws://{join_address(*self._address)}"

    @property
    def public_url(self) -> str:
        """Where people find the public listener: what the settings say, else its address."""
        given = self.settings.public_url.rstrip("/")
        return given or f"http://{join_address(*self._address)}"

    @property
    def connections(self) -> int:
        """Connections open now."""
        return self._started.engine.counters()["connections"]

    def stats(self) -> dict[str, int]:
        """Counters and gauges of the core by name, and messages dropped for slow readers."""
        bridge = self._started
        return {**bridge.engine.counters(), "reader_dropped_messages": bridge.dropped_messages}

    def shard_stats(self) -> list[dict[str, int]]:
        """The same for each shard, with cpu_us, the CPU time of its thread."""
        return self._started.engine.shard_counters()

    # Channels

    def channel(
        self,
        name: str,
        *,
        lag: str | None = None,
        lag_ms: int | None = None,
        history: int | None = None,
        ring_bytes: int | None = None,
        tick_ms: int | None = None,
        deflate: bool | None = None,
        cache: bool | None = None,
        counted: bool | None = None,
    ) -> Channel:
        """The channel `name`, created if it is new.

        lag: what a slow subscriber gets, `latest`, `keyframe`, `ring` or `reliable`. lag_ms: how
        old in milliseconds its next publication may be before that applies; 0 is as old as the log.
        history: publications held, rounded up to a power of two. ring_bytes: bytes held. tick_ms:
        milliseconds between sends, 0 at once. deflate: compress for clients that can inflate.
        cache: who joins gets the newest publication at once. counted: `viewers` tells of it.
        What is not given comes from the settings; a channel that exists stays as it is. Raises
        ChannelError, SettingsError for an option out of range.
        """
        given = {
            "lag": lag,
            "lag_ms": lag_ms,
            "history": history,
            "ring_bytes": ring_bytes,
            "tick_ms": tick_ms,
            "deflate": deflate,
            "cache": cache,
            "counted": counted,
        }
        chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        return self._open(name, replace(self.settings.channel_options(name), **chosen))

    def restore(self, name: str, options: ChannelOptions, epoch: int, first: int) -> Channel:
        """A channel that goes on with the log of another process, where offset `first` is next.

        What that log holds is to be published again, oldest first. Raises ChannelError if the
        channel exists already.
        """
        self._channels[name] = self._make(name, options, epoch, first)
        return self._channels[name]

    def _open(self, name: str, options: ChannelOptions) -> Channel:
        if name not in self._channels:
            self._channels[name] = self._make(name, options)
        return self._channels[name]

    def _make(self, name: str, options: ChannelOptions, epoch: int = 0, first: int = 1) -> Channel:
        hidden = not self._is_public(name)
        return Channel(self._started, name, options, epoch, first, hidden=hidden)

    def restrict(self, is_public: Callable[[str], bool]) -> None:
        """Let the raw protocol, which knows no permissions, find only channels that are public.

        Who is subscribed already stays.
        """
        self._is_public = is_public
        for name, channel in self._channels.items():
            channel.hide(not is_public(name))

    def ladder(self, rungs: Sequence[Channel], *, last_resort: bool = False) -> None:
        """Make `keyframe` channels the rungs of a ladder, the highest first, and their views too.

        Who is late goes on in the rung below from its next sync point on, who has not been late
        for a while in the one above. last_resort: the lowest is only for who misses most of every
        group on the one above. The views of all rungs are of the same order. A ladder may be
        made anew with more rungs at its lower end. Raises ChannelError.
        """
        link_rungs(self._started, rungs, last_resort=last_resort)

    @property
    def channels(self) -> Mapping[str, Channel]:
        """Channels by name."""
        return self._channels

    # Clients

    def messages(self) -> AsyncGenerator[Message, None]:
        """What clients send from now on, one by one; several readers each get everything.

        A reader that falls 65,536 messages behind loses what comes on top, which stats() counts.
        Ends when the edge stops.
        """
        return self._started.messages()

    def send(self, client: str, data: bytes | str) -> bool:
        """One message to one client. False: the core is too busy, try again. Gone is no error."""
        try:
            return self._started.engine.send(_handle(client), *encode_data(data))
        except ValueError as error:
            raise ClientError(str(error)) from None

    def disconnect(
        self, client: str, code: int = CloseCode.FORCE_DISCONNECT, reason: str = ""
    ) -> bool:
        """Close one client, after what is pending for it. False: try again. Gone is no error."""
        try:
            return self._started.engine.close(_handle(client), code, reason)
        except ValueError as error:
            raise ClientError(str(error)) from None

    @property
    def clients(self) -> Clients:
        """Those that speak the client protocol, for who knows what to say to them."""
        return Clients(self._started)

    @property
    def votes(self) -> Votes:
        """What counts the votes of this edge's clients: its polls are opened and closed here."""
        return self._started.votes

    @property
    def votes_port(self) -> int:
        """The port of `votes` that is this thread's."""
        return self._started.plan.shards

    def allow_origins(self, origins: tuple[str, ...]) -> None:
        """Accept clients of these web origins, whatever the settings say. Raises SettingsError."""
        self._started.own_origins = origins
        self._started.set_rules(self.settings)

    def take_tickets(self, secret: bytes) -> None:
        """Take tickets signed with `secret` (16 to 64 bytes) from raw clients; before it serves."""
        self._started.engine.set_ticket_key(secret)

    def reactions(self, event: int) -> list[int]:
        """By kind, what viewers reacted to an event number by native verbs since the start."""
        return self._started.engine.reactions(event)

    # Pages

    def serve(
        self,
        path: str,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer GET and HEAD of `path` on the public listener with `body`, until unserve().

        A path with a query answers that query only, one without answers any. `headers` add to or
        replace the standard ones. Raises ValueError for a bad path or header, OverflowError if too
        many paths are served.
        """
        self._started.engine.http_put(path, *encode_response(body, content_type, headers))

    def serve_playlist(self, path: str, playlist: Playlist) -> None:
        """The same with a media playlist of LL-HLS; who asked for this state of it has waited."""
        self._started.engine.http_playlist(
            path,
            encode_playlist(playlist),
            segment=playlist.segment,
            parts=playlist.parts,
            parts_before=playlist.parts_before,
            parts_ahead=playlist.parts_ahead,
            wait_ms=round(playlist.wait_seconds * 1000),
            ended=playlist.ended,
        )

    def expect(self, path: str, seconds: float) -> None:
        """Let who asks for `path` wait until it is served; after `seconds` (at most 60) with 503.

        What is served already stays. Errors as for serve().
        """
        self._started.engine.http_expect(path, round(seconds * 1000))

    def unserve(self, path: str) -> bool:
        """Forget a path, and tell who waits for it; whether it was served or expected."""
        return self._started.engine.http_remove(path)

    @property
    def _started(self) -> Bridge:
        if self._bridge is None:
            raise NgageError("the edge is not started: use it inside `async with`")
        return self._bridge


def _handle(client: str) -> int:
    try:
        return parse_client(client)
    except ValueError:
        raise ClientError(f"client {client!r}: not a client id") from None

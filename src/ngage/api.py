"""Edge and Channel: what a program that embeds ngage holds.

All calls belong to the thread of the event loop. None of them waits for a client: publishing to a
million subscribers costs what publishing to one does.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ngage.bridge import OPCODE_BINARY, OPCODE_TEXT, Bridge, parse_client
from ngage.errors import (
    ChannelError,
    ClientError,
    CloseCode,
    NgageError,
    PositionError,
    PublicationError,
)
from ngage.events import Held, Log, Message, Position, Publication
from ngage.options import join_address
from ngage.responses import Playlist, encode_playlist, encode_response
from ngage.settings import ChannelOptions, Settings, live_changes

# A drain spreads its closes so that clients do not come back all at once.
CLOSES_PER_SECOND = 1000
# The share of a drain's time to spread closes over; the rest is for closing handshakes.
SPREAD_SHARE = 0.8
DRAIN_POLL_SECONDS = 0.02


class Channel:
    """A named log of publications and those who are subscribed to it; made by Edge.channel()."""

    __slots__ = (
        *("_bridge", "_engine", "_epoch", "_number", "_views"),
        *("last_resort", "name", "options", "owner", "rungs"),
    )

    def __init__(
        self, bridge: Bridge, name: str, options: ChannelOptions, epoch: int = 0, first: int = 1
    ) -> None:
        self.name = name
        self.options = options
        self.owner: object = None  # what publishes to it, if that is known and more than bytes
        self._number = bridge.channel(name, options, epoch, first)
        self._bridge = bridge
        self._engine = bridge.engine
        self._views: dict[str, tuple[int, int]] = {}
        # Of the ladder of which it is the highest.
        self.rungs: tuple[str, ...] = ()
        self.last_resort = False
        self._epoch = self._engine.position(self._number)[0]

    def publish(
        self, data: bytes | str, sync: bool = False, *, group: int = 0, independent: bool = False
    ) -> Position:
        """Send to every subscriber; returns at once with the position of the publication.

        bytes go as a binary message, str as a text message. sync marks a sync point, where
        subscribers of a `keyframe` channel start. On a ladder, sync points of the same group (a
        number of 64 bits) are where a subscriber changes from rung to rung. independent: of use
        also to who is late and waits for a sync point, as sound is. Raises PublicationError if the
        data is larger than the channel's ring_bytes.
        """
        try:
            offset = self._engine.publish(self._number, *_payload(data), sync, group, independent)
        except ValueError as error:
            raise PublicationError(f"channel {self.name!r}: {error}") from None
        except OverflowError:
            raise PublicationError(f"group {group}: 0 to 2**64 - 1") from None
        return Position(self._epoch, offset)

    def view(self, name: str, tick_ms: int) -> None:
        """Let clients subscribe to it under another name too, with another tick.

        A view that is there stays as it is. Raises ChannelError for a name that is taken.
        """
        self._views[name] = (self._bridge.view(self._number, name, tick_ms), tick_ms)

    @property
    def views(self) -> dict[str, int]:
        """Names and ticks of its views."""
        return {name: tick_ms for name, (_, tick_ms) in self._views.items()}

    def preamble(self, data: bytes | str) -> None:
        """What each subscriber gets before anything else (an init segment); empty removes it."""
        try:
            self._engine.preamble(self._number, *_payload(data))
        except ValueError as error:
            raise PublicationError(f"channel {self.name!r}: {error}") from None

    @property
    def subscribers(self) -> int:
        """Connections subscribed now, in all its views and in the rungs below it."""
        return self._engine.subscribers(self._number)

    @property
    def position(self) -> Position:
        """Position of the newest publication; offset 0 before the first."""
        return Position(*self._engine.position(self._number))

    def history(
        self, *, since: Position | int = 0, limit: int = 0, reverse: bool = False
    ) -> list[Publication]:
        """Publications still held after `since`, oldest first; limit 0 is no limit.

        reverse gives the newest first. Raises PositionError if `since` is of another epoch. Costs
        a copy of what it returns.
        """
        if isinstance(since, Position):
            if since.epoch != self._epoch:
                raise PositionError(f"channel {self.name!r}: epoch {since.epoch!r} has ended")
            since = since.offset
        held = self._engine.history(self._number, since=since, limit=limit, reverse=reverse)
        return [Publication(offset, _data(opcode, data)) for offset, opcode, data in held]

    def log(self) -> Log:
        """What restore() of an edge needs to go on with this channel, beside history()."""
        epoch, first, held, preamble = self._engine.log(self._number)
        kinds = [Held(one[0], one[1] == OPCODE_TEXT, *one[2:]) for one in held]
        return Log(epoch, first, kinds, _data(*preamble) if preamble else b"")

    def disconnect(self, code: int = CloseCode.FORCE_DISCONNECT, reason: str = "") -> None:
        """Close every subscriber of this moment, paced."""
        try:
            self._engine.close_channel(self._number, code, reason)
        except ValueError as error:
            raise ClientError(str(error)) from None


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

    # Life

    def prepare(self) -> None:
        """Do what entering does but listen and serve, so that restore() can come before that."""
        self._bridge = Bridge(self.settings)

    async def __aenter__(self) -> Self:
        if self._bridge is None:
            self.prepare()
        try:
            for name in self.settings.channels:
                self.channel(name)
            self._address = self._started.start()
        except NgageError:
            self._bridge = None
            self._channels.clear()
            raise
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._started.stop()
        self._bridge = None
        self._channels.clear()

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
    ) -> Channel:
        """The channel `name`, created if it is new.

        lag: what a slow subscriber gets, `latest`, `keyframe`, `ring` or `reliable`. lag_ms: how
        old in milliseconds its next publication may be before that applies; 0 is as old as the log.
        history: publications held, rounded up to a power of two. ring_bytes: bytes held. tick_ms:
        milliseconds between sends, 0 at once. deflate: compress for clients that can inflate.
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
        }
        chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        return self._open(name, replace(self.settings.channel_options(name), **chosen))

    def restore(self, name: str, options: ChannelOptions, epoch: int, first: int) -> Channel:
        """A channel that goes on with the log of another process, where offset `first` is next.

        What that log holds is to be published again, oldest first. Raises ChannelError if the
        channel exists already.
        """
        self._channels[name] = Channel(self._started, name, options, epoch, first)
        return self._channels[name]

    def _open(self, name: str, options: ChannelOptions) -> Channel:
        if name not in self._channels:
            self._channels[name] = Channel(self._started, name, options)
        return self._channels[name]

    def ladder(self, rungs: Sequence[Channel], *, last_resort: bool = False) -> None:
        """Make `keyframe` channels the rungs of a ladder, the highest first, and their views too.

        Who is late goes on in the rung below from its next sync point on, who has not been late
        for a while in the one above. last_resort: the lowest is only for who misses most of every
        group on the one above. The views of all rungs are of the same order. A ladder may be
        made anew with more rungs at its lower end. Raises ChannelError.
        """
        if len({len(rung._views) for rung in rungs}) > 1:
            raise ChannelError("the rungs of a ladder have as many views each")
        self._started.ladder([rung._number for rung in rungs], last_resort=last_resort)
        for views in zip(*(rung._views.values() for rung in rungs), strict=True):
            self._started.ladder([number for number, _ in views], last_resort=last_resort)
        rungs[0].rungs = tuple(rung.name for rung in rungs)
        rungs[0].last_resort = last_resort

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
            return self._started.engine.send(_handle(client), *_payload(data))
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


def _payload(data: bytes | str) -> tuple[bytes, int]:
    return (data.encode(), OPCODE_TEXT) if isinstance(data, str) else (data, OPCODE_BINARY)


def _data(opcode: int, payload: bytes) -> bytes | str:
    return payload.decode() if opcode == OPCODE_TEXT else payload


def _handle(client: str) -> int:
    try:
        return parse_client(client)
    except ValueError:
        raise ClientError(f"client {client!r}: not a client id") from None

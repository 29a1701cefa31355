"""Channel: a log of publications in the core, as a program that embeds ngage holds it."""

from collections.abc import Mapping, Sequence

from ngage.bridge import OPCODE_BINARY, OPCODE_TEXT, Bridge
from ngage.errors import (
    ChannelError,
    ClientError,
    CloseCode,
    PositionError,
    PublicationError,
)
from ngage.events import Held, Log, Position, Publication
from ngage.pushes import push_fields
from ngage.settings import ChannelOptions


class Channel:
    """A named log of publications and those who are subscribed to it; made by Edge.channel()."""

    __slots__ = (
        *("_bridge", "_engine", "_epoch", "_number", "_pushes", "_views"),
        *("last_resort", "name", "options", "owner", "rungs"),
    )

    def __init__(
        self,
        bridge: Bridge,
        name: str,
        options: ChannelOptions,
        epoch: int = 0,
        first: int = 1,
        *,
        hidden: bool = False,
    ) -> None:
        self.name = name
        self.options = options
        self.owner: object = None  # what publishes to it, if that is known and more than bytes
        self._number = bridge.channel(name, options, epoch, first, hidden=hidden)
        self._bridge = bridge
        self._engine = bridge.engine
        self._views: dict[str, tuple[int, int]] = {}
        self._pushes: int | None = None
        # Of the ladder of which it is the highest.
        self.rungs: tuple[str, ...] = ()
        self.last_resort = False
        self._epoch = self._engine.position(self._number)[0]

    def publish(
        self,
        data: bytes | str,
        sync: bool = False,
        *,
        group: int = 0,
        independent: bool = False,
        info: bytes | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Position:
        """Send to every subscriber; returns at once with the position of the publication.

        bytes go as a binary message, str as a text message. sync marks a sync point, where
        subscribers of a `keyframe` channel start. On a ladder, sync points of the same group (a
        number of 64 bits) are where a subscriber changes from rung to rung. independent: of use
        also to who is late and waits for a sync point, as sound is. info (JSON) and tags go with
        it to clients of the client protocol that are there by then. Raises PublicationError if the
        data is larger than the channel's ring_bytes.
        """
        fields = None if self._pushes is None else push_fields(data, info, tags)
        try:
            offset = self._engine.publish(
                self._number, *encode_data(data), sync, group, independent, fields
            )
        except ValueError as error:
            raise PublicationError(f"channel {self.name!r}: {error}") from None
        except OverflowError:
            raise PublicationError(f"group {group}: 0 to 2**64 - 1") from None
        return Position(self._epoch, offset)

    def hide(self, hidden: bool) -> None:
        """Whether the raw protocol finds it not; who is subscribed stays."""
        self._engine.hide(self._number, hidden)

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
            self._engine.preamble(self._number, *encode_data(data))
        except ValueError as error:
            raise PublicationError(f"channel {self.name!r}: {error}") from None

    def push_log(self) -> int:
        """The log of its publications as pushes of the client protocol, made when first needed.

        Raises ChannelError where no more channels can be had.
        """
        if self._pushes is None:
            held = [push_fields(one.data) for one in self.history()]
            self._pushes = self._bridge.push_log(self._number, held)
        return self._pushes

    @property
    def subscribers(self) -> int:
        """Connections subscribed now, in all its views and in the rungs below it."""
        return self._engine.subscribers(self._number)

    @property
    def viewers(self) -> tuple[int, int]:
        """Connections and unique viewers of a counted channel, monitors left out; O(1).

        A viewer who says who it is counts once, any other once for each connection. The rungs of a
        ladder have theirs together.
        """
        return self._engine.viewers(self._number)

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


def link_rungs(bridge: Bridge, rungs: Sequence[Channel], *, last_resort: bool) -> None:
    """What Edge.ladder() does."""
    if len({len(rung._views) for rung in rungs}) > 1:
        raise ChannelError("the rungs of a ladder have as many views each")
    bridge.ladder([rung._number for rung in rungs], last_resort=last_resort)
    for views in zip(*(rung._views.values() for rung in rungs), strict=True):
        bridge.ladder([number for number, _ in views], last_resort=last_resort)
    rungs[0].rungs = tuple(rung.name for rung in rungs)
    rungs[0].last_resort = last_resort


def encode_data(data: bytes | str) -> tuple[bytes, int]:
    """As the core takes it: bytes and the opcode of the message."""
    return (data.encode(), OPCODE_TEXT) if isinstance(data, str) else (data, OPCODE_BINARY)


def _data(opcode: int, payload: bytes) -> bytes | str:
    return payload.decode() if opcode == OPCODE_TEXT else payload

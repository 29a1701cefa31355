"""Centrifugo's protocol without a core: clients that write down what becomes of them.

world = World(); world.say(1, {"id": 1, "connect": {}}) -> the frames sent to client 1, and its end.
The fake of the core keeps identities and answers `subscribe` as the contract says; identities that
are under way stay so until settle().
"""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ngage.centrifugo import Centrifugo, codec
from ngage.errors import ChannelError, ChannelLimitError, PublicationError
from ngage.events import ClientMessage, Position, Publication
from ngage.settings import Settings

SECRET = bytes(range(32))
NOW = 1_800_000_000.5
EPOCH = "0a1b2c3d"


@dataclass
class Rules:
    """Channel options that matter to the protocol."""

    lag: str = "ring"
    cache: bool = False
    counted: bool = False


@dataclass
class FakeChannel:
    """A channel as a list of publications, of which the oldest are gone."""

    name: str
    options: Rules = field(default_factory=Rules)
    held: list[Publication] = field(default_factory=list)
    last: int = 0
    viewers: tuple[int, int] = (0, 0)
    subscribers: int = 0
    published_by: list[bytes | None] = field(default_factory=list)

    @property
    def position(self) -> Position:
        return Position(EPOCH, self.last)

    def publish(self, data: bytes | str, *, info: bytes | None = None) -> Position:
        if len(data) > 10_000:
            raise PublicationError("too large")
        self.last += 1
        self.held.append(Publication(self.last, data))
        self.published_by.append(info)
        return self.position

    def push_log(self) -> int:
        assert self.options.lag != "keyframe", "video as JSON"
        if self.name == "one:many":
            raise ChannelLimitError("no more channels")
        return 0

    def history(
        self, *, since: int = 0, limit: int = 0, reverse: bool = False
    ) -> list[Publication]:
        found = [held for held in self.held if held.offset > since]
        if reverse:
            found.reverse()
        return found[:limit] if limit else found


class FakeEdge:
    """Channels by name."""

    def __init__(self) -> None:
        self.channels: dict[str, FakeChannel] = {}

    def channel(self, name: str, **rules: Any) -> FakeChannel:
        if "\0" in name:
            raise ChannelError("NUL")
        return self.channels.setdefault(name, FakeChannel(name, Rules(**rules)))


class End(NamedTuple):
    """How a client was disconnected."""

    code: int
    reason: str


class FakeClients:
    """The core: what each client got, in order, and who it is."""

    def __init__(self) -> None:
        self.sent: dict[int, list[bytes | End]] = {}
        self.identities: dict[int, bytes] = {}
        self.under_way: dict[int, bytes] = {}
        self.told: list[tuple[int, int, int, bool]] = []
        self.subscribed: set[tuple[int, str]] = set()
        self.held = False

    def hold(self, held: bool) -> None:
        self.held = held

    def send(self, client: int, data: bytes) -> None:
        self.sent.setdefault(client, []).append(data)

    def identify(
        self, client: int, voter: int, expires: int, about: bytes, *, counted: bool = True
    ) -> None:
        self.told.append((client, voter, expires, counted))
        self.under_way[client] = about

    def subscribe(
        self, client: int, channel: Any, command: int, since: int | None, result: bytes
    ) -> None:
        known = (client, channel.name) in self.subscribed
        self.subscribed.add((client, channel.name))
        if not command:
            return
        if known:
            result = codec.error(105, "already subscribed", False)
            self.send(client, codec.reply(command, result))
            return
        missed = b"" if since is None else codec.publications(channel.history(since=since))
        self.send(client, codec.reply(command, b'"subscribe":{%b}' % codec.joined(result, missed)))

    def unsubscribe(self, client: int, channel: Any) -> None:
        channel.push_log()
        self.subscribed.discard((client, channel.name))

    def disconnect(self, client: int, code: int, reason: str) -> None:
        self.sent.setdefault(client, []).append(End(code, reason))

    def settle(self) -> None:
        """Let identities arrive at the core."""
        self.identities.update(self.under_way)
        self.under_way.clear()


class World:
    """The protocol on these fakes, at a time that stands still."""

    def __init__(self, settings: Settings | None = None, **parts: Any) -> None:
        self.now = NOW
        self.edge = FakeEdge()
        self.clients = FakeClients()
        self.protocol = Centrifugo(
            self.edge,
            self.clients,
            settings or Settings(),
            SECRET,
            version="ngage test",
            clock=lambda: self.now,
            **parts,
        )

    def message(self, client: int, data: bytes) -> ClientMessage:
        """What the bridge hands over for a client that sent `data`."""
        identity = self.clients.identities.get(client, b"")
        return ClientMessage(client, identity, data, "192.0.2.1", 0, 0)

    def send(self, client: int, data: bytes) -> list[bytes | End]:
        """What a client gets back for one WebSocket message."""
        self.protocol.receive([self.message(client, data)])
        return self.taken(client)

    def taken(self, client: int) -> list[bytes | End]:
        """What a client has got since the last call."""
        return self.clients.sent.pop(client, [])

    def say(self, client: int, *commands: object) -> list[bytes | End]:
        """The same for commands in one message."""
        return self.send(client, "\n".join(map(json.dumps, commands)).encode())

    def ask(self, client: int, command: dict[str, object]) -> Any:
        """The reply to one command, decoded; an End if that is what it got."""
        (got,) = self.say(client, command)
        return got if isinstance(got, End) else json.loads(got)

    def connected(self, client: int = 1, **request: object) -> dict[str, Any]:
        """Connect a client: the member `connect` of its reply."""
        result: dict[str, Any] = self.ask(client, {"id": 1, "connect": request})["connect"]
        return result

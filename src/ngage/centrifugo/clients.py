"""What the protocol needs of an edge: its clients and channels (ngage.clients, ngage.api)."""

from collections.abc import Callable, Mapping
from typing import Protocol

from ngage.events import Position, Publication
from ngage.identity import Identity, RpcCall


class ChannelRules(Protocol):
    """Of a channel's options, those that matter here."""

    @property
    def lag(self) -> str: ...
    @property
    def cache(self) -> bool: ...
    @property
    def counted(self) -> bool: ...


class Channel(Protocol):
    """A channel as ngage.api has it."""

    @property
    def name(self) -> str: ...
    @property
    def options(self) -> ChannelRules: ...
    @property
    def position(self) -> Position: ...
    @property
    def subscribers(self) -> int: ...
    @property
    def viewers(self) -> tuple[int, int]:
        """Connections, and voters among them, of a counted channel."""

    def history(
        self, *, since: int = 0, limit: int = 0, reverse: bool = False
    ) -> list[Publication]: ...
    def publish(self, data: str, *, info: bytes | None = None) -> Position: ...
    def push_log(self) -> int: ...


class Channels(Protocol):
    """An edge, of which only channels are asked."""

    @property
    def channels(self) -> Mapping[str, Channel]: ...
    def channel(self, name: str) -> Channel: ...


class Clients(Protocol):
    """Connections of the JSON protocol, by handle. Nothing fails or blocks; gone is no error.

    What is called for one client takes effect in that order.
    """

    def hold(self, held: bool) -> None:
        """Hand over no more messages for now, or go on."""

    def send(self, client: int, data: bytes) -> None:
        """One text message."""

    def identify(
        self, client: int, voter: int, expires: int, about: bytes, *, counted: bool = True
    ) -> None:
        """Keep who it is; with 3005 it ends 25 s after `expires`, in Unix seconds, 0 for never."""

    def subscribe(
        self, client: int, channel: Channel, command: int, since: int | None, result: bytes
    ) -> None:
        """Subscribe it, live from now or with what came after `since`, and reply to the command.

        result has the members of the reply's `subscribe`, to which the core adds `publications`.
        Command 0 gets no reply.
        """

    def unsubscribe(self, client: int, channel: Channel) -> None:
        """End a subscription, if there is one; nothing is told to the client."""

    def disconnect(self, client: int, code: int, reason: str) -> None:
        """Close it, after what is pending for it."""


# What the application answers, at once or by a coroutine, is a refusal (asking.py) or as follows.

# rpc: data of the reply, or None if the command is answered elsewhere. data is JSON, b"" for none.
Rpc = Callable[[RpcCall], object]
# on_connect: (identity, address, data) -> anything else lets it in.
OnConnect = Callable[[Identity, str, bytes], object]
# on_message: (identity, channel, data) of a publication, or ("" for the channel) of a `send` ->
# text to publish in place of data, or anything else.
OnMessage = Callable[[Identity, str, bytes], object]

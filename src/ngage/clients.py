"""What the control plane says to clients of the client protocol (Centrifugo's).

Each call is an order to the shard that has the client, in the order of the calls; none of them
waits, and a client that has gone is no error. What a client may do is decided elsewhere
(ngage.centrifugo): here it is done.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from ngage.bridge import OPCODE_TEXT, Bridge
from ngage.events import ClientMessage, Position


class Subscribable(Protocol):
    """A channel, as far as it matters here (ngage.api.Channel)."""

    @property
    def position(self) -> Position:
        """Of the newest publication."""

    def push_log(self) -> int:
        """The core's number of its log of pushes."""


class Clients:
    """Of one edge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._engine = bridge.engine

    def listen(self, listener: Callable[[list[ClientMessage]], None]) -> None:
        """Serve the protocol at /connection/websocket; `listener` gets what clients send."""
        self._bridge.speak(listener)

    def hold(self, held: bool) -> None:
        """Hand no more messages to the listener for now (one batch may still come), or go on."""
        self._bridge.hold(held)

    def send(self, client: int, data: bytes) -> None:
        """One text message: a reply, or several with a line break between them."""
        self._bridge.order(partial(self._engine.send, client, data, OPCODE_TEXT))

    def identify(
        self, client: int, voter: int, expires: int, about: bytes, *, counted: bool = True
    ) -> None:
        """Who it is, from its next message on; `about` comes back with each.

        voter: 64 bits, not 0, by which it votes and is counted, unless it is not `counted` (then
        it does neither). expires: Unix seconds, 0 for never; 25 s later the core closes it (3005).
        """
        number = voter if counted else 0
        self._bridge.order(partial(self._engine.identify, client, number, expires, about))

    def subscribe(
        self, client: int, channel: Subscribable, command: int, since: int | None, result: bytes
    ) -> None:
        """Subscribe it and answer its command {"id": command, "subscribe": {RESULT}}.

        since: the offset after which publications are missing; those the log holds are added to
        the answer, and there must be all of them, recovered_max at most. None: it begins live. The
        core answers with error 105 or 106 if it is subscribed already, or to too many.
        """
        first = (channel.position.offset if since is None else since) + 1
        order = partial(self._engine.subscribe, client, channel.push_log(), command, first, result)
        self._bridge.order(partial(order, since is not None))

    def unsubscribe(self, client: int, channel: Subscribable) -> None:
        """Nothing is answered."""
        self._bridge.order(partial(self._engine.unsubscribe, client, channel.push_log()))

    def disconnect(self, client: int, code: int, reason: str) -> None:
        """After what was said to it before."""
        self._bridge.order(partial(self._engine.close, client, code, reason))

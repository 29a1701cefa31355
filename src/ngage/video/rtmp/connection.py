"""A socket and its session: deadlines, backpressure, and a farewell that arrives.

A socket that is closed with unread input is reset, and the reason sent before it is lost. So after
the last words only the sending side is closed; what still comes is read and dropped until the peer
closes too, or `linger_seconds` have passed.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol, cast

from ngage.video.rtmp.publisher import Publisher
from ngage.video.rtmp.session import End, Session


@dataclass(frozen=True, slots=True)
class Timing:
    """Silence is counted while the socket is read, not while a slow consumer holds it up."""

    publish_seconds: float = 10.0
    """From the connection to the begin of the publication."""
    dead_seconds: float = 5.0
    """Of silence, after which another publisher of the same stream takes over."""
    idle_seconds: float = 20.0
    """Of silence, after which a publication ends."""
    linger_seconds: float = 2.0
    """For a peer to hear why it is closed, and to close."""


class Owner(Protocol):
    """The server, as its connections know it."""

    timing: Timing

    def opened(self, connection: "Connection") -> bool:
        """False where there are too many."""

    def has_app(self, app: str) -> bool: ...

    def publish(self, connection: "Connection", app: str, key: str) -> Publisher:
        """Raises Refused."""

    def ended(self, connection: "Connection", end: End) -> None:
        """Once for each that was opened: its stream is free."""

    def closed(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner) -> None:
        self.publisher: Publisher | None = None
        self.peer = ""
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._session = Session(self)
        self._holds: set[str] = set()
        self._over = False
        self._heard = 0.0

    @property
    def dead(self) -> bool:
        """Whether another may take over."""
        return self._silent_seconds() >= self._owner.timing.dead_seconds

    @property
    def refused(self) -> bool:
        """Whether this side ended it, or the peer in order: not where the socket broke."""
        return self._session.ended is not None

    def fail(self, reason: str) -> None:
        """Tell the peer and close; nothing where it is over already."""
        self._session.fail(reason)
        self._respond()

    def abort(self) -> None:
        self._transport.abort()

    # The session asks

    def has_app(self, app: str) -> bool:
        return self._owner.has_app(app)

    def publish(self, app: str, key: str) -> None:
        self.publisher = self._owner.publish(self, app, key)
        self._arm(self._owner.timing.idle_seconds)

    # The transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = transport.get_extra_info("peername") or ("",)
        self.peer = ":".join(map(str, address[:2]))
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(self._owner.timing.publish_seconds, self._check)
        if not self._owner.opened(self):
            self._over = True
            self.abort()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._over:
            return
        units = self._session.receive(data)
        if units and self.publisher is not None:
            self.publisher.put(units, _unix_us())
        self._respond()

    def pause_writing(self) -> None:
        self.hold("answers")

    def resume_writing(self) -> None:
        self.release("answers")

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._finish(End("the connection was lost" if error else "the peer has gone", False))
        self._owner.closed(self)

    # Backpressure: the socket is read while nothing holds it

    def hold(self, why: str) -> None:
        if not self._holds and not self._over and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holds.add(why)

    def release(self, why: str) -> None:
        self._holds.discard(why)
        if not self._holds and not self._over and not self._transport.is_closing():
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def _silent_seconds(self) -> float:
        """A peer that does not read our answers is silent as well."""
        return 0.0 if "units" in self._holds else self._loop.time() - self._heard

    # Ends

    def _respond(self) -> None:
        out = self._session.take_output()
        if out and not self._transport.is_closing():
            self._transport.write(out)
        if self._session.ended is not None:
            self._finish(self._session.ended, farewell=bool(out))

    def _finish(self, end: End, *, farewell: bool = False) -> None:
        if self._over:
            return
        self._over = True
        if self.publisher is not None:
            self.publisher.end(end.reason, _unix_us())
        self._owner.ended(self, end)
        if self._transport.is_closing():
            return
        self._arm(self._owner.timing.linger_seconds)
        if not farewell:
            self._transport.close()
            return
        if self._holds:
            self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # the peer has gone, and nobody has told us yet
            self.abort()

    def _arm(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._check)

    def _check(self) -> None:
        timing = self._owner.timing
        if self._over:
            self.abort()
        elif self.publisher is None:
            self.fail(f"nothing is published after {timing.publish_seconds:g} s")
        elif (left := timing.idle_seconds - self._silent_seconds()) > 0:
            self._arm(left)
        else:
            self.fail(f"silent for {timing.idle_seconds:g} s")


def _unix_us() -> int:
    return time.time_ns() // 1000

"""A TCP proxy in front of a server, with the faults a network has.

Each connection is two Sides, one towards the fan and one towards the server. What a side reads goes
through the other's queue, which is empty and passed by while there is no fault; so bytes, their
order and half-closes arrive as they were sent. A side is not read while its bytes cannot go on,
therefore memory is bounded: QUEUE_BYTES_MAX and what one read and the transport hold, for each.
"""

import asyncio
import socket
import struct
from collections import deque
from typing import NamedTuple, Self, cast

# At a delay d, one connection carries at most this much in d seconds.
QUEUE_BYTES_MAX = 128 << 10
SLICES_PER_SECOND = 20  # a throttled side sends so often
BACKLOG = 4096
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close sends RST (socket(7))


class Conditions(NamedTuple):
    """Faults of a network, all off.

    delay: seconds, each way. bytes_per_second: of each connection, each way; 0: no limit. stall:
    nothing is read, connections stay. blackhole: bytes are accepted and forgotten; when it ends, a
    connection that lost some is reset, for its stream is broken. refuse: new connections are reset.
    """

    delay: float = 0.0
    bytes_per_second: float = 0.0
    stall: bool = False
    blackhole: bool = False
    refuse: bool = False

    @property
    def parted(self) -> bool:
        """Nothing comes through."""
        return self.stall or self.blackhole


CLEAN = Conditions()


class Proxy:
    """Listens on a free port of 127.0.0.1 while the context is open; passes on to host:port."""

    address: tuple[str, int]

    def __init__(self, host: str, port: int) -> None:
        self.conditions = CLEAN
        self.upstream = (host, port)
        self.links: set[Link] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Link(self).fan, "127.0.0.1", 0, backlog=BACKLOG
        )
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        while self.links:
            await asyncio.sleep(0)
        await self._server.wait_closed()

    def apply(self, conditions: Conditions) -> None:
        """From now on these faults and no others."""
        reappearing = self.conditions.blackhole and not conditions.blackhole
        self.conditions = conditions
        for link in list(self.links):
            if reappearing and link.incomplete:
                link.abort()
            else:
                link.update()

    def reset(self) -> None:
        """RST on both sides of every connection, now."""
        for link in list(self.links):
            link.abort()


class Link:
    """One connection through a proxy. incomplete: bytes or an end were forgotten."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.fan, self.server = Side(self), Side(self)
        self.fan.other, self.server.other = self.server, self.fan
        self.incomplete = False
        self.ending = False
        self._connecting: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The fan has connected."""
        self.proxy.links.add(self)
        if self.proxy.conditions.refuse:
            self.abort()
        self.update()

    def update(self) -> None:
        """Do what the conditions allow now."""
        if self.ending:
            return
        if self._connecting is None and not self.proxy.conditions.parted:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(lambda _: self.forget())
        self.fan.flush()
        self.server.flush()

    def close(self) -> None:
        """Both directions have ended."""
        self.ending = True
        self.fan.close()
        self.server.close()

    def abort(self) -> None:
        """RST on both sides; a connect that is under way ends first.

        uvloop would say nothing of a connection that is lost while its connect is cancelled.
        """
        self.ending = True
        self.fan.reset()
        self.server.reset()
        self.forget()

    def forget(self) -> None:
        """Leave the proxy once nothing is left of this link."""
        connecting = self._connecting and not self._connecting.done()
        if not (self.fan.connected or self.server.connected or connecting):
            self.proxy.links.discard(self)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, *self.proxy.upstream)
        except OSError:
            self.abort()


class Side(asyncio.Protocol):
    """One socket of a link, and the queue of what is to be written to it: (when due, bytes).

    None in the place of bytes is the end of the stream.
    """

    other: "Side"

    def __init__(self, link: Link) -> None:
        self.connected = False
        self._link = link
        self._transport: asyncio.Transport
        self._queue: deque[tuple[float, memoryview | None]] = deque()
        self.queued_bytes = 0
        self._free_at = 0.0  # when a throttled side may send again
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True
        self._reading = True
        self._at_end = False  # it has sent everything
        self._ended = False  # nothing more is written to it

    # As a protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Towards the fan this begins the link, towards the server it completes it."""
        # uvloop's are no subclass of it
        self._transport = cast(asyncio.Transport, transport)
        self.connected = True
        if self._link.ending:
            self.reset()
        elif self is self._link.fan:
            self._link.begin()
        else:
            self._link.update()

    def data_received(self, data: bytes) -> None:
        """On to the other side."""
        self.other.push(memoryview(data))

    def eof_received(self) -> bool:
        """A half-close, which is passed on; this side is still written to."""
        self._at_end = True
        self.other.push(None)
        return True

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._writable = False
        self.other.adapt()

    def resume_writing(self) -> None:
        """There is room again."""
        self._writable = True
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side learns it, unless nothing comes through."""
        self.connected = False
        if self._link.proxy.conditions.blackhole and not self._link.ending:
            self._link.incomplete = True
        elif not self._link.ending:
            self._link.abort()
        self._link.forget()

    # As one end of a link

    def push(self, data: memoryview | None) -> None:
        """Queue for this side; flushed at once where there is no fault."""
        conditions = self._link.proxy.conditions
        if conditions.blackhole:
            self._link.incomplete = True
            return
        due = asyncio.get_running_loop().time() + conditions.delay if conditions.delay else 0.0
        self._queue.append((due, data))
        self.queued_bytes += len(data or b"")
        self.flush()

    def flush(self) -> None:
        """Write what is due, come back for the rest, and let the other side read accordingly."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        conditions = self._link.proxy.conditions
        if self.connected and not conditions.parted:
            self._write_due(conditions.bytes_per_second)
        self.other.adapt()
        if self._ended and self.other._ended and not self._link.ending:
            self._link.close()

    def adapt(self) -> None:
        """Read from this side exactly while its bytes can go on, or are to be forgotten."""
        conditions = self._link.proxy.conditions
        room = self.other._writable and self.other.queued_bytes < QUEUE_BYTES_MAX
        wanted = not conditions.stall and (conditions.blackhole or room)
        # After its end a transport must not be resumed: asyncio would report the end again.
        if not self.connected or self._link.ending or self._at_end or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """After what is written has been sent."""
        if self.connected:
            self._transport.close()

    def reset(self) -> None:
        """RST; what is queued is dropped."""
        if self._timer:
            self._timer.cancel()
        self._queue.clear()
        if self.connected:
            peer = self._transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def _write_due(self, bytes_per_second: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue and self._writable:
            due, data = self._queue[0]
            if bytes_per_second:
                due = max(due, self._free_at)
            if due > now:
                self._timer = loop.call_at(due, self.flush)
                return
            self._queue.popleft()
            if data is None:
                self._ended = True
                self._transport.write_eof()
                continue
            if bytes_per_second:
                slice_bytes = max(1, int(bytes_per_second / SLICES_PER_SECOND))
                if len(data) > slice_bytes:
                    self._queue.appendleft((due, data[slice_bytes:]))
                    data = data[:slice_bytes]
                self._free_at = now + len(data) / bytes_per_second
            self.queued_bytes -= len(data)
            self._transport.write(data)

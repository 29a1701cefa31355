"""Keeps one edge supplied, over a WebSocket that comes back by itself.

Nothing queues here: what an edge that is away or too slow does not take is dropped up to the next
sync point, for a picture that arrives late is of no use to anybody.
"""

import asyncio
import logging
import random
import time
from collections import deque
from urllib.parse import quote

import picows

from ngage.errors import StudioError
from ngage.video.channel import STUDIO_PATH
from ngage.video.entry import Entry
from ngage.video.stages import Stages

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 5.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.25, 5.0
# Two seconds of 8 Mbit/s.
WAITING_BYTES_MAX = 2 << 20
HELD = "held"  # the stage from a message to the kernel
# Statuses that another attempt does not change.
FINAL_STATUSES = frozenset((400, 401, 403, 404))

log = logging.getLogger(__name__)


class Link:
    """One edge, `ws://HOST:PORT`. send() never waits; run() keeps the connection."""

    def __init__(self, edge: str, channel: str, key: str) -> None:
        self.edge = edge
        self._url = f"{edge}{STUDIO_PATH}{quote(channel, safe=':')}"
        self._headers = {"X-API-Key": key} if key else {}
        self._connection: _Connection | None = None
        self._init = b""
        self._owes_init = False
        self._waits_for_sync = True
        self.sent_bytes = self.sent = self.dropped = 0

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def send(self, data: bytes, entry: Entry) -> None:
        """One message of the stream, in order; lost if the edge cannot take it now."""
        if entry is Entry.INIT:
            self._init = data
            self._owes_init = self._waits_for_sync = True
        connection = self._connection
        if connection is None:
            self.dropped += entry is not Entry.INIT
            return
        if connection.waiting_bytes > WAITING_BYTES_MAX:
            self._waits_for_sync = True
            self.dropped += 1
            return
        if entry is Entry.SYNC:
            self._waits_for_sync = False
        if self._waits_for_sync and entry is Entry.WITHIN:
            self.dropped += 1
            return
        if self._owes_init and entry is not Entry.INIT:
            connection.write(self._init)
        self._owes_init = False
        connection.write(data)
        self.sent += 1
        self.sent_bytes += len(data)

    def tell(self, data: bytes) -> None:
        """A message beside the stream, for an edge that has the stream; of use only now."""
        connection = self._connection
        if connection and self._init and connection.waiting_bytes <= WAITING_BYTES_MAX:
            connection.write(data)

    def held(self) -> list[float]:
        """Seconds that messages have waited here for the kernel, since the last time."""
        return self._connection.held() if self._connection else []

    async def run(self) -> None:
        """Connect, and again whenever the edge goes. Raises StudioError if it refuses for good."""
        wait = RETRY_SECONDS_MIN
        while True:
            try:
                connection = await self._connect()
            except OSError as error:
                log.warning("%s: cannot connect: %s", self.edge, error.strerror or error)
            else:
                wait = RETRY_SECONDS_MIN
                log.info("%s: connected", self.edge)
                self._begin(connection)
                try:
                    await connection.gone.wait()
                finally:
                    self._connection = None
                    connection.end()
                log.warning("%s: %s", self.edge, connection.farewell or "the connection is lost")
            await asyncio.sleep(random.uniform(RETRY_SECONDS_MIN, wait))
            wait = min(wait * 2, RETRY_SECONDS_MAX)

    def _begin(self, connection: "_Connection") -> None:
        """The stream from its next sync point on."""
        self._connection = connection
        self._waits_for_sync = True
        self._owes_init = False
        if self._init:
            connection.write(self._init)

    async def _connect(self) -> "_Connection":
        """Raises OSError if another attempt may help."""
        try:
            _, connection = await picows.ws_connect(
                *(_Connection, self._url),
                extra_headers=self._headers,
                websocket_handshake_timeout=CONNECT_SECONDS,
                enable_auto_ping=True,
                auto_ping_idle_timeout=IDLE_SECONDS,
                auto_ping_reply_timeout=IDLE_SECONDS,
            )
        except picows.WSInvalidStatusError as error:
            status = error.response.status if error.response else 0
            text = (error.raw_body or b"").decode(errors="replace").strip() or str(error)
            if status in FINAL_STATUSES:
                raise StudioError(f"{self.edge} refuses: {text}") from None
            raise ConnectionRefusedError(text) from None
        except picows.WSError as error:
            raise ConnectionError(str(error)) from None
        assert isinstance(connection, _Connection)
        return connection


class _Connection(picows.WSListener):
    """What is written, and why it ended."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.farewell = ""
        self._transport: picows.WSTransport | None = None
        self._written = 0
        # Where each message that may still wait ends, and when it was written; bounded, as what
        # waits is.
        self._unsent: deque[tuple[int, float]] = deque()
        self._stages = Stages()

    @property
    def waiting_bytes(self) -> int:
        """Written, and not yet taken by the kernel."""
        assert self._transport
        return self._transport.underlying_transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        assert self._transport
        self._transport.send(picows.WSMsgType.BINARY, data)
        self._written += len(data)
        self._unsent.append((self._written, time.monotonic()))
        self._see()

    def held(self) -> list[float]:
        self._see()
        return self._stages.take().get(HELD, [])

    def _see(self) -> None:
        """What the kernel has taken by now."""
        taken = self._written - self.waiting_bytes
        while self._unsent and self._unsent[0][0] <= taken:
            self._stages.add(HELD, time.monotonic() - self._unsent.popleft()[1])

    def end(self) -> None:
        assert self._transport
        self._transport.disconnect()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.CLOSE:
            self.farewell = frame.get_close_reason() or f"closed with {frame.get_close_code()}"
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.gone.set()

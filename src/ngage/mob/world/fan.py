"""A fan as a Python object, for what tables cannot say: subclass Fan and write run().

    class Shopper(ngage.mob.Fan):
        async def run(self):
            await self.connect()
            async for message in self.messages():
                if self.random.random() < 0.01:
                    await self.send(b"I want that")

Every message is checked for order on the way. An exception that leaves run() is a finding.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import picows

from ngage.errors import FanError
from ngage.mob.world.order import Finding, Order

CONNECT_SECONDS = 10.0
MESSAGES_HELD = 256  # more are left in the kernel, so that a slow fan is slow for the server too
GAP = re.compile(rb"gap (\d+)-(\d+)")
NO_CODE = 1005  # a close frame without one (RFC 6455 section 7.1.5)
BACKOFF_SECONDS = (0.1, 2.0)


class Fan:
    """Fan `number` of a sample; url is ws://HOST:PORT/PATH of its target.

    random is the fan's own, equal for equal seeds. position is EPOCH:OFFSET of the newest message
    that was taken, "" before the first connection or where the server tells none. recovered says
    what the server answered to a resume, close_code with which code it closed.
    """

    def __init__(self, number: int, seed: int, url: str, *, skips: bool = False) -> None:
        self.number = number
        self.seed = seed
        self.url = url
        self.random = random.Random(f"{seed}:{number}")
        self.recovered: bool | None = None
        self.close_code: int | None = None
        self.findings: list[tuple[float, Finding]] = []  # with time.monotonic()
        self._order = Order(skips)
        self._epoch = ""
        self._offset = 0
        self._connection: _Connection | None = None

    @property
    def position(self) -> str:
        return f"{self._epoch}:{self._offset}" if self._epoch else ""

    async def run(self) -> None:
        """What the fan does, until it is cancelled: here, watch, and come back where it was."""
        while True:
            try:
                await self.connect(since=self.position)
                async for _ in self.messages():
                    pass
            except FanError:
                # The server may be down for a while; others wait for it too.
                pass
            await asyncio.sleep(self.random.uniform(*BACKOFF_SECONDS))

    async def connect(self, path: str = "", since: str = "") -> None:
        """Connect, to another path of the target if one is given, and resume after `since`.

        Raises FanError with the status or the cause if that fails. Closes an older connection.
        """
        await self.disconnect()
        host = urlsplit(self.url).netloc
        url = f"ws://{host}{path}" if path else self.url
        if since:
            url += f"{'&' if '?' in url else '?'}since={quote(since)}"
        connection = _Connection()
        try:
            transport, _ = await picows.ws_connect(
                lambda: connection,
                url,
                websocket_handshake_timeout=CONNECT_SECONDS,
                enable_auto_pong=False,  # pings may be gap notes
            )
        except picows.WSError as error:
            raise FanError(f"fan {self.number}: {url} refused: {error}") from error
        except OSError as error:
            raise FanError(f"fan {self.number}: cannot connect to {url}: {error}") from error
        except asyncio.CancelledError:
            connection.abandon()
            raise
        if transport.response is None:  # picows lets a connection pass that ended meanwhile
            raise FanError(f"fan {self.number}: {url} ended the connection before it answered")
        self._connection = connection
        self.close_code = None
        headers = transport.response.headers
        recovered = headers.get("Ngage-Recovered")
        self.recovered = recovered == "true" if recovered else None
        if not self.recovered:
            self._order.begin()
        self._epoch, _, offset = headers.get("Ngage-Position", "").partition(":")
        self._offset = int(offset or 0)

    async def messages(self) -> AsyncIterator[bytes | str]:
        """Messages as they come, bytes or text; ends with the connection."""
        connection = self._connected()
        while (event := await connection.next()) is not None:
            if isinstance(event, _Gap):
                self._order.announce(event.last - event.first + 1)
                self._offset = event.last
                continue
            self._offset += 1
            if finding := self._order.see(event):
                self.findings.append((time.monotonic(), finding))
            yield event
        self.close_code = connection.close_code

    async def send(self, data: bytes | str) -> None:
        """One message, text for str. Waits while the server does not read. Raises FanError."""
        connection = self._connected()
        if isinstance(data, str):
            connection.transport.send(picows.WSMsgType.TEXT, data.encode())
        else:
            connection.transport.send(picows.WSMsgType.BINARY, data)
        await connection.writable.wait()

    async def close(self, code: int = 1000) -> None:
        """Close in order: a close frame, and what the server answers ends messages()."""
        self._connected().send_close(code.to_bytes(2, "big"))

    async def disconnect(self) -> None:
        """End the connection at once, if there is one."""
        if self._connection is not None:
            self._connection.transport.disconnect(graceful=False)
            await self._connection.gone.wait()
            self._connection = None

    def _connected(self) -> "_Connection":
        if self._connection is None:
            raise FanError(f"fan {self.number} is not connected: await self.connect() first")
        return self._connection


class _Gap:
    """The server says that these offsets are missing."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last


class _Connection(picows.WSListener):
    """Frames to messages, pings answered, and no more held than MESSAGES_HELD."""

    def __init__(self) -> None:
        self.transport: picows.WSTransport
        self.close_code: int | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = asyncio.Event()
        self._events: asyncio.Queue[bytes | str | _Gap | None] = asyncio.Queue()
        self._pieces: list[bytes] = []
        self._text = False
        self._paused = False
        self._closing = False
        self._open = False
        self._abandoned = False

    async def next(self) -> bytes | str | _Gap | None:
        """What came next; None at the end, again and again."""
        if self.gone.is_set() and self._events.empty():
            return None
        event = await self._events.get()
        if self._paused and self._events.empty() and not self.gone.is_set():
            self._paused = False
            self.transport.underlying_transport.resume_reading()
        return event

    def send_close(self, code: bytes) -> None:
        """Once: an answer to an answer would break RFC 6455 section 5.5.1."""
        if not self._closing:
            self._closing = True
            self.transport.send(picows.WSMsgType.CLOSE, code)

    def abandon(self) -> None:
        """Nobody waits for it any more; picows may complete the handshake all the same."""
        self._abandoned = True
        if self._open:
            self.transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Frames may follow at once."""
        self.transport = transport
        self._open = True
        if self._abandoned:
            transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Messages may be cut into frames (RFC 6455 section 5.4)."""
        kind = frame.msg_type
        if kind is picows.WSMsgType.PING:
            payload = frame.get_payload_as_bytes()
            transport.send_pong(payload)
            if gap := GAP.fullmatch(payload):
                self._events.put_nowait(_Gap(int(gap[1]), int(gap[2])))
        elif kind is picows.WSMsgType.CLOSE:
            code = frame.get_payload_as_bytes()[:2]
            self.close_code = int.from_bytes(code, "big") or NO_CODE
            self.send_close(code)
            transport.disconnect()
        elif kind is not picows.WSMsgType.PONG:
            if kind is not picows.WSMsgType.CONTINUATION:
                self._text = kind is picows.WSMsgType.TEXT
            self._pieces.append(frame.get_payload_as_bytes())
            if frame.fin:
                data = b"".join(self._pieces)
                self._pieces.clear()
                self._events.put_nowait(data.decode() if self._text else data)
        if not self._paused and self._events.qsize() > MESSAGES_HELD:
            self._paused = True
            transport.underlying_transport.pause_reading()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """Whoever waits goes on."""
        self.gone.set()
        self.writable.set()
        self._events.put_nowait(None)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self.writable.set()

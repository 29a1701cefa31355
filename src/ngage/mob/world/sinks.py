"""Where publications go: the server API of an edge, or a WebSocket of a server that sends them on.

A sink belongs to one thread, which may block in it; interrupt() may be called from another.
"""

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote, urlsplit

import msgspec
import picows

from ngage.errors import PublisherError
from ngage.events import Position

CONNECT_SECONDS = 5.0
# An edge that is stopped for a while answers later, and must not be asked twice meanwhile.
ANSWER_SECONDS = 60.0
BYTES, TEXT = "application/octet-stream", "text/plain; charset=utf-8"


class Answer(msgspec.Struct):
    result: Position


class RefusedError(Exception):
    """The answer was a refusal: nothing was published."""


class Sink(Protocol):
    def publish(self, channel: int, data: bytes) -> Position | None:
        """The position of the publication, None where there are none.

        Raises RefusedError, or OSError if it is not known whether it was published.
        """

    def gather(self, on: bool) -> None:
        """Whether publications may be held back, to go out together when it is off again."""

    def position(self, channel: int) -> Position | None:
        """The newest position; None if there is no such channel, or there are no positions."""

    def interrupt(self) -> None:
        """Let what blocks, and all that follows, fail with OSError."""

    def close(self) -> None: ...


def open_sink(url: str, channels: Sequence[str], api_key: str, text: bool = False) -> Sink:
    """Raises PublisherError for a URL that cannot be published to."""
    scheme = urlsplit(url).scheme
    if scheme == "http":
        return EdgeSink(url, channels, api_key, text)
    if scheme == "ws" and len(channels) == 1:
        return WebSocketSink(url)
    if scheme == "ws":
        raise PublisherError(f"{url}: a WebSocket carries one channel, the targets have more")
    raise PublisherError(f"{url}: it must begin with http:// (an edge's admin) or ws://")


class EdgeSink:
    """POST /api/publish_raw of an edge, on one kept connection."""

    def __init__(self, url: str, channels: Sequence[str], api_key: str, text: bool = False) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=CONNECT_SECONDS
        )
        self._path = parts.path.rstrip("/")
        self._channels = channels
        self._headers = {"Content-Type": TEXT if text else BYTES}
        if api_key:
            self._headers["X-API-Key"] = api_key
        self._interrupted = False

    def publish(self, channel: int, data: bytes) -> Position:
        """Raises RefusedError or OSError."""
        name = quote(self._channels[channel], safe="")
        status, body = self._post(f"publish_raw?channel={name}", data)
        return _position(status, body)

    def gather(self, on: bool) -> None:
        """Each publication is a request of its own."""

    def position(self, channel: int) -> Position | None:
        """Raises RefusedError or OSError."""
        call = json.dumps({"channel": self._channels[channel], "limit": 0}).encode()
        status, body = self._post("history", call)
        return None if status == http.HTTPStatus.NOT_FOUND else _position(status, body)

    def interrupt(self) -> None:
        """From another thread."""
        self._interrupted = True
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    def _connect(self) -> None:
        self._connection.connect()
        self._connection.sock.settimeout(ANSWER_SECONDS)

    def _post(self, method: str, body: bytes) -> tuple[int, bytes]:
        try:
            if self._connection.sock is None:
                self._connect()
            if self._interrupted:
                raise ConnectionAbortedError("interrupted")
            self._connection.request("POST", f"{self._path}/api/{method}", body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise OSError(str(error) or type(error).__name__) from error


def _position(status: int, body: bytes) -> Position:
    if status != http.HTTPStatus.OK:
        raise RefusedError(f"{status} {body[:200].decode(errors='replace').strip()}")
    try:
        return msgspec.json.decode(body, type=Answer).result
    except msgspec.MsgspecError as error:
        raise RefusedError(f"no answer of an edge: {error}") from error


class WebSocketSink:
    """One binary message for each publication; an event loop in a thread of its own answers pings.

    What was written to a connection that then broke is taken for published: nobody acknowledges.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._transport: picows.WSTransport | None = None
        self._socket: socket.socket | None = None
        self._listener = _Listener()
        self._sending: concurrent.futures.Future[None] | None = None
        self._interrupted = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ws-sink", daemon=True)
        self._thread.start()

    def publish(self, channel: int, data: bytes) -> None:
        """Raises OSError if there is no connection."""
        self._sending = asyncio.run_coroutine_threadsafe(self._send(data), self._loop)
        if self._interrupted:
            self._sending.cancel()
        try:
            self._sending.result()
        except concurrent.futures.CancelledError:
            raise ConnectionAbortedError("interrupted") from None

    def gather(self, on: bool) -> None:
        """One segment for a burst, as any server that has several things to say would write it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # of one that has ended
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(on))

    def position(self, channel: int) -> None:
        """None: there are none."""
        return None

    def interrupt(self) -> None:
        """From another thread."""
        self._interrupted = True
        if self._sending:
            self._sending.cancel()

    def close(self) -> None:
        """Idempotent."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_disconnected:
            self._listener = _Listener()
            try:
                self._transport, _ = await picows.ws_connect(
                    lambda: self._listener,
                    self._url,
                    websocket_handshake_timeout=CONNECT_SECONDS,
                )
            except picows.WSError as error:
                raise ConnectionRefusedError(str(error)) from error
            self._socket = self._transport.underlying_transport.get_extra_info("socket")
        self._transport.send(picows.WSMsgType.BINARY, data)
        await self._listener.writable.wait()

    async def _leave(self) -> None:
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.GOING_AWAY)
            self._transport.disconnect()
            await self._transport.wait_disconnected()


class _Listener(picows.WSListener):
    """Whether more may be written; a lost connection does not hold up who waits to."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self.writable.set()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """What a peer sends is of no interest, but its leaving is."""
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """Nothing more can be written."""
        self.writable.set()

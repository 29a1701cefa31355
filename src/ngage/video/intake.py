"""Where studios push: a WebSocket listener of its own, for trusted hosts, served by picows.

One link is one channel: `ws://HOST:PORT/studio/CHANNEL` with the API key in X-API-Key, then media
messages (`ngage.video.v1`), one in each binary frame. They are published as they are.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import picows

from ngage.api import Edge
from ngage.errors import NgageError, StartError
from ngage.keys import key_matches
from ngage.options import join_address, split_address
from ngage.video.channel import REPORT_SECONDS, STUDIO_PATH, VideoChannel

# A key frame of 30 Mbit/s; the ring of a channel holds four.
MESSAGE_BYTES_MAX = 2 << 20
# A studio sends many messages a second; one that is silent for so long is asked, then given up.
IDLE_SECONDS = 5.0
REASON_BYTES_MAX = 123  # RFC 6455, 5.5: a control frame has 125 bytes, two are the code
AWAY = "No picture: the studio is away."

log = logging.getLogger(__name__)


class Intake:
    """Listens while it is open. `key` gives the API key of the moment; empty asks for none."""

    def __init__(self, edge: Edge, address: str, key: Callable[[], str]) -> None:
        self._edge = edge
        self._wanted = address
        self._key = key
        self._channels: dict[str, VideoChannel] = {}
        self._links: dict[str, _Link] = {}
        self._open = AsyncExitStack()
        self.address = ("", 0)

    async def __aenter__(self) -> Self:
        """Raises StartError."""
        host, port = split_address(self._wanted)
        try:
            server = await picows.ws_create_server(
                *(self._admit, host, port),
                max_frame_size=MESSAGE_BYTES_MAX,
                enable_auto_ping=True,
                auto_ping_idle_timeout=IDLE_SECONDS,
                auto_ping_reply_timeout=IDLE_SECONDS,
            )
        except OSError as error:
            raise StartError(f"studio = {self._wanted}: {error.strerror or error}") from error
        self.address = server.sockets[0].getsockname()[:2]
        log.info("studios: ws://%s%sCHANNEL", join_address(*self.address), STUDIO_PATH)
        reports = asyncio.create_task(self._report())
        self._open.push_async_callback(server.wait_closed)
        self._open.callback(self._send_away)
        self._open.callback(server.close)
        self._open.callback(reports.cancel)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    def _send_away(self) -> None:
        for link in list(self._links.values()):
            link.end(
                picows.WSCloseCode.SERVICE_RESTART, "this edge ends or is replaced: connect again"
            )

    async def _report(self) -> None:
        while True:
            for name, channel in self._channels.items():
                channel.report(notice="" if name in self._links else AWAY)
            await asyncio.sleep(REPORT_SECONDS)

    def _admit(
        self, request: picows.WSUpgradeRequest
    ) -> "_Link | picows.WSUpgradeResponseWithListener":
        path = request.path.decode("latin-1")
        name = unquote(path.removeprefix(STUDIO_PATH))
        if not path.startswith(STUDIO_PATH):
            return _refuse(404, f"studios push to {STUDIO_PATH}CHANNEL")
        # Only browsers send Origin: a page in the operator's browser reaches loopback too.
        if "Origin" in request.headers:
            return _refuse(403, "no browser pushes here")
        if not key_matches(request.headers.get("X-API-Key", ""), self._key()):
            return _refuse(401, "X-API-Key is missing or wrong")
        if name in self._links:
            return _refuse(409, f"another studio pushes to {name}")
        try:
            if name not in self._channels:
                self._channels[name] = VideoChannel(self._edge, name)
        except NgageError as error:
            return _refuse(400, str(error))
        return _Link(name, self._channels[name], self._links)


class _Link(picows.WSListener):
    """One studio on one channel. What it may not send ends it, with the reason in the close."""

    def __init__(self, name: str, channel: VideoChannel, links: dict[str, "_Link"]) -> None:
        self._name = name
        self._channel = channel
        self._links = links
        self._transport: picows.WSTransport | None = None

    def end(self, code: picows.WSCloseCode, reason: str) -> None:
        """Say why, and hang up."""
        if self._transport:
            self._transport.send_close(code, reason.encode()[:REASON_BYTES_MAX])
            self._transport.disconnect()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        if self._name in self._links:  # two were admitted at once
            self.end(picows.WSCloseCode.POLICY_VIOLATION, f"another studio pushes to {self._name}")
            return
        self._links[self._name] = self
        self._channel.begin()
        log.info("a studio pushes to %s", self._name)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if transport.is_close_frame_sent:  # picows goes on after an error of its own
            return
        if frame.msg_type is picows.WSMsgType.CLOSE:
            self.end(frame.get_close_code(), "")
        elif frame.msg_type is picows.WSMsgType.BINARY and frame.fin:
            try:
                self._channel.accept(frame.get_payload_as_bytes())
            except (ValueError, NgageError) as error:
                log.warning("the studio of %s is sent away: %s", self._name, error)
                self.end(picows.WSCloseCode.INVALID_TEXT, str(error))
        elif frame.msg_type is not picows.WSMsgType.PONG:
            self.end(picows.WSCloseCode.UNSUPPORTED_DATA, "one media message in each binary frame")

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        if self._links.get(self._name) is self:
            del self._links[self._name]
            log.info("the studio of %s has gone", self._name)


def _refuse(status: int, reason: str) -> picows.WSUpgradeResponseWithListener:
    body = f"{status}: {reason}\n".encode()
    response = picows.WSUpgradeResponse.create_error_response(status, body)
    return picows.WSUpgradeResponseWithListener(response, None)

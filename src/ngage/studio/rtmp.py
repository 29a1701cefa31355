"""OBS and the like as a source: whoever has the stream key, carried as it is.

One publisher after the other is one programme: its timeline goes on when one comes back.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from ngage.options import join_address
from ngage.studio.advice import Advice
from ngage.video.packager import Part
from ngage.video.passthrough import Passthrough
from ngage.video.rtmp.access import StreamKeys
from ngage.video.rtmp.publisher import Publisher
from ngage.video.rtmp.server import RtmpServer
from ngage.video.timeline import TICKS
from ngage.video.units import AudioConfig, Metadata, VideoConfig

STREAM = "main"
# Beyond that the publisher's socket is not read.
WAITING_BATCHES_MAX = 64

log = logging.getLogger(__name__)


class RtmpFeed:
    """Listens while it is open. The key is that of one stream: one publisher is live at a time."""

    def __init__(self, host: str, port: int, application: str, stream_key: str) -> None:
        self._application = application
        access = StreamKeys(application, {STREAM: stream_key})
        self._server = RtmpServer(host, port, access, self._carry)
        self._passthrough = Passthrough()
        self._batches: asyncio.Queue[Sequence[Part]] = asyncio.Queue(WAITING_BATCHES_MAX)
        self._began = time.monotonic()

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(exception_type, exception, traceback)

    @property
    def address(self) -> str:
        return f"rtmp://{join_address(*self._server.address)}/{self._application}"

    @property
    def dropped(self) -> int:
        return self._passthrough.dropped

    async def parts(self) -> AsyncIterator[Sequence[Part]]:
        while True:
            yield await self._batches.get()

    async def _carry(self, publisher: Publisher) -> None:
        self._passthrough.begin()
        advice = Advice()
        async for unit in publisher:
            for line in advice.on(unit):
                log.warning("%s", line)
            if isinstance(unit, VideoConfig | AudioConfig | Metadata):
                log.info("%s", _described(unit))
            now = round((time.monotonic() - self._began) * TICKS)
            parts = self._passthrough.accept(unit, now=now, t_in_us=publisher.t_in_us)
            if parts:
                await self._batches.put(parts)


def _described(unit: VideoConfig | AudioConfig | Metadata) -> str:
    if isinstance(unit, VideoConfig):
        return f"video: H.264, {unit.width}x{unit.height}"
    if isinstance(unit, AudioConfig):
        return f"audio: AAC, {unit.sample_rate} Hz, {unit.channels} channels"
    fps = f"{unit.fps:g} frames/s" if unit.fps else "frames/s not said"
    return f"publisher: {unit.encoder!r}, {fps}"

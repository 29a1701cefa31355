"""What publishers send, one after the other, as one programme, whose timeline goes on."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence

from ngage.studio.advice import Advice
from ngage.video.packager import Part
from ngage.video.passthrough import Passthrough
from ngage.video.units import TICKS_PER_SECOND, AudioConfig, Metadata, Unit, VideoConfig

# Beyond that the publisher is not read.
WAITING_BATCHES_MAX = 64

log = logging.getLogger(__name__)


class Carried:
    """Half a feed: units go in, parts come out, and what costs the viewers time is said."""

    def __init__(self) -> None:
        self._passthrough = Passthrough()
        self._advice = Advice()
        self._batches: asyncio.Queue[Sequence[Part]] = asyncio.Queue(WAITING_BATCHES_MAX)
        self._began = time.monotonic()

    @property
    def dropped(self) -> int:
        return self._passthrough.dropped

    def begin(self) -> None:
        """A publisher has come."""
        self._passthrough.begin()
        self._advice = Advice()

    async def take(self, unit: Unit, t_in_us: int) -> None:
        """One unit, which entered at this Unix time. Waits while nobody takes the parts."""
        if isinstance(unit, VideoConfig | AudioConfig | Metadata):
            log.info("%s", _described(unit))
        for line in self._advice.on(unit):
            log.warning("%s", line)
        now = round((time.monotonic() - self._began) * TICKS_PER_SECOND)
        if parts := self._passthrough.accept(unit, now=now, t_in_us=t_in_us):
            await self._batches.put(parts)

    async def parts(self) -> AsyncIterator[Sequence[Part]]:
        """Without end."""
        while True:
            yield await self._batches.get()


def _described(unit: VideoConfig | AudioConfig | Metadata) -> str:
    if isinstance(unit, VideoConfig):
        return f"video: H.264, {unit.width}x{unit.height}"
    if isinstance(unit, AudioConfig):
        return f"audio: AAC, {unit.sample_rate} Hz, {unit.channels} channels"
    fps = f"{unit.fps:g} frames/s" if unit.fps else "frames/s not said"
    return f"publisher: {unit.encoder!r}, {fps}"

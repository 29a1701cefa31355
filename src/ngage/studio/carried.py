"""What publishers send, one after the other, as one programme, whose timeline goes on.

Their picture is carried as it is. Where they send it in one size only, lower ones are made of it,
if there is PyAV and time for it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from ngage.studio.advice import Advice
from ngage.video import VideoUnavailable, renditions
from ngage.video.assembly import Assembly
from ngage.video.message import RENDITION_VIDEO
from ngage.video.packager import Part, VideoTrack
from ngage.video.passthrough import Passthrough
from ngage.video.placed import Lost, Picture, Placed, Tracks
from ngage.video.renditions import Wish
from ngage.video.stages import Stages
from ngage.video.units import TICKS_PER_SECOND, AudioConfig, Metadata, Unit, VideoConfig

if TYPE_CHECKING:
    from ngage.video.transcoder import Answer, Transcoder

# Beyond that the publisher is not read, and so nothing is transcoded either.
WAITING_BATCHES_MAX = 64

log = logging.getLogger(__name__)


class Carried:
    """Half a feed: units go in, parts come out, and what costs the viewers time is said."""

    def __init__(self, wishes: Sequence[Wish]) -> None:
        self._wishes = wishes
        self._passthrough = Passthrough()
        self._assembly = Assembly()
        self.stages = Stages()
        self._transcoder = _transcoder(self._answered, self.stages) if wishes else None
        self._transcoded: VideoTrack | None = None
        self._advice = Advice()
        self._batches: asyncio.Queue[Sequence[Part]] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._began = time.monotonic()

    @property
    def dropped(self) -> int:
        transcoder = self._transcoder.dropped if self._transcoder else 0
        return self._passthrough.dropped + self._assembly.dropped + transcoder

    @property
    def load(self) -> float | None:
        return self._transcoder.load if self._transcoder else None

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
        for placed in self._passthrough.accept(unit, now=now, t_in_us=t_in_us):
            self._hand_over(await self._assembled(placed))
        await self._room.wait()

    async def parts(self) -> AsyncIterator[Sequence[Part]]:
        """Without end."""
        while True:
            batch = await self._batches.get()
            if self._batches.qsize() < WAITING_BATCHES_MAX:
                self._room.set()
            yield batch

    async def close(self) -> None:
        if self._transcoder:
            await self._transcoder.close()

    async def _assembled(self, placed: Placed) -> list[Part]:
        if isinstance(placed, Tracks):
            return self._assembly.describe(await self._with_lower(placed))
        if isinstance(placed, Lost):
            return self._assembly.interrupt()
        if not isinstance(placed, Picture):
            return self._assembly.sound(placed)
        if self._transcoder:
            self._transcoder.feed(placed)
        with self.stages.timed("package"):
            return self._assembly.picture(placed)

    async def _with_lower(self, tracks: Tracks) -> Tracks:
        """What the publisher sends, and what is made of it."""
        if self._transcoder is None:
            return tracks
        self._transcoder.leave()
        if len(tracks.videos) != 1:
            return tracks
        source = tracks.videos[RENDITION_VIDEO]
        if self._transcoded and self._transcoded.video == source.video:
            # What is made of the same picture must be the same, or players start anew; its frame
            # rate is known better now.
            source = self._transcoded
        self._transcoded = source
        lower = renditions.rungs(self._wishes, source.about["width"], source.about["height"])
        if not lower:
            return tracks
        try:
            made = await self._transcoder.open(source, lower)
        except VideoUnavailable as error:
            log.warning("only the publisher's own picture is shown: %s", error)
            return tracks
        log.info("made of it: %s", ", ".join(map(str, lower.values())))
        return tracks._replace(videos={**tracks.videos, **made})

    def _answered(self, answer: "Answer") -> None:
        if answer.renditions is not None:
            self._hand_over(self._assembly.choose(answer.renditions))
        for picture in answer.pictures:
            self._hand_over(self._assembly.picture(picture))

    def _hand_over(self, parts: Sequence[Part]) -> None:
        if parts:
            self._batches.put_nowait(parts)
            if self._batches.qsize() >= WAITING_BATCHES_MAX:
                self._room.clear()


def _transcoder(deliver: Callable[["Answer"], None], stages: Stages) -> "Transcoder | None":
    try:
        from ngage.video.transcoder import Transcoder  # noqa: PLC0415, where PyAV is there
    except ImportError:
        log.warning("only publishers' own pictures are shown: lower ones need ngage[video]")
        return None
    return Transcoder(deliver, stages)


def _described(unit: VideoConfig | AudioConfig | Metadata) -> str:
    if isinstance(unit, VideoConfig):
        return f"video: H.264, {unit.width}x{unit.height}"
    if isinstance(unit, AudioConfig):
        return f"audio: AAC, {unit.sample_rate} Hz, {unit.channels} channels"
    fps = f"{unit.fps:g} frames/s" if unit.fps else "frames/s not said"
    return f"publisher: {unit.encoder!r}, {fps}"

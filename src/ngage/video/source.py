"""A programme encoded in real time by a thread of its own.

The thread is an open loop: picture n is due at start + pts, however long the ones before took. A
picture that comes too late, or that the event loop has no room for, is dropped before it is
encoded, which costs nobody else a picture; nothing queues beyond a few frames.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Self

from av.error import FFmpegError

from ngage.video import VideoUnavailable
from ngage.video.encoder import AUDIO_HELD_SAMPLES, Encoder
from ngage.video.headroom import LATE_PICTURES_MAX
from ngage.video.packager import AUDIO_FRAME_SAMPLES, Part
from ngage.video.programme import SAMPLE_RATE, TIMESCALE, Picture, Programme
from ngage.video.renditions import AUDIO_KBPS, Wish
from ngage.video.stages import Stages

HANDOVER_PICTURES_MAX = 8
# After a longer halt (a suspended machine) the timeline goes on where it stood.
HALT_SECONDS = 2.0


class Source:
    """`async with` runs it; iterating gives INIT, then each picture with its sound, sound first."""

    def __init__(
        self, programme: Programme, wishes: Sequence[Wish] = (), audio_kbps: int = AUDIO_KBPS
    ) -> None:
        self._programme = programme
        size = programme.width, programme.height
        self._encoder = Encoder(*size, programme.fps, wishes, audio_kbps)
        self._queue: asyncio.Queue[list[Part] | Exception] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="ngage-video", daemon=True)
        self._stop = threading.Event()
        self._sound_position = 0
        # Each is written by one side only: their difference is what waits in the queue.
        self._handed = self._taken = 0
        self.dropped = 0

    @property
    def load(self) -> float | None:
        """The share of the time that the work takes, once known."""
        return self._encoder.headroom.load

    @property
    def stages(self) -> Stages:
        return self._encoder.stages

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    async def __aiter__(self) -> AsyncIterator[list[Part]]:
        """Ends only by the error that ended the programme."""
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            self._taken += 1
            yield item

    def _run(self) -> None:
        with closing(self._programme):
            try:
                self._play()
            except FFmpegError as error:
                self._hand_over(VideoUnavailable(f"the picture has broken off: {error}"))
            except Exception as error:
                self._hand_over(error)

    def _play(self) -> None:
        self._handed += 1
        self._hand_over([self._encoder.init])
        start = time.monotonic()
        for picture in self._programme.pictures():
            due = start + picture.pts / TIMESCALE
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            late = time.monotonic() - due
            if late > HALT_SECONDS:
                start += late
                late = 0.0
            if parts := self._encode(picture, late):
                self._handed += 1
                self._hand_over(parts)

    def _encode(self, picture: Picture, late: float) -> list[Part]:
        """The sound up to the end of the picture, then the picture; less where there is no time."""
        t_in_us = time.time_ns() // 1000
        room = self._handed - self._taken < HANDOVER_PICTURES_MAX
        parts = self._encode_sound(picture.pts + picture.duration, t_in_us, room)
        if room and late * TIMESCALE <= LATE_PICTURES_MAX * picture.duration:
            began = time.perf_counter()
            image = picture.draw()
            drawn = time.perf_counter() - began
            parts += self._encoder.picture(
                *(picture.pts, picture.duration, image, t_in_us), drawn=drawn
            )
        else:
            self.dropped += 1
        return parts

    def _encode_sound(self, end: int, t_in_us: int, room: bool) -> list[Part]:
        """Up to time `end` of the timeline, and what the encoder holds back."""
        parts: list[Part] = []
        until = end * SAMPLE_RATE // TIMESCALE + AUDIO_HELD_SAMPLES
        while self._sound_position < until:
            if room:
                sound = self._programme.sound(self._sound_position, AUDIO_FRAME_SAMPLES)
                parts += self._encoder.sound(self._sound_position, sound, t_in_us)
            self._sound_position += AUDIO_FRAME_SAMPLES
        return parts

    def _hand_over(self, item: list[Part] | Exception) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

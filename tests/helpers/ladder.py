"""One programme in several sizes with one sound: what a studio makes of a ladder, encoded here."""

import asyncio
import time
from collections.abc import Callable, Sequence

from ngage.video import message
from ngage.video.encoder import AUDIO_HELD_SAMPLES, Encoder
from ngage.video.message import Flag, Message, Type
from ngage.video.packager import AUDIO_FRAME_SAMPLES
from ngage.video.pattern import Pattern
from ngage.video.programme import SAMPLE_RATE, TIMESCALE

SIZES = ((640, 360), (320, 180))


class Soundtrack:
    """The sound of the test picture, as far as it has been asked for."""

    def __init__(self, pattern: Pattern, encoder: Encoder) -> None:
        self._pattern = pattern
        self._encoder = encoder
        self._position = 0

    def until(self, end: int, t_in_us: int) -> list[bytes]:
        """Messages up to this time, in 1/90000 s."""
        last = end * SAMPLE_RATE // TIMESCALE + AUDIO_HELD_SAMPLES
        messages = []
        while self._position < last:
            sound = self._pattern.sound(self._position, AUDIO_FRAME_SAMPLES)
            parts = self._encoder.sound(self._position, sound, t_in_us)
            messages += [part.data for part in parts]
            self._position += AUDIO_FRAME_SAMPLES
        return messages


class Ladder:
    """The test picture in `sizes`, the largest first. Key frames of all have the same pts.

    `rungs` are those that are sent; another choice takes effect at the next key frame.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]] = SIZES, fps: int = 30) -> None:
        self.rungs: Sequence[int] = range(len(sizes))
        self._patterns = [Pattern(width, height, fps) for width, height in sizes]
        self._encoders = [Encoder(p.width, p.height, p.fps) for p in self._patterns]
        self._sent: Sequence[int] = ()
        self._ticks = TIMESCALE // fps
        self._soundtrack = Soundtrack(self._patterns[0], self._encoders[0])
        self._shown = 0

    def next(self) -> list[bytes]:
        """The sound up to the end of the next picture, then that in each rung; INIT before these
        if the rungs are not what they were."""
        pts = self._shown * self._ticks
        t_in_us = time.time_ns() // 1000
        messages = self._soundtrack.until(pts + self._ticks, t_in_us)
        pictures = [
            message.parse(part.data)._replace(rendition=rung)
            for rung, (pattern, encoder) in enumerate(
                zip(self._patterns, self._encoders, strict=True)
            )
            for part in encoder.picture(pts, self._ticks, pattern.draw(), t_in_us)
        ]
        self._shown += 1
        if Flag.KEY in pictures[0].flags and self._sent != self.rungs:
            self._sent = self.rungs
            messages.append(self._init())
        return messages + [message.pack(p) for p in pictures if p.rendition in self._sent]

    async def play(self, take: Callable[[bytes], None]) -> None:
        """In real time, until cancelled."""
        start = time.monotonic()
        while True:
            due = start + self._shown * self._ticks / TIMESCALE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for data in self.next():
                take(data)

    def _init(self) -> bytes:
        tracks = [self._tracks(rung)[0] for rung in self._sent]
        payload = message.pack_tracks("ladder", [*tracks, self._tracks(0)[1]])
        return message.pack(Message(Type.INIT, message.RENDITION_ALL, Flag.KEY, 0, 0, 0, payload))

    def _tracks(self, rung: int) -> list[message.Track]:
        """The picture of a rung, and the sound."""
        read = message.parse(self._encoders[rung].init.data)
        about, inits = message.parse_tracks(read.payload)
        tracks = []
        for entry, init in zip(about["tracks"], inits, strict=True):
            size = {key: entry[key] for key in entry.keys() & {"width", "height", "fps"}}
            number = rung if entry["kind"] == "video" else entry["id"]
            tracks.append(message.Track(number, entry["kind"], entry["mime"], init, size))
        return tracks

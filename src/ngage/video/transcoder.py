"""Lower renditions of somebody else's picture, frame by frame in a thread of their own.

Each picture is decoded, scaled and encoded at once, with a key frame exactly where the source has
one, at the same pts. The thread is never far behind: a picture that comes too late is decoded, for
later ones need it, and not encoded; where even decoding is too slow, all is skipped up to the next
key frame. How many renditions there are changes at key frames only.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from av.video.frame import VideoFrame

from ngage.video import mp4
from ngage.video.decoder import Decoder
from ngage.video.headroom import LATE_PICTURES_MAX, Headroom
from ngage.video.packager import VideoTrack
from ngage.video.placed import Picture
from ngage.video.renditions import Rung
from ngage.video.stages import Stages
from ngage.video.x264 import Rungs

# They wait as the publisher sent them, and a burst is decoded faster than it came.
WAITING_PICTURES_MAX = 32
WAITING_BYTES_MAX = 8 << 20
# A source whose key frames, so many one after the other, cannot be decoded is left as it is.
FAILURES_MAX = 3

_SECONDS = 1 / mp4.VIDEO_TIMESCALE

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What became of a picture; `renditions`: at a key frame, those that there are from it on."""

    pictures: Sequence[Picture]
    renditions: frozenset[int] | None


class _Job(NamedTuple):
    work: "Work"
    picture: Picture
    arrived: float


class Transcoder:
    """Its answers come in the event loop, in order, and never for a picture before open()."""

    def __init__(self, deliver: Callable[[Answer], None], stages: Stages) -> None:
        self._deliver = deliver
        self._stages = stages
        self._work: Work | None = None
        self._waiting: deque[_Job | None] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._skips = False
        self._thread: threading.Thread | None = None
        self.dropped = 0

    @property
    def load(self) -> float | None:
        """The share of the time that the work takes; None where there is none, or not yet known."""
        return self._work.headroom.load if self._work else None

    async def open(self, source: VideoTrack, lower: Mapping[int, Rung]) -> dict[int, VideoTrack]:
        """Begin with this source: its renditions as they will be. Raises VideoUnavailable."""
        self.leave()
        work = await asyncio.to_thread(Work, source, lower, self._stages)
        if self._thread is None:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(
                target=self._run, args=(loop,), name="ngage-transcoder", daemon=True
            )
            self._thread.start()
        self._work = work
        return work.rungs.tracks

    def feed(self, picture: Picture) -> None:
        """A picture of the source, in the order of decoding; a key frame first."""
        if self._work is None:
            return
        job = _Job(self._work, picture, time.monotonic())
        with self._changed:
            full = (
                len(self._waiting) >= WAITING_PICTURES_MAX
                or self._waiting_bytes + len(picture.sample) > WAITING_BYTES_MAX
            )
            if picture.key and (full or self._skips):
                self._forget()
            self._skips = (self._skips or full) and not picture.key
            if self._skips:
                self.dropped += 1
                return
            self._waiting.append(job)
            self._waiting_bytes += len(picture.sample)
            self._changed.notify()

    def leave(self) -> None:
        """No more of this source."""
        self._work = None
        with self._changed:
            self._forget()
            self._skips = False

    async def close(self) -> None:
        self.leave()
        with self._changed:
            self._waiting.append(None)
            self._changed.notify()
        if self._thread:
            await asyncio.to_thread(self._thread.join)

    def _forget(self) -> None:
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while job := self._next():
            try:
                for answer in job.work.take(job.picture, time.monotonic() - job.arrived):
                    loop.call_soon_threadsafe(self._answer, job.work, answer)
            except Exception as error:
                loop.call_soon_threadsafe(self._give_up, job.work, error)

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            job = self._waiting.popleft()
            self._waiting_bytes -= len(job.picture.sample) if job else 0
            return job

    def _answer(self, work: "Work", answer: Answer) -> None:
        if work is self._work:
            self.dropped += not answer.pictures and answer.renditions is None
            self._deliver(answer)

    def _give_up(self, work: "Work", error: Exception) -> None:
        if work is self._work:
            log.error("only the publisher's own picture is shown: %s", error)
            self.leave()
            self._deliver(Answer((), frozenset()))


class Work:
    """What is made of one source. All but its making happens in the thread."""

    def __init__(self, source: VideoTrack, lower: Mapping[int, Rung], stages: Stages) -> None:
        self.rungs = Rungs(lower, source.about["fps"])
        self._names = {number: rung.name for number, rung in lower.items()}
        self.headroom = Headroom(self._names)
        self._stages = stages
        self._decoder = Decoder(source.video.avcc)
        self._present = self.headroom.present
        self._failures = 0

    def take(self, picture: Picture, late: float) -> list[Answer]:
        """`late`: seconds since it came. Raises ValueError for a source that cannot be decoded."""
        if not self._present and not (picture.key and self.headroom.present):
            if not self.headroom.present:  # else what was decided is not yet done
                self.headroom.picture(picture.duration * _SECONDS, 0.0, {})
            return [Answer((), frozenset())] if picture.key else []
        began = time.perf_counter()
        frames = self._decoder.decode(picture)
        decoding = time.perf_counter() - began
        self._stages.add("decode", decoding)
        in_time = late <= LATE_PICTURES_MAX * picture.duration * _SECONDS
        answers = []
        for source, frame in frames:
            answers.append(self._made(source, frame, decoding, in_time))
            decoding = 0.0
        if picture.key and not any(source.key for source, _ in frames):
            answers.append(self._failed())
        elif picture.key:
            self._failures = 0
        return answers

    def _made(self, source: Picture, frame: VideoFrame, decoding: float, in_time: bool) -> Answer:
        if source.key:
            self._present = self.headroom.present
        made, spent = [], {}
        if source.key or in_time:
            frame.pts, frame.time_base = source.pts, Fraction(1, mp4.VIDEO_TIMESCALE)
            for number, sample, seconds in self.rungs.encode(
                frame, key=source.key, wanted=self._present
            ):
                spent[number] = seconds
                self._stages.add(self._names[number], seconds)
                made.append(
                    source._replace(rendition=number, time=source.pts, offset=0, sample=sample)
                )
        if self._present == self.headroom.present:  # else what was decided is not yet done
            self.headroom.picture(source.duration * _SECONDS, decoding, spent)
        return Answer(made, self._present if source.key else None)

    def _failed(self) -> Answer:
        """A key frame that is none for the decoder: nobody is to wait for its renditions."""
        self._failures += 1
        if self._failures == FAILURES_MAX:
            raise ValueError("its key frames cannot be decoded")
        self._present = frozenset()
        return Answer((), frozenset())

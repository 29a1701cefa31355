"""The chunks of one track into parts, and these into segments (RFC 8216bis section 4.4.4.9).

A part is closed before a frame would make it longer than the part target, at once when one more
like the last would; so all parts but the last of a segment hold as many frames as fit. The target
is a quarter of a frame longer than these frames, for the times of many sources are rounded to
milliseconds, and a part that missed its last frame for that would be shorter than the 85 % that are
allowed. A frame that was lost makes no part shorter: it ends where the next one begins.

Sound that goes with a picture has its parts where that has them, one frame more or less: parts of
its own would end up to a part later, for which a player at the live edge would have to wait.

The schedule says where segments begin. This one goes on to the next with its own first chunk of it;
if none comes it has nothing of that segment, and begins again at the start of another.

Times are microseconds.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ngage.video.hls.chunk import DRIFT_US, Chunk
from ngage.video.hls.schedule import Slot

# What waits for the leading track: more than a second of sound, or of a picture of 60 a second.
_HELD_CHUNKS = 128


class Part(NamedTuple):
    data: bytes
    duration_us: int
    independent: bool


@dataclass(slots=True)
class Segment:
    """What a rendition has of a slot; without parts it is a gap. `tag` names its init segment,
    `start_us` is in decode time. What is missing in it counts as its time all the same, for the
    next one begins where it does in the other renditions."""

    slot: Slot
    tag: str = ""
    start_us: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.slot.number

    @property
    def duration_us(self) -> int:
        there_us = sum(part.duration_us for part in self.parts)
        whole_us = self.slot.end_us - self.slot.start_us  # negative while it is open
        return there_us if self.parts and whole_us < there_us + self.slot.part_us else whole_us

    @property
    def data(self) -> bytes:
        return b"".join(part.data for part in self.parts)


class Cutter:
    """cut(), advance() and leave() yield what they complete: a Part of `segment`, or a Segment."""

    def __init__(self, part_us: int, segment_us: int, limit_us: int) -> None:
        self.tag = ""
        self.on_grid = False  # for sound that goes with a picture
        self.segment: Segment | None = None
        self.part_target_us = 0
        self._part_us = part_us
        self._segment_us = segment_us
        self._limit_us = limit_us
        self._next: Slot | None = None
        self._held: deque[Chunk] = deque(maxlen=_HELD_CHUNKS)
        self._chunks: list[Chunk] = []
        self._start_us = self._end_us = 0

    @property
    def number(self) -> int | None:
        """Of the segment that is open, or that waits for its first chunk."""
        if self.segment is not None:
            return self.segment.number
        return self._next.number if self._next else None

    @property
    def is_full(self) -> bool:
        """Whether the next part is expected to begin another segment."""
        if self.segment is None:
            return False
        return self._end_us - self.segment.start_us >= self._segment_us - self._part_us // 2

    def prepare(self, tag: str, *, on_grid: bool) -> None:
        """Of the segments to come."""
        self.tag = tag
        if on_grid != self.on_grid:
            self.on_grid = on_grid
            self.part_target_us = 0

    def add(self, chunk: Chunk) -> None:
        """advance() takes it, once its time has come."""
        self._held.append(chunk)

    def cut(self, slot: Slot) -> Iterator[Part | Segment]:
        """The next segment begins where the slot does."""
        if self._next is not None:  # nothing has come of a whole segment
            yield from self._complete(self._end_us)
        self._next = slot

    def advance(self, reached_us: int) -> Iterator[Part | Segment]:
        """All chunks before this have their segment."""
        while self._held and self._held[0].pts_us < reached_us:
            yield from self._take(self._held.popleft())

    def leave(self) -> Iterator[Part | Segment]:
        """What follows does not follow on this. What still waits for its segment is lost."""
        while self._held and not self._held[0].breaks:
            self._held.popleft()
        yield from self._complete(self._end_us)
        self._next = None

    def _take(self, chunk: Chunk) -> Iterator[Part | Segment]:
        slot = self._next
        if slot is not None and chunk.pts_us >= slot.start_us:
            if self.segment is not None:
                yield from self._complete(chunk.start_us)
                self._enter(slot, self._after_gap(chunk))
            elif chunk.key and chunk.pts_us < slot.start_us + DRIFT_US:
                self._end_us = chunk.start_us
                self._enter(slot, chunk.start_us)
        if self.segment is None or chunk.end_us <= self._start_us:
            return
        slot, frame_us = self.segment.slot, max(1, chunk.end_us - chunk.start_us)
        if not self.part_target_us:
            self.part_target_us = self._longest_part_us(slot, frame_us)
        if chunk.end_us > self._part_end_us(slot, frame_us):
            yield from self._close_part(chunk.start_us)
            self._start_us = self._after_gap(chunk)
        self._chunks.append(chunk)
        self._end_us = max(self._end_us, chunk.end_us)
        if chunk.end_us + frame_us > self._part_end_us(slot, frame_us):
            yield from self._close_part(chunk.end_us)

    def _enter(self, slot: Slot, start_us: int) -> None:
        self.segment = Segment(slot, self.tag, start_us)
        self._start_us = start_us
        self._next = None

    def _longest_part_us(self, slot: Slot, frame_us: int) -> int:
        if self.on_grid:
            return -(-slot.part_us // frame_us) * frame_us + frame_us // 64
        return max(1, round(self._part_us / frame_us)) * frame_us + frame_us // 4

    def _part_end_us(self, slot: Slot, frame_us: int) -> int:
        """The latest that the part may end if such a frame is its last."""
        if not self.on_grid:
            return self._start_us + self.part_target_us
        parts = (self._start_us - slot.start_us + frame_us // 8) // slot.part_us
        return slot.start_us + (parts + 1) * slot.part_us + frame_us - 1

    def _after_gap(self, chunk: Chunk) -> int:
        """Where a part begins: where the last one ended, unless more is missing than one holds."""
        fits = chunk.end_us <= self._end_us + self.part_target_us
        return self._end_us if fits else chunk.start_us

    def _close_part(self, end_us: int) -> Iterator[Part | Segment]:
        """`end_us`: where the next frame begins, if that is known."""
        if not self._chunks or self.segment is None:
            return
        longest_us = min(
            self._start_us + self.part_target_us, self.segment.start_us + self._limit_us
        )
        self._end_us = max(self._end_us, min(end_us, longest_us))
        part = Part(
            b"".join(chunk.data for chunk in self._chunks),
            self._end_us - self._start_us,
            any(chunk.key for chunk in self._chunks),
        )
        self._chunks = []
        self._start_us = self._end_us
        self.segment.parts.append(part)
        yield part

    def _complete(self, end_us: int) -> Iterator[Part | Segment]:
        yield from self._close_part(end_us)
        segment, self.segment = self.segment, None
        if segment is not None:
            yield segment

"""Chunks into parts, parts into segments (RFC 8216bis sections 4.4.4.9 and 6.2.1).

One track keeps the time: the picture if there is one. A part is closed before a frame would make it
longer than the part target, at once when one more like the last would; so all parts but the last of
a segment hold as many frames as fit. The target is a quarter of a frame longer than these frames,
for the times of many sources are rounded to milliseconds, and a part that missed its last frame
for that would be shorter than the 85 % that are allowed. A frame that was lost makes no part
shorter: it ends where the next one begins.

A segment begins with a key frame and is cut at the key frame that is nearest to its target from
above, unless the one after would be too late for the target duration (which never changes and must
not be exceeded by half a second). Without a key frame in time it is cut without one.

Times are microseconds.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

# Beyond the target duration, which is compared with rounded durations.
_OVER_US = 490_000
# Pictures that come back later than this, or before their time, are another timeline.
_JUMP_US = 10_000_000
# Walls of t_in differ from the timeline by some milliseconds of lateness each; more is a change.
_DRIFT_US = 100_000
_HELD_SOUNDS = 64


class Chunk(NamedTuple):
    """`keeps_time`: of the track that decides where parts end."""

    data: bytes
    start_us: int
    end_us: int
    key: bool
    keeps_time: bool
    t_in_us: int


class Part(NamedTuple):
    data: bytes
    duration_us: int
    independent: bool


@dataclass(slots=True)
class Segment:
    """`wall_us`: Unix time of its first frame. `tag` names its init segment."""

    number: int
    tag: str
    discontinuity: bool
    start_us: int
    wall_us: int
    parts: list[Part] = field(default_factory=list)

    @property
    def duration_us(self) -> int:
        return sum(part.duration_us for part in self.parts)

    @property
    def data(self) -> bytes:
        return b"".join(part.data for part in self.parts)


class Cutter:
    """add() and begin() yield what they complete: a Part of `segment`, or the Segment itself."""

    def __init__(self, part_us: int, segment_us: int) -> None:
        self.segment: Segment | None = None
        self.part_target_us = 0
        self._part_us = part_us
        self._segment_us = segment_us
        self._limit_us = -(-segment_us // 1_000_000) * 1_000_000 + _OVER_US
        self._tag = ""
        self._number = -1
        self._discontinuity = False
        self._anchor_us: int | None = None
        self._sounds: deque[Chunk] = deque(maxlen=_HELD_SOUNDS)
        self._forget()

    def _forget(self) -> None:
        """No part is open, and none can be before a key frame."""
        self._chunks: list[Chunk] = []
        self._started = False
        self._start_us = self._end_us = self._frame_us = self._key_us = 0
        self._sounds.clear()

    @property
    def is_full(self) -> bool:
        """Whether the next part is expected to begin another segment."""
        if self.segment is None:
            return True
        return self._end_us - self.segment.start_us >= self._segment_us - self._part_us // 2

    def begin(self, tag: str) -> Iterator[Part | Segment]:
        """What follows has another init segment, or another timeline."""
        yield from self._close_segment(self._end_us)
        self._discontinuity = self._number >= 0
        self._tag = tag
        self._anchor_us = None
        self._forget()

    def add(self, chunk: Chunk) -> Iterator[Part | Segment]:
        if not chunk.keeps_time:
            yield from self._add_sound(chunk)
            return
        if self._started and not -_DRIFT_US < chunk.start_us - self._frame_us < _JUMP_US:
            yield from self.begin(self._tag)
        if not self._started:
            if not chunk.key:
                return
            self._open(chunk)
        elif self._is_time_to_cut(chunk):
            yield from self._close_segment(chunk.start_us)
            self._start_us = self._after_gap(chunk)
        elif chunk.end_us > self._start_us + self.part_target_us:
            yield from self._close_part(chunk.start_us)
            self._start_us = self._after_gap(chunk)
        if chunk.key:
            self._key_us = chunk.start_us
        self._append(chunk)
        self._frame_us = chunk.end_us
        self._end_us = max(self._end_us, chunk.end_us)
        if 2 * chunk.end_us - chunk.start_us > self._start_us + self.part_target_us:
            yield from self._close_part(chunk.end_us)

    def _add_sound(self, chunk: Chunk) -> Iterator[Part | Segment]:
        """It goes with the pictures of its time; where they fail to come it goes on alone."""
        if not self._started:
            self._sounds.append(chunk)
            return
        if self._chunks and chunk.end_us > self._start_us + 2 * self.part_target_us:
            yield from self._close_part(self._start_us + self.part_target_us)
            if self.segment and chunk.end_us - self.segment.start_us > self._limit_us:
                yield from self._complete()
        self._append(chunk)

    def _open(self, chunk: Chunk) -> None:
        self._started = True
        self._start_us = self._end_us = chunk.start_us
        if not self.part_target_us:
            frame_us = max(1, chunk.end_us - chunk.start_us)
            frames = max(1, round(self._part_us / frame_us))
            self.part_target_us = frames * frame_us + frame_us // 4
        if self._number < 0:
            # Seconds of the wall: numbers go on where an edge that starts again left off, and
            # nothing that was cached under one comes back under it.
            self._number = chunk.t_in_us // 1_000_000
        for sound in self._sounds:
            if sound.end_us > chunk.start_us:
                self._append(sound)

    def _is_time_to_cut(self, chunk: Chunk) -> bool:
        if self.segment is None:
            return False
        if chunk.end_us - self.segment.start_us > self._limit_us:
            return True
        if not chunk.key:
            return False
        length = chunk.start_us - self.segment.start_us
        if length >= self._segment_us - (chunk.end_us - chunk.start_us) // 2:
            return True
        return length + chunk.start_us - self._key_us > self._limit_us

    def _after_gap(self, chunk: Chunk) -> int:
        """Where a part begins: where the last one ended, unless more is missing than one holds."""
        fits = chunk.end_us <= self._end_us + self.part_target_us
        return self._end_us if fits else chunk.start_us

    def _append(self, chunk: Chunk) -> None:
        if self.segment is None:
            self._open_segment(chunk.t_in_us - chunk.start_us)
        self._chunks.append(chunk)

    def _open_segment(self, anchor_us: int) -> None:
        """`anchor_us`: Unix time at zero of the timeline, as a chunk of now says it."""
        if self._anchor_us is None or abs(anchor_us - self._anchor_us) > _DRIFT_US:
            self._anchor_us = anchor_us
        self.segment = Segment(
            *(self._number, self._tag, self._discontinuity),
            *(self._start_us, self._anchor_us + self._start_us),
        )
        self._number += 1
        self._discontinuity = False

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
            any(chunk.key and chunk.keeps_time for chunk in self._chunks),
        )
        self._chunks = []
        self._start_us = self._end_us
        self.segment.parts.append(part)
        yield part

    def _close_segment(self, end_us: int) -> Iterator[Part | Segment]:
        """Sound that came before the picture of its time goes into the next segment with it."""
        if any(chunk.keeps_time for chunk in self._chunks):
            yield from self._close_part(end_us)
        yield from self._complete()

    def _complete(self) -> Iterator[Segment]:
        segment, self.segment = self.segment, None
        if segment is not None and segment.parts:
            yield segment
        elif segment is not None:
            self._number = segment.number
            self._discontinuity = segment.discontinuity

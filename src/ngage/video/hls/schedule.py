"""Where segments begin: one decision for all renditions of a show (RFC 8216bis section 6.2.4).

The leading track, the picture of the first rung, makes it; the others cut where it does. They have
key frames of the same pts, and what is before these has come when they come. So each rendition has
the same segments under the same numbers, the same walls and discontinuities. What one has nothing
of is a gap in its playlist, and it goes on with the others when it is back.

A segment begins with a key frame and is cut at the key frame that is nearest to its target from
above, unless the one after would be too late for the target duration (which never changes and must
not be exceeded by half a second). Without a key frame in time it is cut without one.

Until the leading track has come as far as a chunk of another one, nobody knows where that one
belongs. Where the picture stands, sound waits for it a second, then goes on alone.

Times are microseconds.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ngage.video.hls.chunk import DRIFT_US, Chunk

# Beyond the target duration, which is compared with rounded durations. The rest of half a second is
# for the frame of sound that ends after the picture.
_OVER_US = 440_000
_PATIENCE_US = 1_000_000
# Another run of the edge most likely begins at another count, so that players do not take its times
# for those of the last. It is small: hls.js has arrays of this length.
_DISCONTINUITIES_FIRST = 1000


@dataclass(slots=True)
class Slot:
    """A segment as all renditions have it. `wall_us` is Unix time at its start, `part_us` the usual
    distance of the leading track's parts; `discontinuities` counts those before it. `end_us` is
    where the next begins, once that is known."""

    number: int
    start_us: int
    wall_us: int
    part_us: int
    discontinuity: bool
    discontinuities: int
    end_us: int = 0


class Schedule:
    """lead() and follow() are told of each chunk and give the slots that it opens.

    `slots` are the newest, the open one last; `next_number` is that of the one to come. Chunks
    whose pts is before `reached_us` belong to these, or are too late for any.
    """

    def __init__(self, part_us: int, segment_us: int, kept: int) -> None:
        self.slots: deque[Slot] = deque(maxlen=kept + 1)
        self.next_number = -1
        self.reached_us = -1
        self.limit_us = -(-segment_us // 1_000_000) * 1_000_000 + _OVER_US
        self._part_us = part_us
        self._segment_us = segment_us
        self._is_open = False
        self._anchor_us: int | None = None
        # Of the leading track, in decode time.
        self._start_us = self._key_us = self._frame_us = 0
        # The pts up to which another track has gone on, and of the break that one has told of.
        self._followed_us = self._awaited_us = 0

    def interrupt(self) -> None:
        """What comes does not follow; it begins with a key frame of the leading track."""
        self._close(self.reached_us)
        self._is_open = False
        self._anchor_us = None
        self._awaited_us = 0
        self.reached_us = -1

    def lead(self, chunk: Chunk) -> Iterator[Slot]:
        """A chunk of the leading track."""
        if self._is_open and self._is_too_long(min(self._followed_us, chunk.pts_us)):
            yield self._open_without(chunk, chunk.pts_us)  # it was late
        if self._is_time_to_cut(chunk):
            yield self._open(chunk, chunk.pts_us)
            self._start_us = chunk.start_us
        if self._is_open:
            if chunk.key:
                self._key_us = chunk.start_us
            self._frame_us = chunk.end_us
            self.reached_us = max(self.reached_us, chunk.end_us)

    def follow(self, chunk: Chunk) -> Iterator[Slot]:
        """A chunk of another track."""
        if chunk.breaks:
            self._awaited_us = chunk.pts_us  # the leading track will break there too
        if not self._is_open or self._awaited_us > self.reached_us:
            return
        if chunk.pts_us < max(self._followed_us, self.reached_us) + DRIFT_US:
            self._followed_us = max(self._followed_us, chunk.pts_us)
        reached_us = chunk.pts_us - _PATIENCE_US
        if self._is_too_long(reached_us):
            yield self._open_without(chunk, reached_us)
        self.reached_us = max(self.reached_us, reached_us)

    def _is_too_long(self, end_us: int) -> bool:
        return end_us - self._start_us > self.limit_us

    def _open_without(self, chunk: Chunk, reached_us: int) -> Slot:
        """Where the others would go on too long without the leading track."""
        start_us = max(self.reached_us, self._start_us + self._segment_us)
        slot = self._open(chunk, start_us)
        self._start_us = start_us
        self.reached_us = max(self.reached_us, reached_us)
        return slot

    def _is_time_to_cut(self, chunk: Chunk) -> bool:
        if not self._is_open:
            return chunk.key
        if self._is_too_long(chunk.end_us):
            return True
        if not chunk.key:
            return False
        if self._frame_us < self._start_us:  # it was away: others have cut without it
            return True
        length = chunk.start_us - self._start_us
        if length >= self._segment_us - (chunk.end_us - chunk.start_us) // 2:
            return True
        return length + chunk.start_us - self._key_us > self.limit_us

    def _open(self, chunk: Chunk, start_us: int) -> Slot:
        anchor_us = chunk.t_in_us - chunk.pts_us  # Unix time at zero of the timeline
        if self._anchor_us is None or abs(anchor_us - self._anchor_us) > DRIFT_US:
            self._anchor_us = anchor_us
        if not self.slots:
            # Seconds of the wall: numbers go on where an edge that starts again left off, and
            # nothing that was cached under one comes back under it.
            self.next_number = chunk.t_in_us // 1_000_000
            counted = self.next_number % _DISCONTINUITIES_FIRST
            frame_us = max(1, chunk.end_us - chunk.start_us)
            self._part_us = max(1, round(self._part_us / frame_us)) * frame_us
        else:
            counted = self.slots[-1].discontinuities + self.slots[-1].discontinuity
        wall_us = self._anchor_us + start_us
        slot = Slot(
            *(self.next_number, start_us, wall_us, self._part_us),
            discontinuity=bool(self.slots) and not self._is_open,
            discontinuities=counted,
        )
        if self._is_open:
            self._close(start_us)
        else:
            self.reached_us = self._followed_us = start_us
        self._is_open = True
        self.slots.append(slot)
        self.next_number += 1
        return slot

    def _close(self, end_us: int) -> None:
        if self._is_open:
            slot = self.slots[-1]
            slot.end_us = min(max(end_us, slot.start_us + 1), slot.start_us + self.limit_us)

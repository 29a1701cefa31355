"""One media playlist, and the parts and segments that it names, at an edge.

What is named is there before the playlist that names it, and the hinted part is expected before it
is hinted. A segment stays for as long again as it was listed (RFC 8216bis section 6.2.2), its parts
until none that lists them can be in use. What the schedule has and this track has not is listed as
a gap (section 4.4.4.7).

A track that is withdrawn has no playlist: who plays it gets 404 and goes on with another rendition,
where the same numbers are the same time. Its segments go as they grow old.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ngage.responses import Playlist
from ngage.video.hls import playlist
from ngage.video.hls.chunk import Chunk
from ngage.video.hls.cutter import Cutter, Part, Segment
from ngage.video.hls.playlist import Report, State
from ngage.video.hls.schedule import Schedule, Slot

TARGET_SECONDS, TARGET_US = 2, 2_000_000
PART_US = 200_000
SEGMENTS_LISTED = 8
SEGMENTS_KEPT = 2 * SEGMENTS_LISTED
_PARTS_KEPT = 2 * playlist.PARTS_TARGETS  # segments whose parts are served
# Section 6.2.5.2: how far past the end a part may be asked for, and how long that may wait.
_PARTS_AHEAD = 3_000_000 // PART_US
WAIT_SECONDS = 3.0 * TARGET_SECONDS

_OPEN_TO_ALL = {"Access-Control-Allow-Origin": "*"}
_MEDIA = {"Cache-Control": "public, max-age=31536000, immutable", **_OPEN_TO_ALL}
# Appendix B.1 of the draft: half a target duration for a playlist as it is now; the answer to a
# blocking request is for ever the right one to that request.
PLAYLIST_HEADERS = {"Cache-Control": f"public, max-age={TARGET_SECONDS // 2}", **_OPEN_TO_ALL}
_BLOCKING = {"Cache-Control": f"public, max-age={6 * TARGET_SECONDS}", **_OPEN_TO_ALL}


class Host(Protocol):
    """What a packager asks of an edge."""

    def serve(
        self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None: ...
    def serve_playlist(self, path: str, playlist: Playlist) -> None: ...
    def expect(self, path: str, seconds: float) -> None: ...
    def unserve(self, path: str) -> bool: ...


class Rendition:
    """`folder` ends with a slash; `uri` is that of the playlist in it. `completed` is called when a
    segment is."""

    def __init__(
        self, host: Host, folder: str, uri: str, schedule: Schedule, completed: Callable[[], None]
    ) -> None:
        self.uri = uri
        self.peak_bps = 0  # of the segment that had most
        self.others: Sequence[Rendition] = ()
        self._host = host
        self._folder = folder
        self._schedule = schedule
        self._completed = completed
        self._cutter = Cutter(PART_US, TARGET_US, schedule.limit_us)
        self._inits: set[str] = set()
        self._segments: dict[int, Segment] = {}
        self._bits = self._duration_us = 0
        self._hint = ""
        self._is_offered = self._has_begun = False
        self._listed_to = -1

    @property
    def tag(self) -> str:
        """Of the init segment that chunks belong to now."""
        return self._cutter.tag

    @property
    def average_bps(self) -> int:
        """Of all segments so far."""
        return self._bits * 1_000_000 // max(1, self._duration_us)

    @property
    def is_listed(self) -> bool:
        """Whether there is a playlist. One of parts alone is empty to who knows no parts."""
        return self._is_offered and self._has_begun

    @property
    def report(self) -> Report | None:
        """The last part there is; None before the first."""
        segment = self._cutter.segment
        if segment is None or not segment.parts:
            segment = next(reversed(self._segments.values()), None)
        if segment is None or not self._is_offered:
            return None
        return Report(self.uri, segment.number, len(segment.parts) - 1)

    def offer(self, tag: str, init: bytes, *, beside_picture: bool) -> None:
        """From now on chunks belong to this init segment, whose tag is its own."""
        self._host.serve(self._folder + playlist.init_uri(tag), init, "video/mp4", _MEDIA)
        self._inits.add(tag)
        self._cutter.prepare(tag, on_grid=beside_picture)
        self._forget_inits()
        if not self._is_offered:
            self._is_offered = True
            self._host.expect(self._folder + self.uri, WAIT_SECONDS)

    def withdraw(self) -> None:
        """The track is gone, and may come back."""
        self.interrupt()
        self._is_offered = False
        self._expect("")
        self._host.unserve(self._folder + self.uri)

    def add(self, chunk: Chunk) -> None:
        """advance() makes something of it."""
        self._cutter.add(chunk)

    def advance(self) -> None:
        """All chunks before the moment that the schedule has reached have their segment."""
        self._publish(self._cutter.advance(self._schedule.reached_us))

    def cut(self, slot: Slot) -> None:
        """The next segment begins where the slot does."""
        self._publish(self._cutter.cut(slot))
        if self._is_offered and self._number > self._listed_to:  # there is a gap more
            self._expect(self._next_part())
            self._serve_playlist()
        self._forget_old()

    def interrupt(self) -> None:
        """The next chunk does not follow the last."""
        self._publish(self._cutter.leave())

    def end(self) -> None:
        """Nothing follows."""
        self.interrupt()
        self._expect("")
        self._serve_playlist()

    @property
    def _number(self) -> int:
        """All segments before this are complete, or gaps."""
        number = self._cutter.number
        return self._schedule.next_number if number is None else number

    def _publish(self, completed: Iterator[Part | Segment]) -> None:
        for one in completed:
            segment = self._cutter.segment
            if isinstance(one, Segment):
                self._add_segment(one)
            elif segment is not None:
                path = playlist.part_uri(segment.tag, segment.number, len(segment.parts) - 1)
                self._host.serve(self._folder + path, one.data, "video/mp4", _MEDIA)
                if path == self._hint:
                    self._hint = ""
            self._expect(self._next_part())
            self._serve_playlist()

    def _add_segment(self, segment: Segment) -> None:
        data = segment.data
        uri = playlist.segment_uri(segment)
        self._host.serve(self._folder + uri, data, "video/mp4", _MEDIA)
        segment.parts = [part._replace(data=b"") for part in segment.parts]
        self._segments[segment.number] = segment
        bits, duration_us = 8 * len(data), max(1, segment.duration_us)
        self.peak_bps = max(self.peak_bps, -(-bits * 1_000_000 // duration_us))
        self._bits += bits
        self._duration_us += duration_us
        self._has_begun = True
        self._completed()

    def _forget_old(self) -> None:
        newest = self._schedule.slots[-1].number
        if old := self._segments.get(newest - 1 - _PARTS_KEPT):
            for part in range(len(old.parts)):
                uri = playlist.part_uri(old.tag, old.number, part)
                self._host.unserve(self._folder + uri)
        if old := self._segments.pop(newest - 1 - SEGMENTS_KEPT, None):
            self._host.unserve(self._folder + playlist.segment_uri(old))
            self._forget_inits()

    def _forget_inits(self) -> None:
        begun = [self._cutter.segment] if self._cutter.segment else []
        in_use = {segment.tag for segment in (*self._segments.values(), *begun)} | {self.tag}
        for tag in self._inits - in_use:
            self._host.unserve(self._folder + playlist.init_uri(tag))
        self._inits &= in_use

    def _next_part(self) -> str:
        segment = self._cutter.segment
        if segment is None:
            return playlist.part_uri(self.tag, self._number, 0)
        if self._cutter.is_full:
            return playlist.part_uri(self.tag, segment.number + 1, 0)
        return playlist.part_uri(segment.tag, segment.number, len(segment.parts))

    def _expect(self, uri: str) -> None:
        if self._hint not in ("", uri):
            self._host.unserve(self._folder + self._hint)  # another part came in its place
        self._hint = uri
        if uri:
            self._host.expect(self._folder + uri, WAIT_SECONDS)

    def _serve_playlist(self) -> None:
        if not self.is_listed:
            return
        self._listed_to = self._number
        complete = [
            self._segments.get(slot.number) or Segment(slot, self.tag)
            for slot in self._schedule.slots
            if slot.number < self._number
        ]
        listed = complete[-SEGMENTS_LISTED:]
        segment = self._cutter.segment
        reports = (other.report for other in self.others)
        state = State(
            *(TARGET_SECONDS, self._cutter.part_target_us, listed, segment, self._hint),
            [report for report in reports if report],
        )
        now = Playlist(
            whole=playlist.media(state),
            delta=playlist.media(state, delta=True),
            segment=self._number,
            parts=len(segment.parts) if segment else 0,
            parts_before=len(listed[-1].parts),
            parts_ahead=_PARTS_AHEAD,
            wait_seconds=WAIT_SECONDS,
            ended=not self._hint,
            headers=PLAYLIST_HEADERS,
            blocking_headers=_BLOCKING,
        )
        self._host.serve_playlist(self._folder + self.uri, now)

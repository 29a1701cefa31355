"""One media playlist, and the parts and segments that it names, at an edge.

What is named is there before the playlist that names it, and the hinted part is expected before it
is hinted. A segment stays for as long again as it was listed (RFC 8216bis section 6.2.2), its parts
until none that lists them can be in use.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ngage.responses import Playlist
from ngage.video.hls import playlist
from ngage.video.hls.cutter import Chunk, Cutter, Part, Segment
from ngage.video.hls.playlist import Report, State

TARGET_SECONDS = 2
PART_SECONDS = 0.2
SEGMENTS_LISTED = 8
_SEGMENTS_KEPT = 2 * SEGMENTS_LISTED
_DISCONTINUITIES_FIRST = 1000
_PARTS_KEPT = 2 * playlist.PARTS_TARGETS  # segments whose parts are served
# Section 6.2.5.2: how far past the end a part may be asked for, and how long that may wait.
_PARTS_AHEAD = round(3 / PART_SECONDS)
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

    def __init__(self, host: Host, folder: str, uri: str, completed: Callable[[], None]) -> None:
        self.uri = uri
        self.bits_per_second = 0  # of the segment that had most
        self.others: Sequence[Rendition] = ()
        self._host = host
        self._folder = folder
        self._completed = completed
        self._cutter = Cutter(round(PART_SECONDS * 1_000_000), TARGET_SECONDS * 1_000_000)
        self._tag = ""
        self._inits: dict[str, str] = {}
        self._segments: deque[Segment] = deque()
        self._discontinuities = -1
        self._hint = ""
        host.expect(folder + uri, WAIT_SECONDS)

    def begin(self, tag: str, init: bytes) -> None:
        """From now on chunks belong to this init segment, whose tag is its own."""
        self._host.serve(self._folder + playlist.init_uri(tag), init, "video/mp4", _MEDIA)
        self._inits[tag] = playlist.init_uri(tag)
        self._tag = tag
        for closed in self._cutter.begin(tag):
            self._publish(closed)

    def add(self, chunk: Chunk) -> None:
        for closed in self._cutter.add(chunk):
            self._publish(closed)

    def interrupt(self) -> None:
        """The next chunk does not follow the last."""
        for closed in self._cutter.begin(self._tag):
            self._publish(closed)

    def end(self) -> None:
        """Nothing follows."""
        self.interrupt()
        self._expect("")
        if self._segments:
            self._serve_playlist()

    @property
    def report(self) -> Report | None:
        """The last part there is; None before the first."""
        segment = self._cutter.segment
        if segment is None or not segment.parts:
            segment = self._segments[-1] if self._segments else None
        return Report(self.uri, segment.number, len(segment.parts) - 1) if segment else None

    def _publish(self, closed: Part | Segment) -> None:
        segment = self._cutter.segment
        if isinstance(closed, Segment):
            self._add_segment(closed)
        elif segment is not None:
            path = playlist.part_uri(segment.tag, segment.number, len(segment.parts) - 1)
            self._host.serve(self._folder + path, closed.data, "video/mp4", _MEDIA)
            if path == self._hint:
                self._hint = ""
        self._expect(self._next_part())
        if self._segments:  # a playlist of parts alone is empty to who knows no parts
            self._serve_playlist()

    def _add_segment(self, segment: Segment) -> None:
        data = segment.data
        uri = playlist.segment_uri(segment)
        self._host.serve(self._folder + uri, data, "video/mp4", _MEDIA)
        if self._discontinuities < 0:
            # Another run of the edge most likely has another count, so that players do not take
            # its times for those of the last. It is small: hls.js has arrays of this length.
            self._discontinuities = segment.number % _DISCONTINUITIES_FIRST
        self._segments.append(segment)
        self._forget_old()
        rate = -(-len(data) * 8_000_000 // max(1, segment.duration_us))
        self.bits_per_second = max(self.bits_per_second, rate)
        self._completed()

    def _forget_old(self) -> None:
        if len(self._segments) > _PARTS_KEPT:
            old = self._segments[-1 - _PARTS_KEPT]
            for number in range(len(old.parts)):
                uri = playlist.part_uri(old.tag, old.number, number)
                self._host.unserve(self._folder + uri)
        if len(self._segments) > SEGMENTS_LISTED:
            self._discontinuities += self._segments[-1 - SEGMENTS_LISTED].discontinuity
        if len(self._segments) > _SEGMENTS_KEPT:
            old = self._segments.popleft()
            self._host.unserve(self._folder + playlist.segment_uri(old))
            in_use = {segment.tag for segment in self._segments} | {self._tag}
            for tag in self._inits.keys() - in_use:
                self._host.unserve(self._folder + self._inits.pop(tag))

    def _next_part(self) -> str:
        segment = self._cutter.segment
        if segment is None:
            return playlist.part_uri(self._tag, self._segments[-1].number + 1, 0)
        if self._cutter.is_full:
            return playlist.part_uri(segment.tag, segment.number + 1, 0)
        return playlist.part_uri(segment.tag, segment.number, len(segment.parts))

    def _expect(self, uri: str) -> None:
        if self._hint not in ("", uri):
            self._host.unserve(self._folder + self._hint)  # another part came in its place
        self._hint = uri
        if uri:
            self._host.expect(self._folder + uri, WAIT_SECONDS)

    def _serve_playlist(self) -> None:
        listed = list(self._segments)[-SEGMENTS_LISTED:]
        segment = self._cutter.segment
        reports = (other.report for other in self.others)
        state = State(
            TARGET_SECONDS,
            self._cutter.part_target_us,
            *(self._discontinuities, listed, segment, self._hint),
            [report for report in reports if report],
        )
        now = Playlist(
            whole=playlist.media(state),
            delta=playlist.media(state, delta=True),
            segment=listed[-1].number + 1,
            parts=len(segment.parts) if segment else 0,
            parts_before=len(listed[-1].parts),
            parts_ahead=_PARTS_AHEAD,
            wait_seconds=WAIT_SECONDS,
            ended=not self._hint,
            headers=PLAYLIST_HEADERS,
            blocking_headers=_BLOCKING,
        )
        self._host.serve_playlist(self._folder + self.uri, now)

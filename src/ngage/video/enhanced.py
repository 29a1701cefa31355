"""The extended tag headers of Enhanced RTMP v2: "Enhanced Audio" and "Enhanced Video" there.

A tag is: [ModEx ...] packet type, then either FourCC and body, or with multitrack

    multitrack type, packet type, FourCC      the FourCC is absent for many tracks of many codecs
    { [FourCC], track id, [size], body } ...  the size is absent for one track
"""

from typing import NamedTuple

from ngage.errors import MediaError

SEQUENCE_START = 0
CODED_FRAMES = 1
SEQUENCE_END = 2
VIDEO_CODED_FRAMES_X = 3
VIDEO_METADATA = 4
VIDEO_MPEG2TS_SEQUENCE_START = 5
VIDEO_MULTITRACK = 6
AUDIO_MULTICHANNEL_CONFIG = 4
AUDIO_MULTITRACK = 5

_MOD_EX = 7
_MOD_EX_TIMESTAMP_OFFSET_NANO = 0
_ONE_TRACK, _MANY_TRACKS, _MANY_TRACKS_MANY_CODECS = 0, 1, 2


class TrackBody(NamedTuple):
    track: int
    fourcc: bytes
    body: bytes


class Tag(NamedTuple):
    """What all tracks of a tag share, and each one's own; the offset is to the RTMP timestamp."""

    packet_type: int
    offset_ns: int
    tracks: list[TrackBody]


def parse(tag: bytes, multitrack: int) -> Tag:
    """`multitrack` is the packet type that means it: video and audio differ.

    Raises MediaError for a tag that is cut off, and for a header that the specification reserves.
    """
    cursor = _Cursor(tag)
    packet_type = cursor.number(1) & 0x0F
    offset_ns = 0
    while packet_type == _MOD_EX:
        size = cursor.number(1) + 1
        if size == 256:
            size = cursor.number(2) + 1
        data = cursor.take(size)
        kind, packet_type = divmod(cursor.number(1), 16)
        if kind == _MOD_EX_TIMESTAMP_OFFSET_NANO:
            offset_ns = int.from_bytes(data[:3], "big")
    if packet_type != multitrack:
        return Tag(packet_type, offset_ns, [TrackBody(0, cursor.take(4), cursor.rest())])
    kind, packet_type = divmod(cursor.number(1), 16)
    if kind > _MANY_TRACKS_MANY_CODECS or packet_type in (multitrack, _MOD_EX):
        raise MediaError(f"Enhanced RTMP: multitrack type {kind} of packet type {packet_type}")
    return Tag(packet_type, offset_ns, _tracks(cursor, kind))


def _tracks(cursor: "_Cursor", kind: int) -> list[TrackBody]:
    fourcc = b"" if kind == _MANY_TRACKS_MANY_CODECS else cursor.take(4)
    if kind == _ONE_TRACK:
        return [TrackBody(cursor.number(1), fourcc, cursor.rest())]
    tracks = []
    while not cursor.at_end():
        own = cursor.take(4) if kind == _MANY_TRACKS_MANY_CODECS else fourcc
        track = cursor.number(1)
        tracks.append(TrackBody(track, own, cursor.take(cursor.number(3))))
    return tracks


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise MediaError("Enhanced RTMP: a tag ends too early")
        self._at += count
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def at_end(self) -> bool:
        return self._at == len(self._data)

"""The binary media message, `ngage.video.v1`: a 24-byte little-endian header, then the payload.

    off  type  field
    0    u8    type (`Type`)
    1    u8    rendition: 0-63 video rungs (0 = source), 64-127 audio, 254 the whole presentation,
               255 the audio-only rung
    2    u8    flags (`Flag`): facts about the message, never about the viewer, so that the same
               bytes serve everybody
    3    u8    header length / 8 (3): a reader skips what it does not know
    4    u32   seq, +1 for each message of the rendition, modulo 2**32 (a hole is a skip)
    8    u64   pts, microseconds on the channel's timeline
    16   u64   t_in, microseconds of Unix time when the picture or sound entered (origin's clock)
    24         payload

The payload of MEDIA is one chunk of `ngage.video.mp4`, whose tfdt is pts in the track's timescale;
that of rendition 255 is empty, and says that there is no picture from here on.

The payload of INIT for rendition 254 describes all tracks at once, for the channel's preamble is
one message: a u32 (little-endian) length, that many bytes of JSON, then the init segments of the
tracks one after the other. The JSON is
`{"v": 1, "timeline": "...", "tracks": [{"id": rendition, "kind": "video" | "audio",
"mime": "video/mp4; codecs=...", "bytes": length of its init segment, ...}, ...]}`.
A player whose timeline id differs starts anew.
"""

import json
import struct
from collections.abc import Sequence
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

HEADER_BYTES = 24
RENDITION_VIDEO = 0
RENDITION_AUDIO = 64
RENDITIONS_MAX = 128  # of pictures and sound
RENDITION_ALL = 254
RENDITION_SOUND_ONLY = 255

_HEADER = struct.Struct("<BBBBIQQ")
_LENGTH = struct.Struct("<I")


class Type(IntEnum):
    INIT = 1
    MEDIA = 2
    TIMED = 3
    CLOCK = 4
    END = 5


class Flag(IntFlag):
    NONE = 0
    KEY = 1
    DISCONTINUITY = 2
    ENCRYPTED = 4


class Message(NamedTuple):
    type: Type
    rendition: int
    flags: Flag
    seq: int
    pts_us: int
    t_in_us: int
    payload: bytes


class Track(NamedTuple):
    """What a player must know of one track: `about` joins the JSON, `init` is its init segment."""

    rendition: int
    kind: str
    mime: str
    init: bytes
    about: dict[str, int]


def pack(message: Message) -> bytes:
    """Raises struct.error when a field does not fit; seq wraps."""
    return (
        _HEADER.pack(
            message.type,
            message.rendition,
            message.flags,
            HEADER_BYTES // 8,
            message.seq & 0xFFFFFFFF,
            message.pts_us,
            message.t_in_us,
        )
        + message.payload
    )


def parse(data: bytes) -> Message:
    """Raises ValueError for what is no message of this version."""
    if len(data) < HEADER_BYTES:
        raise ValueError(f"media message of {len(data)} bytes: the header alone has {HEADER_BYTES}")
    kind, rendition, flags, units, seq, pts_us, t_in_us = _HEADER.unpack_from(data)
    if units * 8 < HEADER_BYTES or units * 8 > len(data):
        raise ValueError(f"media message with a header length of {units * 8} bytes")
    return Message(Type(kind), rendition, Flag(flags), seq, pts_us, t_in_us, data[units * 8 :])


def pack_tracks(timeline: str, tracks: Sequence[Track]) -> bytes:
    """The INIT payload for rendition 254."""
    about = {
        "v": 1,
        "timeline": timeline,
        "tracks": [
            {"id": t.rendition, "kind": t.kind, "mime": t.mime, "bytes": len(t.init), **t.about}
            for t in tracks
        ],
    }
    text = json.dumps(about, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + b"".join(t.init for t in tracks)


def parse_tracks(payload: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """(the JSON, the init segments in its order). Raises ValueError unless each track has a number
    (`id`), a `kind` and its length, and the lengths add up."""
    if len(payload) < _LENGTH.size:
        raise ValueError("INIT payload without a length")
    (length,) = _LENGTH.unpack_from(payload)
    at = _LENGTH.size + length
    try:
        about = json.loads(payload[_LENGTH.size : at])
        tracks = [(t["id"], t["kind"], t["bytes"], about["timeline"]) for t in about["tracks"]]
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"INIT: a track without {error}") from None
    if not tracks:
        raise ValueError("INIT without tracks")
    inits = []
    for number, kind, size, _ in tracks:
        if not (isinstance(number, int) and 0 <= number < RENDITIONS_MAX and isinstance(kind, str)):
            raise ValueError(f"INIT: a track of number {number!r} and kind {kind!r}")
        if not (isinstance(size, int) and size >= 0):
            raise ValueError(f"INIT: a track of {size!r} bytes")
        inits.append(payload[at : at + size])
        at += size
    if at != len(payload):
        raise ValueError(f"INIT payload of {len(payload)} bytes describes {at}")
    return about, inits

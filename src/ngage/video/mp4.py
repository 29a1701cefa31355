"""Fragmented MP4 (ISO/IEC 14496-12), written by hand: an init segment per track, one frame a chunk.

A muxer that needs the next frame to know a duration costs one frame of delay; here the caller
says the duration. mvhd and mdhd have duration 0 and there is no mehd, so that browsers see a live
stream and choose their low-delay renderer; trex has no defaults, so that every chunk says all of
itself. 112 bytes of boxes stand before the sample. All integers are big-endian.
"""

import struct
from typing import NamedTuple

from ngage.video import h264

VIDEO_TIMESCALE = 90_000
VIDEO_TRACK = 1
AUDIO_TRACK = 2

# Sample flags (8.8.3.1): depends on no other; depends on others and is no sync sample.
_SYNC = 0x02000000
_NOT_SYNC = 0x01010000
_DEFAULT_BASE_IS_MOOF = 0x020000
# data offset; each sample with duration, size, flags, composition offset.
_TRUN_FLAGS = 0x01000F01
_MOOF_BYTES = 104
# size and type of each box, then: mfhd sequence; tfhd flags, track; tfdt version, time;
# trun flags, count, data offset, duration, size, flags, composition offset; mdat.
_CHUNK = struct.Struct(">I4s I4sII I4s I4sII I4sIQ I4sIIIIIIi I4s")
_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LANGUAGE_UNDETERMINED = 0x55C4


class Video(NamedTuple):
    """An H.264 track; `avcc` is its decoder configuration record. Timescale 90000."""

    avcc: bytes

    @property
    def mime(self) -> str:
        return f'video/mp4; codecs="{h264.codec(self.avcc)}"'


class Audio(NamedTuple):
    """An AAC track; `config` is its AudioSpecificConfig (14496-3). Timescale = sample rate, Hz."""

    config: bytes
    sample_rate: int
    channels: int

    @property
    def mime(self) -> str:
        kind = self.config[0] >> 3
        return f'audio/mp4; codecs="mp4a.40.{kind}"'


def chunk(
    track: int,
    sequence: int,
    time: int,
    duration: int,
    sample: bytes,
    *,
    sync: bool,
    composition_offset: int = 0,
) -> bytes:
    """moof and mdat of one sample; time, duration and composition offset in the track's timescale.

    `time` is decode time: presentation is `composition_offset` later.
    """
    return (
        _CHUNK.pack(
            *(_MOOF_BYTES, b"moof"),
            *(16, b"mfhd", 0, sequence & 0xFFFFFFFF),
            *(_MOOF_BYTES - 24, b"traf"),
            *(16, b"tfhd", _DEFAULT_BASE_IS_MOOF, track),
            *(20, b"tfdt", 1 << 24, time),
            *(36, b"trun", _TRUN_FLAGS, 1, _MOOF_BYTES + 8, duration, len(sample)),
            *(_SYNC if sync else _NOT_SYNC, composition_offset),
            *(8 + len(sample), b"mdat"),
        )
        + sample
    )


def video_init(video: Video) -> bytes:
    size = h264.first_sps(video.avcc)
    return _init(
        track=VIDEO_TRACK,
        header=_tkhd(VIDEO_TRACK, 0, size.width, size.height),
        timescale=VIDEO_TIMESCALE,
        handler=b"vide",
        media=_full_box(b"vmhd", 1, bytes(8)),
        entry=_avc1(video, size),
    )


def audio_init(audio: Audio) -> bytes:
    return _init(
        track=AUDIO_TRACK,
        header=_tkhd(AUDIO_TRACK, 0x0100, 0, 0),
        timescale=audio.sample_rate,
        handler=b"soun",
        media=_full_box(b"smhd", 0, bytes(4)),
        entry=_mp4a(audio),
    )


def _init(
    *, track: int, header: bytes, timescale: int, handler: bytes, media: bytes, entry: bytes
) -> bytes:
    """ftyp and moov of one track, whose samples are all in fragments."""
    reference = _full_box(b"dref", 0, struct.pack(">I", 1), _full_box(b"url ", 1))
    table = box(
        b"stbl",
        _full_box(b"stsd", 0, struct.pack(">I", 1), entry),
        *(_full_box(empty, 0, bytes(4)) for empty in (b"stts", b"stsc")),
        _full_box(b"stsz", 0, bytes(8)),
        _full_box(b"stco", 0, bytes(4)),
    )
    mdia = box(
        b"mdia",
        _full_box(b"mdhd", 0, struct.pack(">4I2H", 0, 0, timescale, 0, _LANGUAGE_UNDETERMINED, 0)),
        _full_box(b"hdlr", 0, struct.pack(">4x4s12x", handler), b"ngage\0"),
        box(b"minf", media, box(b"dinf", reference), table),
    )
    moov = box(
        b"moov",
        _mvhd(track + 1),
        box(b"trak", header, mdia),
        box(b"mvex", _full_box(b"trex", 0, struct.pack(">5I", track, 1, 0, 0, 0))),
    )
    return box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41") + moov


def _mvhd(next_track: int) -> bytes:
    """Movie header (8.2.2): timescale 1000, duration 0 = not known, rate 1.0, volume 1.0."""
    times = struct.pack(">4I", 0, 0, 1000, 0)
    return _full_box(
        *(b"mvhd", 0, times, struct.pack(">IH10x", 0x10000, 0x0100)),
        *(_UNITY_MATRIX, bytes(24), struct.pack(">I", next_track)),
    )


def _tkhd(track: int, volume: int, width: int, height: int) -> bytes:
    """Track header (8.3.2): enabled and in the movie; width and height as 16.16."""
    times = struct.pack(">5I", 0, 0, track, 0, 0)
    layout = struct.pack(">8xHHHH", 0, 0, volume, 0)
    return _full_box(
        b"tkhd", 3, times, layout, _UNITY_MATRIX, struct.pack(">II", width << 16, height << 16)
    )


def _avc1(video: Video, size: h264.Sps) -> bytes:
    """Sample entry (14496-15, 5.4.2): 72 dpi, one frame a sample, depth 24."""
    fixed = struct.pack(">6xH16xHHIIIH", 1, size.width, size.height, 0x480000, 0x480000, 0, 1)
    return box(b"avc1", fixed, bytes(32), struct.pack(">Hh", 24, -1), box(b"avcC", video.avcc))


def _mp4a(audio: Audio) -> bytes:
    """Sample entry (14496-14, 5.6): 16 bits a sample; the rate as 16.16."""
    rate = audio.sample_rate << 16
    fixed = struct.pack(">6xH8xHHHHI", 1, audio.channels, 16, 0, 0, rate)
    # 0x40: MPEG-4 audio; 0x15: audio stream, up-stream 0, reserved 1.
    decoder = struct.pack(">BB3xII", 0x40, 0x15, 0, 0) + _descriptor(5, audio.config)
    stream = struct.pack(">HB", AUDIO_TRACK, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    return box(b"mp4a", fixed, _full_box(b"esds", 0, _descriptor(3, stream)))


def _descriptor(tag: int, body: bytes) -> bytes:
    """14496-1, 8.3.3; bodies here are shorter than 128 bytes, so the size is one byte."""
    return bytes((tag, len(body))) + body


def box(kind: bytes, *parts: bytes) -> bytes:
    """The parts, as the body of a box (4.2)."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, flags: int, *parts: bytes) -> bytes:
    """A box of version 0."""
    return box(kind, struct.pack(">I", flags), *parts)

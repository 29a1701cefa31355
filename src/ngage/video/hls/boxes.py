"""The boxes of MP4 (ISO/IEC 14496-12) that a packager must look into."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

# tfhd and trun: which fields there are, by flag, and their sizes (8.8.7, 8.8.8).
_BASE_OFFSET, _DESCRIPTION, _DEFAULT_DURATION = 0x01, 0x02, 0x08
_DATA_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_DURATION, _SAMPLE_FIELDS = 0x100, (0x100, 0x200, 0x400, 0x800)


class Box(NamedTuple):
    """Where the body of a box begins and ends."""

    kind: bytes
    start: int
    end: int


class Fragment(NamedTuple):
    """Decode time and duration of a chunk, in the timescale of its track."""

    time: int
    duration: int


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Raises ValueError for a box that does not end where it must."""
    while start < end:
        if end - start < 8:
            raise ValueError("a box is cut off")
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or size > end - start:
            raise ValueError(f"box {kind!r} of {size} bytes in {end - start}")
        yield Box(kind, start + 8, start + size)
        start += size


def find(data: bytes, *path: bytes) -> Box:
    """The first box at this path; ValueError if there is none."""
    box = Box(b"", 0, len(data))
    for kind in path:
        found = next((b for b in boxes(data, box.start, box.end) if b.kind == kind), None)
        if found is None:
            raise ValueError(f"no box {kind.decode()}")
        box = found
    return box


def read_fragment(chunk: bytes) -> Fragment:
    """Of a chunk whose moof has one track. Raises ValueError for anything else."""
    try:
        traf = find(chunk, b"moof", b"traf")
        time = duration = default = 0
        for box in boxes(chunk, traf.start, traf.end):
            if box.kind == b"tfhd":
                default = _read_tfhd(chunk, box.start)
            elif box.kind == b"tfdt":
                form = ">Q" if chunk[box.start] else ">I"
                (time,) = struct.unpack_from(form, chunk, box.start + 4)
            elif box.kind == b"trun":
                duration += _read_trun(chunk, box.start, default)
    except (struct.error, IndexError) as error:
        raise ValueError(f"moof: {error}") from None
    return Fragment(time, duration)


def timescale(init: bytes) -> int:
    """Units a second of the first track."""
    mdhd = find(init, b"moov", b"trak", b"mdia", b"mdhd")
    (value,) = struct.unpack_from(">I", init, mdhd.start + (20 if init[mdhd.start] else 12))
    return int(value)


def _read_tfhd(data: bytes, at: int) -> int:
    """The default duration."""
    (flags,) = struct.unpack_from(">I", data, at)
    at += 8 + (8 if flags & _BASE_OFFSET else 0) + (4 if flags & _DESCRIPTION else 0)
    return int(struct.unpack_from(">I", data, at)[0]) if flags & _DEFAULT_DURATION else 0


def _read_trun(data: bytes, at: int, default: int) -> int:
    """The duration of all its samples."""
    flags, count = struct.unpack_from(">II", data, at)
    if not flags & _DURATION:
        return int(count * default)
    at += 8 + (4 if flags & _DATA_OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
    step = sum(4 for field in _SAMPLE_FIELDS if flags & field)
    return sum(struct.unpack_from(">I", data, at + step * n)[0] for n in range(count))

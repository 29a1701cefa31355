"""Init segments and chunks, read back by a box walker that shares nothing with the writer."""

import struct

import pytest

from ngage.video import h264, mp4

SPS = bytes.fromhex("6764001eacb405017fcb08000003000800000301e478b175")
PPS = bytes.fromhex("68ef0fcb")
VIDEO = mp4.Video(h264.avcc([SPS, PPS]))
AUDIO = mp4.Audio(bytes.fromhex("1190"), 48_000, 2)

CONTAINERS = {"moov", "trak", "mdia", "minf", "dinf", "stbl", "mvex", "moof", "traf"}


def walk(data, prefix=""):
    """{path: body} of all boxes; sizes must fill their parents exactly."""
    boxes, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        path = f"{prefix}{kind.decode()}"
        assert path not in boxes
        boxes[path] = body = data[at + 8 : at + size]
        if kind.decode() in CONTAINERS:
            boxes |= walk(body, f"{path}/")
        at += size
    return boxes


@pytest.mark.parametrize("init", [mp4.video_init(VIDEO), mp4.audio_init(AUDIO)])
def test_an_init_segment_declares_a_live_stream(init):
    boxes = walk(init)
    assert list(boxes)[:3] == ["ftyp", "moov", "moov/mvhd"]
    assert struct.unpack_from(">I", boxes["moov/mvhd"], 16) == (0,)
    assert struct.unpack_from(">I", boxes["moov/trak/mdia/mdhd"], 16) == (0,)
    assert "moov/mvex/mehd" not in boxes
    assert struct.unpack_from(">III", boxes["moov/mvex/trex"], 12) == (0, 0, 0)
    for table in ("stts", "stsc", "stco"):
        assert boxes[f"moov/trak/mdia/minf/stbl/{table}"] == bytes(8)
    assert boxes["moov/trak/mdia/minf/stbl/stsz"] == bytes(12)


def test_video_init():
    boxes = walk(mp4.video_init(VIDEO))
    assert struct.unpack_from(">II", boxes["moov/trak/tkhd"], 76) == (640 << 16, 360 << 16)
    assert struct.unpack_from(">I", boxes["moov/trak/mdia/mdhd"], 12) == (90_000,)
    assert boxes["moov/trak/mdia/hdlr"][8:12] == b"vide"
    entry = walk(boxes["moov/trak/mdia/minf/stbl/stsd"][8:])["avc1"]
    assert struct.unpack_from(">HH", entry, 24) == (640, 360)
    assert walk(entry[78:])["avcC"] == VIDEO.avcc
    assert VIDEO.mime == 'video/mp4; codecs="avc1.64001e"'


def test_audio_init():
    boxes = walk(mp4.audio_init(AUDIO))
    assert struct.unpack_from(">I", boxes["moov/trak/mdia/mdhd"], 12) == (48_000,)
    assert boxes["moov/trak/mdia/hdlr"][8:12] == b"soun"
    entry = walk(boxes["moov/trak/mdia/minf/stbl/stsd"][8:])["mp4a"]
    assert struct.unpack_from(">HHHHI", entry, 16) == (2, 16, 0, 0, 48_000 << 16)
    esds = walk(entry[28:])["esds"]
    assert esds[4] == 3 and esds[5] == len(esds) - 6
    assert esds.endswith(b"\x05\x02" + AUDIO.config + b"\x06\x01\x02")
    assert AUDIO.mime == 'audio/mp4; codecs="mp4a.40.2"'


@pytest.mark.parametrize("sync", [True, False])
def test_a_chunk_is_one_sample_that_says_all_of_itself(sync):
    data = mp4.chunk(7, 2**32 + 9, 2**40, 3000, b"sample", sync=sync, composition_offset=-1500)
    boxes = walk(data)
    assert list(boxes) == [
        *("moof", "moof/mfhd", "moof/traf", "moof/traf/tfhd", "moof/traf/tfdt", "moof/traf/trun"),
        "mdat",
    ]
    assert struct.unpack(">II", boxes["moof/mfhd"]) == (0, 9)
    assert struct.unpack(">II", boxes["moof/traf/tfhd"]) == (0x020000, 7)
    assert struct.unpack(">IQ", boxes["moof/traf/tfdt"]) == (1 << 24, 2**40)
    flags, count, offset, *fields = struct.unpack(">IIIIIIi", boxes["moof/traf/trun"])
    assert (flags, count) == (0x01000F01, 1)
    assert data[offset:] == boxes["mdat"] == b"sample"
    assert fields == [3000, 6, 0x02000000 if sync else 0x01010000, -1500]
    assert len(data) == 112 + 6

"""FLV in pieces of every size, against the container that FFmpeg wrote it into."""

import pytest

av = pytest.importorskip("av")
from ngage.errors import MediaError  # noqa: E402
from ngage.video.flv_stream import TAG_BYTES_MAX, FlvStream  # noqa: E402
from ngage.video.units import AudioConfig, AudioUnit, VideoConfig, VideoUnit  # noqa: E402
from tests.helpers.clips import make_clip  # noqa: E402
from tests.helpers.media import AAC_CONFIG, AVCC  # noqa: E402

HEADER = b"FLV\1\5\0\0\0\x09\0\0\0\0"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("flv") / "clip.flv", frames=12)


def units(data, size):
    stream = FlvStream()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [unit for piece in pieces for unit in stream.receive(piece)]


def test_it_finds_every_packet_at_its_time(clip):
    found = units(clip.read_bytes(), 1 << 20)
    with av.open(str(clip)) as container:
        packets = [
            (p.stream.type, p.dts, p.pts, p.is_keyframe, bytes(p))
            for p in container.demux()
            if p.size and p.dts is not None
        ]
    videos = [unit for unit in found if isinstance(unit, VideoUnit)]
    audios = [unit for unit in found if isinstance(unit, AudioUnit)]
    assert [(u.dts, u.dts + u.cts, u.key) for u in videos] == [
        (dts * 90, pts * 90, key) for kind, dts, pts, key, _ in packets if kind == "video"
    ]
    assert [(u.dts, u.sample) for u in audios] == [
        (dts * 90, data) for kind, dts, _, _, data in packets if kind == "audio"
    ]
    assert [type(u) for u in found if isinstance(u, VideoConfig | AudioConfig)] == [
        VideoConfig,
        AudioConfig,
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 13, 15, 64, 1000])
def test_where_it_is_cut_makes_no_difference(clip, size):
    data = clip.read_bytes()
    assert units(data, size) == units(data, len(data))


def test_it_waits_for_the_rest_of_a_tag(clip):
    data = clip.read_bytes()
    whole = units(data, len(data))
    for cut in range(0, len(data), 97):
        part = units(data[:cut], max(1, cut))
        assert part == whole[: len(part)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"RIFF", "not an FLV"),
        (b"F\0", "not an FLV"),
        (b"FLV\1\5\0\0\0\1", "header of 1 bytes"),
        (b"FLV\1\5\xff\0\0\0", "header"),
        (HEADER + b"\x29" + bytes(14), "encrypted"),
        (HEADER + b"\x09" + (TAG_BYTES_MAX + 1).to_bytes(4, "big")[1:] + bytes(7), "a tag of"),
        (HEADER + b"\x09\0\0\5" + bytes(7) + b"\x1c\1\0\0\0" + bytes(4), "HEVC"),
    ],
)
def test_what_it_cannot_read_is_named(data, said):
    with pytest.raises(MediaError, match=said):
        FlvStream().receive(data)


def tag(body, time):
    return b"\x09" + len(body).to_bytes(3, "big") + time + bytes(3) + body + bytes(4)


def test_an_empty_sequence_header_of_sound_waits_for_the_real_one():
    """What FFmpeg writes when it copies ADTS, out of MPEG-TS, into FLV."""

    def sound(body):
        return b"\x08" + tag(b"\xaf" + body, bytes(4))[1:]

    (config, unit) = FlvStream().receive(
        HEADER + sound(b"\0") + sound(b"\0" + AAC_CONFIG) + sound(b"\1AAC")
    )
    assert (config.config, unit.sample) == (AAC_CONFIG, b"AAC")


def test_times_have_their_upper_bits_behind_the_lower():
    stream = FlvStream()
    (config,) = stream.receive(HEADER + tag(b"\x17\0\0\0\0" + AVCC, bytes(4)))
    assert config.avcc == AVCC
    (unit,) = stream.receive(tag(b"\x17\1\0\0\0" + b"\0\0\0\1\x65", b"\0\0\2\1"))
    assert unit.dts == ((1 << 24) + 2) * 90

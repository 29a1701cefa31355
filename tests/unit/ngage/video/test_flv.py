"""FLV and Enhanced RTMP tags to units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import MediaError
from ngage.video import flv
from ngage.video.units import AudioConfig, AudioUnit, Metadata, VideoConfig, VideoUnit
from tests.helpers.media import (
    AAC_CONFIG,
    AVCC,
    IDR,
    PPS,
    PPS_OTHER,
    SLICE,
    SPS,
    SPS_SMALL,
    audio_tag,
    record,
    sample,
    video_tag,
)

START, FRAMES, END, FRAMES_X, METADATA = 0, 1, 2, 3, 4
CONFIG = VideoConfig(0, AVCC, 640, 360)
SOUND = AudioConfig(0, AAC_CONFIG, 44100, 2)
PICTURE = sample(IDR)


def begun():
    demuxer = flv.Demuxer()
    assert demuxer.video(0, video_tag(START, AVCC)) == [CONFIG]
    assert demuxer.audio(0, audio_tag(START, AAC_CONFIG)) == [SOUND]
    return demuxer


def enhanced(kind, body, fourcc=b"avc1", frame=1, mod_ex=b""):
    """A video tag with an extended header; `mod_ex` says its own packet type."""
    return bytes((0x80 | frame << 4 | (7 if mod_ex else kind),)) + mod_ex + fourcc + body


def enhanced_audio(kind, body, fourcc=b"mp4a"):
    return bytes((0x90 | kind,)) + fourcc + body


def nanoseconds(value, kind, size=3):
    """TimestampOffsetNano, then the packet type."""
    length = bytes((size - 1,)) if size < 256 else b"\xff" + (size - 1).to_bytes(2, "big")
    return length + value.to_bytes(3, "big") + bytes(size - 3) + bytes((kind,))


def one_track(first, kind, track, body, fourcc):
    return bytes((first, 0x00 | kind)) + fourcc + bytes((track,)) + body


def many_tracks(first, kind, tracks, fourcc):
    parts = (bytes((track,)) + len(body).to_bytes(3, "big") + body for track, body in tracks)
    return bytes((first, 0x10 | kind)) + fourcc + b"".join(parts)


def many_codecs(first, kind, tracks):
    parts = (
        fourcc + bytes((track,)) + len(body).to_bytes(3, "big") + body
        for track, fourcc, body in tracks
    )
    return bytes((first, 0x20 | kind)) + b"".join(parts)


VIDEO_TRACKS, AUDIO_TRACKS = 0x96, 0x95


def test_pictures_and_sound():
    demuxer = begun()
    assert demuxer.video(40, video_tag(FRAMES, PICTURE)) == [VideoUnit(0, 3600, 0, True, PICTURE)]
    assert demuxer.audio(23, audio_tag(FRAMES, b"raw")) == [AudioUnit(0, 2070, b"raw")]
    assert demuxer.video(80, video_tag(END, b"")) == []


@pytest.mark.parametrize("cts_ms", [0, 1, 80, -40, 2**23 - 1, -(2**23)])
def test_composition_times_are_carried(cts_ms):
    """Of B-frames, and of the encoders that make them negative."""
    expected = [VideoUnit(0, 900, cts_ms * 90, False, sample(SLICE))]
    assert begun().video(10, video_tag(FRAMES, sample(SLICE), cts_ms, frame=2)) == expected
    body = cts_ms.to_bytes(3, "big", signed=True) + sample(SLICE)
    assert begun().video(10, enhanced(FRAMES, body, frame=2)) == expected


def test_the_frame_type_does_not_make_a_key():
    """Open groups of pictures are marked as key frames, but a decoder cannot begin there."""
    (unit,) = begun().video(0, video_tag(FRAMES, sample(SLICE), frame=1))
    assert not unit.key
    (unit,) = begun().video(0, video_tag(FRAMES, PICTURE, frame=2))
    assert unit.key


def test_what_only_informs_is_passed_over():
    demuxer = begun()
    assert demuxer.video(0, b"") == []
    assert demuxer.audio(0, b"") == []
    assert demuxer.video(0, b"\x57\0") == []
    assert demuxer.video(0, b"\xd1\0") == []
    assert demuxer.video(0, enhanced(METADATA, b"\x02\0\x09colorInfo")) == []
    assert demuxer.video(0, enhanced(END, b"")) == []
    assert demuxer.audio(0, enhanced_audio(4, b"\0\2")) == []
    assert demuxer.audio(0, enhanced_audio(END, b"")) == []
    assert demuxer.audio(0, audio_tag(FRAMES, b"")) == []
    assert demuxer.video(0, video_tag(FRAMES, sample(b"\x09\xf0"))) == []


def test_a_repeated_sequence_header_is_no_news():
    demuxer = begun()
    assert demuxer.video(0, video_tag(START, AVCC)) == []
    assert demuxer.audio(0, audio_tag(START, AAC_CONFIG)) == []


def test_a_changed_sequence_header_is_a_new_config():
    demuxer = begun()
    small = record(SPS_SMALL, PPS_OTHER, length_bytes=2)
    (config,) = demuxer.video(0, video_tag(START, small))
    assert (config.width, config.height, config.avcc[4] & 3) == (320, 240, 3)
    (unit,) = demuxer.video(0, video_tag(FRAMES, sample(IDR, length_bytes=2)))
    assert unit.sample == sample(IDR)
    mono = bytes.fromhex("1188")
    assert demuxer.audio(0, audio_tag(START, mono)) == [AudioConfig(0, mono, 48000, 1)]


def test_parameter_sets_in_the_picture_are_a_new_config_before_it():
    data = sample(SPS_SMALL, PPS_OTHER, IDR)
    config, unit = begun().video(0, video_tag(FRAMES, data))
    assert (config.width, config.height) == (320, 240)
    assert unit == VideoUnit(0, 0, 0, True, PICTURE)
    assert begun().video(0, video_tag(FRAMES, sample(SPS, PPS, IDR))) == [unit]


@pytest.mark.parametrize(
    ("times_ms", "expected_ms"),
    [
        ([2**32 - 20, 2**32 - 1, 19], [2**32 - 20, 2**32 - 1, 2**32 + 19]),
        ([10, 5, 15], [10, 5, 15]),
        ([10, 2**32 - 5], [10, -5]),
        ([0, 2**31 - 1, 2**32 - 2, 2**31 - 3], [0, 2**31 - 1, 2**32 - 2, 2**32 + 2**31 - 3]),
        ([2**31 + 5], [2**31 + 5]),
    ],
    ids=["wraps", "goes back", "goes back over zero", "jumps", "begins late"],
)
def test_timestamps_are_unwrapped(times_ms, expected_ms):
    demuxer = flv.Demuxer()
    first = times_ms[0]
    demuxer.video(first, video_tag(START, AVCC))
    units = [demuxer.video(time, video_tag(FRAMES, PICTURE))[0] for time in times_ms]
    assert [unit.dts for unit in units] == [time * 90 for time in expected_ms]


def test_pictures_and_sound_have_one_clock():
    demuxer = flv.Demuxer()
    demuxer.video(2**32 - 10, video_tag(START, AVCC))
    demuxer.audio(2**32 - 10, audio_tag(START, AAC_CONFIG))
    (sound,) = demuxer.audio(5, audio_tag(FRAMES, b"a"))
    (picture,) = demuxer.video(2**32 - 5, video_tag(FRAMES, PICTURE))
    assert (sound.dts, picture.dts) == ((2**32 + 5) * 90, (2**32 - 5) * 90)


def test_enhanced_single_track():
    demuxer = flv.Demuxer()
    assert demuxer.video(0, enhanced(START, AVCC)) == [CONFIG]
    assert demuxer.audio(0, enhanced_audio(START, AAC_CONFIG)) == [SOUND]
    expected = [VideoUnit(0, 90, 180, True, PICTURE)]
    assert demuxer.video(1, enhanced(FRAMES, b"\0\0\2" + PICTURE)) == expected
    assert demuxer.video(1, enhanced(FRAMES_X, PICTURE)) == [expected[0]._replace(cts=0)]
    assert demuxer.audio(2, enhanced_audio(FRAMES, b"raw")) == [AudioUnit(0, 180, b"raw")]


@pytest.mark.parametrize("size", [3, 255, 256, 300])
def test_nanoseconds_are_added_to_the_presentation(size):
    tag = enhanced(FRAMES_X, PICTURE, mod_ex=nanoseconds(500_000, FRAMES_X, size))
    assert begun().video(10, tag) == [VideoUnit(0, 900, 45, True, PICTURE)]
    sound = b"\x97" + nanoseconds(999_999, FRAMES, size) + b"mp4a" + b"raw"
    assert begun().audio(10, sound) == [AudioUnit(0, 990, b"raw")]


def test_unknown_modifiers_are_passed_over():
    tag = enhanced(0, PICTURE, mod_ex=b"\0\xff\x57" + nanoseconds(0, FRAMES_X))
    assert begun().video(10, tag) == [VideoUnit(0, 900, 0, True, PICTURE)]


def test_one_track_of_several():
    demuxer = begun()
    small = record(SPS_SMALL, PPS_OTHER)
    (config,) = demuxer.video(0, one_track(VIDEO_TRACKS, START, 2, small, b"avc1"))
    assert (config.track, config.width) == (2, 320)
    (unit,) = demuxer.video(40, one_track(VIDEO_TRACKS, FRAMES_X, 2, PICTURE, b"avc1"))
    assert unit == VideoUnit(2, 3600, 0, True, PICTURE)
    (config,) = demuxer.audio(0, one_track(AUDIO_TRACKS, START, 1, AAC_CONFIG, b"mp4a"))
    assert config == SOUND._replace(track=1)
    (unit,) = demuxer.audio(0, one_track(AUDIO_TRACKS, FRAMES, 1, b"raw", b"mp4a"))
    assert unit == AudioUnit(1, 0, b"raw")


def test_many_tracks_in_a_message():
    demuxer = flv.Demuxer()
    small = record(SPS_SMALL, PPS_OTHER)
    configs = demuxer.video(0, many_tracks(VIDEO_TRACKS, START, [(0, AVCC), (1, small)], b"avc1"))
    assert [(config.track, config.width) for config in configs] == [(0, 640), (1, 320)]
    frames = [(0, b"\0\0\1" + PICTURE), (1, b"\0\0\2" + sample(SLICE))]
    assert demuxer.video(10, many_tracks(VIDEO_TRACKS, FRAMES, frames, b"avc1")) == [
        VideoUnit(0, 900, 90, True, PICTURE),
        VideoUnit(1, 900, 180, False, sample(SLICE)),
    ]


def test_many_tracks_each_with_its_codec():
    demuxer = flv.Demuxer()
    tracks = [(0, b"mp4a", AAC_CONFIG), (7, b"mp4a", AAC_CONFIG)]
    configs = demuxer.audio(0, many_codecs(AUDIO_TRACKS, START, tracks))
    assert configs == [SOUND, SOUND._replace(track=7)]
    with pytest.raises(MediaError, match="Opus"):
        demuxer.audio(0, many_codecs(AUDIO_TRACKS, START, [*tracks, (8, b"Opus", b"")]))


def test_tracks_are_counted():
    demuxer = flv.Demuxer()
    for track in range(flv.TRACKS_MAX):
        demuxer.video(0, one_track(VIDEO_TRACKS, START, track, AVCC, b"avc1"))
    with pytest.raises(MediaError, match="16 tracks at most"):
        demuxer.video(0, one_track(VIDEO_TRACKS, START, flv.TRACKS_MAX, AVCC, b"avc1"))


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (b"\x12\0", "Sorenson H.263"),
        (b"\x14\0", "VP6"),
        (b"\x1c\0\0\0\0", "HEVC"),
        (b"\x1d\0\0\0\0", "AV1"),
        (b"\x1f\0", "the video codec 15"),
        (enhanced(START, b"", b"hvc1"), "HEVC"),
        (enhanced(START, b"", b"av01"), "AV1"),
        (enhanced(FRAMES, b"", b"vp09"), "VP9"),
        (enhanced(START, b"", b"x\n\xff\0"), r"the codec 'x\\n\\xff\\x00'"),
    ],
)
def test_video_codecs_that_cannot_be_carried_are_named(tag, name):
    with pytest.raises(MediaError, match=f"^{name} cannot be carried, only H.264"):
        begun().video(0, tag)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (b"\x2f", "MP3"),
        (b"\xb2\0", "Speex"),
        (b"\x3f\0", "PCM"),
        (enhanced_audio(START, b"", b"Opus"), "Opus"),
        (enhanced_audio(START, b"", b".mp3"), "MP3"),
        (enhanced_audio(START, b"", b"fLaC"), "FLAC"),
        (b"\xc0", "the audio codec 12"),
    ],
)
def test_audio_codecs_that_cannot_be_carried_are_named(tag, name):
    with pytest.raises(MediaError, match=f"^{name} cannot be carried, only AAC"):
        begun().audio(0, tag)


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (b"\x17\1\0", "too early"),
        (video_tag(3, b""), "AVCPacketType 3"),
        (b"\x90av", "too early"),
        (enhanced(FRAMES, b"\0\0"), "packet type 1"),
        (enhanced(5, b""), "packet type 5"),
        (enhanced(9, b""), "packet type 9"),
        (b"\x97\5\0", "too early"),
        (b"\x96\x06avc1\0", "multitrack type 0 of packet type 6"),
        (b"\x96\x31avc1\0", "multitrack type 3"),
        (many_tracks(VIDEO_TRACKS, START, [(0, AVCC)], b"avc1")[:-1], "too early"),
        (one_track(VIDEO_TRACKS, FRAMES_X, 3, PICTURE, b"avc1"), "track 3 before its sequence"),
    ],
)
def test_damaged_video_tags_are_refused(tag, reason):
    with pytest.raises(MediaError, match=reason):
        begun().video(0, tag)


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (b"\xaf", "too early"),
        (audio_tag(2, b""), "reserved"),
        (enhanced_audio(3, b""), "packet type 3"),
        (one_track(AUDIO_TRACKS, FRAMES, 3, b"raw", b"mp4a"), "track 3 before its sequence"),
    ],
)
def test_damaged_audio_tags_are_refused(tag, reason):
    with pytest.raises(MediaError, match=reason):
        begun().audio(0, tag)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=60))
def test_garbage_is_refused_or_taken_but_never_worse(timestamp, tag):
    for take in (begun().video, begun().audio):
        try:
            take(timestamp, tag)
        except MediaError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {"framerate": 29.97, "width": 1280.0, "height": 720.0, "encoder": "obs-output"},
            Metadata(29.97, 1280, 720, "obs-output"),
        ),
        ({}, Metadata(None, None, None, None)),
        (
            {"framerate": "30", "width": -1.0, "height": float("nan"), "encoder": 5.0},
            Metadata(None, None, None, None),
        ),
        (
            {"framerate": float("inf"), "width": 0.5, "height": 1e300, "encoder": "x" * 200},
            Metadata(None, None, None, "x" * 100),
        ),
    ],
)
def test_metadata(properties, expected):
    assert flv.metadata(properties) == expected

"""What comes out of the encoder is read back with FFmpeg."""

import io
from types import SimpleNamespace

import pytest

av = pytest.importorskip("av")
np = pytest.importorskip("numpy")
from ngage.video import VideoUnavailable, encoder, message, pattern  # noqa: E402
from ngage.video.message import Flag, Type  # noqa: E402

FRAMES = 65


@pytest.fixture(scope="module")
def streams():
    """(about, {rendition: (init, messages)}) of 65 pictures and 100 blocks of sound."""
    picture = pattern.Pattern()
    made = encoder.Encoder(640, 360, 30)
    parts = []
    for n in range(FRAMES):
        parts += made.picture(n * 3000, 3000, picture.draw(), 1_000_000 + n)
    for n in range(100):
        parts += made.sound(n * 1024, picture.sound(n * 1024, 1024), 0)
    init = message.parse(made.init.data)
    assert (init.type, init.rendition) == (Type.INIT, 254)
    about, inits = message.parse_tracks(init.payload)
    tracks = {}
    for track, segment in zip(about["tracks"], inits, strict=True):
        mine = [m for p in parts if (m := message.parse(p.data)).rendition == track["id"]]
        tracks[track["id"]] = segment, mine
    return about, tracks


def demuxed(segment, messages):
    return av.open(io.BytesIO(segment + b"".join(m.payload for m in messages)))


def test_each_picture_is_one_message_at_its_time(streams):
    _, messages = streams[1][0]
    assert [m.seq for m in messages] == list(range(FRAMES))
    assert [m.pts_us for m in messages] == [n * 100_000 // 3 for n in range(FRAMES)]
    assert [m.t_in_us for m in messages] == [1_000_000 + n for n in range(FRAMES)]
    keys = [n for n, m in enumerate(messages) if m.flags & Flag.KEY]
    assert keys == [0, 30, 60]


def test_ffmpeg_reads_the_same_video(streams):
    segment, messages = streams[1][0]
    with demuxed(segment, messages) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
        assert [p.pts for p in packets] == [p.dts for p in packets]
        assert [p.pts for p in packets] == [n * 3000 for n in range(FRAMES)]
        assert [n for n, p in enumerate(packets) if p.is_keyframe] == [0, 30, 60]
    with demuxed(segment, messages) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == FRAMES
        assert (frames[0].width, frames[0].height) == (640, 360)


def test_a_viewer_may_begin_at_any_key(streams):
    segment, messages = streams[1][0]
    with demuxed(segment, messages[30:]) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == FRAMES - 30
        assert frames[0].pts == 90_000


def test_ffmpeg_reads_the_same_sound(streams):
    segment, messages = streams[1][64]
    assert [m.pts_us for m in messages] == [
        n * 1024 * 1_000_000 // 48_000 for n in range(len(messages))
    ]
    with demuxed(segment, messages) as container:
        stream = container.streams.audio[0]
        assert (stream.sample_rate, stream.channels) == (48_000, 2)
        packets = [p for p in container.demux(stream) if p.pts is not None]
        assert [p.pts for p in packets] == [n * 1024 for n in range(len(packets))]
    with demuxed(segment, messages) as container:
        wave = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
        assert np.abs(wave).max() > 0.1


def test_sound_lags_by_two_blocks_only(streams):
    assert len(streams[1][64][1]) == 98


def test_key_frames_keep_to_the_timeline_when_pictures_are_dropped():
    picture = pattern.Pattern()
    made = encoder.Encoder(640, 360, 30)
    kept = [n for n in range(90) if n % 3]
    parts = [p for n in kept for p in made.picture(n * 3000, 3000, picture.draw(), 0)]
    messages = [message.parse(p.data) for p in parts]
    keys = [m.pts_us for m in messages if m.flags & Flag.KEY]
    assert keys == [n * 100_000 // 3 for n in (1, 31, 61)]


def test_the_codecs_are_named_for_the_player(streams):
    video, audio = streams[0]["tracks"]
    assert video["mime"].startswith('video/mp4; codecs="avc1.64')
    assert audio["mime"] == 'audio/mp4; codecs="mp4a.40.2"'
    assert (video["width"], video["height"], video["fps"]) == (640, 360, 30)


def test_a_missing_encoder_is_named(monkeypatch):
    def refuse(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(encoder, "CodecContext", SimpleNamespace(create=refuse))
    with pytest.raises(VideoUnavailable, match="libx264"):
        encoder.Encoder(640, 360, 30)

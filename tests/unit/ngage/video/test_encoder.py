"""What comes out of the encoder is read back with FFmpeg."""

import io
from types import SimpleNamespace

import pytest

av = pytest.importorskip("av")
np = pytest.importorskip("numpy")
from ngage.video import VideoUnavailable, encoder, message, pattern, x264  # noqa: E402
from ngage.video.message import Flag, Type  # noqa: E402
from ngage.video.renditions import parse  # noqa: E402

FRAMES = 65


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch):
    """While it encodes: a machine that is busy would have renditions left out."""
    monkeypatch.setattr(x264, "time", SimpleNamespace(perf_counter=lambda: 0.0))


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


class Ladder:
    """Pictures of 320x180 and lower; `strain` pretends that each took seconds to draw."""

    def __init__(self):
        self.picture = pattern.Pattern(320, 180)
        self.encoder = encoder.Encoder(320, 180, 30, parse("144,90:60"))
        self.parts = [self.encoder.init]
        self.at = 0

    def make(self, count, strain=0.0):
        for _ in range(count):
            self.parts += self.encoder.picture(
                self.at * 3000, 3000, self.picture.draw(), 7, drawn=strain
            )
            self.at += 1

    def messages(self):
        return [message.parse(part.data) for part in self.parts]


def tracks_of(init):
    return {track["id"]: track for track in message.parse_tracks(init.payload)[0]["tracks"]}


def test_each_rendition_has_every_picture_and_the_same_key_frames():
    ladder = Ladder()
    ladder.make(FRAMES)
    init, *media = ladder.messages()
    assert [m.rendition for m in media] == [0, 1, 2] * FRAMES
    for rendition in (0, 1, 2):
        mine = [m for m in media if m.rendition == rendition]
        assert [m.seq for m in mine] == list(range(FRAMES))
        assert [m.pts_us for m in mine] == [n * 100_000 // 3 for n in range(FRAMES)]
        assert [n for n, m in enumerate(mine) if m.flags & Flag.KEY] == [0, 30, 60]
    tracks = tracks_of(init)
    assert [(t["width"], t["height"]) for t in tracks.values() if t["kind"] == "video"] == [
        (320, 180),
        (256, 144),
        (160, 90),
    ]
    assert tracks[2]["kbps"] == 60


def test_ffmpeg_reads_each_rendition_in_its_size():
    ladder = Ladder()
    ladder.make(FRAMES)
    init, *media = ladder.messages()
    _, inits = message.parse_tracks(init.payload)
    for rendition, size in enumerate([(320, 180), (256, 144), (160, 90)]):
        mine = [m for m in media if m.rendition == rendition]
        with demuxed(inits[rendition], mine) as container:
            frames = list(container.decode(video=0))
        assert [frame.pts for frame in frames] == [n * 3000 for n in range(FRAMES)]
        assert {(frame.width, frame.height) for frame in frames} == {size}
        assert {n for n, f in enumerate(frames) if f.key_frame} == {0, 30, 60}


def test_another_ladder_is_announced_and_begins_with_key_frames_in_all_tracks():
    ladder = Ladder()
    ladder.make(75, strain=1.0)  # two seconds, then some
    ladder.make(1)
    messages = ladder.messages()
    inits = [n for n, m in enumerate(messages) if m.type is Type.INIT]
    first, second = (message.parse_tracks(messages[n].payload)[0] for n in inits)
    assert sorted(tracks_of(messages[inits[1]])) == [0, 2, 64]
    assert first["timeline"] == second["timeline"]
    after = messages[inits[1] + 1 :]
    assert [(m.rendition, m.flags) for m in after[:2]] == [(0, Flag.KEY), (2, Flag.KEY)]
    assert {m.rendition for m in after} == {0, 2}


def test_a_rendition_that_is_back_begins_with_a_key_frame_and_says_that_time_was_lost():
    ladder = Ladder()
    ladder.make(60, strain=1.0)
    ladder.make(31 * 30)
    messages = ladder.messages()
    back = [n for n, m in enumerate(messages) if m.type is Type.INIT][-1]
    assert sorted(tracks_of(messages[back])) == [0, 1, 2, 64]
    assert messages[back].payload == messages[0].payload  # it is the same timeline
    assert [(m.rendition, m.flags) for m in messages[back + 1 : back + 4]] == [
        (0, Flag.KEY),
        (1, Flag.KEY | Flag.DISCONTINUITY),
        (2, Flag.KEY),
    ]
    _, inits = message.parse_tracks(messages[back].payload)
    mine = [m for m in messages[back + 1 :] if m.rendition == 1]
    with demuxed(inits[1], mine) as container:
        assert len(list(container.decode(video=0))) == len(mine)


@pytest.mark.parametrize("kbps", [32, 160])
def test_the_sound_has_the_rate_that_is_asked_for(kbps):
    made = encoder.Encoder(320, 180, 30, audio_kbps=kbps)
    rng = np.random.default_rng(1)
    count = 200
    parts = [
        part
        for n in range(count)
        for part in made.sound(n * 1024, rng.uniform(-0.5, 0.5, (2, 1024)).astype(np.float32), 0)
    ]
    size = sum(len(message.parse(part.data).payload) - 112 for part in parts)
    seconds = len(parts) * 1024 / 48_000
    assert abs(size * 8 / 1000 / seconds - kbps) < kbps * 0.2


def test_a_missing_encoder_is_named(monkeypatch):
    def refuse(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(x264, "CodecContext", SimpleNamespace(create=refuse))
    with pytest.raises(VideoUnavailable, match="libx264"):
        encoder.Encoder(640, 360, 30)

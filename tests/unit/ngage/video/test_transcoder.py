"""Lower renditions of a carried picture: at its times, with its key frames, never behind it."""

import asyncio
import io
import threading

import pytest

av = pytest.importorskip("av")
pytest.importorskip("numpy")
from ngage.video import message, mp4, renditions, transcoder  # noqa: E402
from ngage.video.assembly import Assembly  # noqa: E402
from ngage.video.headroom import PATIENCE_SECONDS_MIN  # noqa: E402
from ngage.video.packager import VideoTrack  # noqa: E402
from ngage.video.placed import Picture, Tracks  # noqa: E402
from ngage.video.stages import Stages  # noqa: E402
from ngage.video.transcoder import (  # noqa: E402
    FAILURES_MAX,
    WAITING_PICTURES_MAX,
    Transcoder,
    Work,
)
from tests.helpers.carried import B_FRAMES, PLAIN, clip_pictures  # noqa: E402
from tests.helpers.media import AVCC  # noqa: E402

LOWER = renditions.rungs(renditions.parse("180,120"), 320, 240)


@pytest.fixture(scope="module", params=[PLAIN, B_FRAMES], ids=["plain", "B-frames"])
def clip(request, tmp_path_factory):
    return clip_pictures(tmp_path_factory.mktemp("clip"), options=request.param, frames=35)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return clip_pictures(tmp_path_factory.mktemp("plain"), options=PLAIN, frames=35)


def work_on(tracks):
    return Work(tracks.videos[0], LOWER, Stages())


def transcoded(clip, late=lambda n: 0.0):
    """(Work, its answers to each picture)."""
    tracks, pictures = clip
    work = work_on(tracks)
    return work, [work.take(picture, late(n)) for n, picture in enumerate(pictures)]


def made(answers, rendition):
    return [
        picture
        for group in answers
        for answer in group
        for picture in answer.pictures
        if picture.rendition == rendition
    ]


def test_each_picture_is_made_in_each_rendition_at_its_time(clip):
    _, pictures = clip
    _, answers = transcoded(clip)
    held = {p.pts for p in pictures} - {p.pts for p in made(answers, 1)}
    shown = sorted((p for p in pictures if p.pts not in held), key=lambda picture: picture.pts)
    assert len(held) <= 2  # B-frames: nothing came that would push the last ones out
    for rendition in (1, 2):
        mine = made(answers, rendition)
        assert [(p.time, p.offset, p.duration) for p in mine] == [
            (p.pts, 0, p.duration) for p in shown
        ]
        assert [p.t_in_us for p in mine] == [p.t_in_us for p in shown]
        assert [p.pts for p in mine if p.key] == [p.pts for p in pictures if p.key]
    assert sum(p.key for p in pictures) == 4


def test_a_key_frame_is_answered_at_once(clip):
    _, pictures = clip
    _, answers = transcoded(clip)
    for picture, group in zip(pictures, answers, strict=True):
        if picture.key:
            keys = [a for a in group if a.renditions is not None]
            assert keys == group[-1:]
            assert keys[0].renditions == {1, 2}
            assert {p.pts for p in keys[0].pictures} == {picture.pts}


def test_key_frames_of_all_renditions_leave_the_assembly_together_at_one_pts(clip):
    tracks, pictures = clip
    work, answers = transcoded(clip)
    assembly = Assembly()
    parts = assembly.describe(tracks._replace(videos={**tracks.videos, **work.rungs.tracks}))
    for picture, group in zip(pictures, answers, strict=True):
        parts += assembly.picture(picture)
        for answer in group:
            if answer.renditions is not None:
                parts += assembly.choose(answer.renditions)
            for lower in answer.pictures:
                parts += assembly.picture(lower)
    init, *media = (message.parse(part.data) for part in parts)
    keys = [n for n, m in enumerate(media) if m.flags & message.Flag.KEY]
    groups = [keys[n : n + 3] for n in range(0, len(keys), 3)]
    assert len(groups) == 4
    for group in groups:
        assert group == list(range(group[0], group[0] + 3))
        assert [media[n].rendition for n in group] == [0, 1, 2]
        assert len({media[n].pts_us for n in group}) == 1
    _, inits = message.parse_tracks(init.payload)
    sizes = [(320, 240), (240, 180), (160, 120)]
    for rendition, size in enumerate(sizes):
        mine = [m for m in media if m.rendition == rendition]
        assert [m.seq for m in mine] == list(range(len(mine)))
        file = io.BytesIO(inits[rendition] + b"".join(m.payload for m in mine))
        with av.open(file) as container:
            frames = list(container.decode(video=0))
        assert len(frames) == len(mine)
        assert {(f.width, f.height) for f in frames} == {size}
        begun = [f.pts for f in frames if f.key_frame]
        assert begun == [media[group[0]].pts_us * 9 // 100 for group in groups]


def test_a_late_picture_is_not_encoded_unless_it_is_a_key_frame(plain):
    _, pictures = plain
    work, answers = transcoded(plain, late=lambda n: 1.0 if n % 3 else 0.0)
    expected = [p.pts for n, p in enumerate(pictures) if p.key or n % 3 == 0]
    assert [p.pts for p in made(answers, 1)] == expected
    _, inits = message.parse_tracks(
        message.parse(Assembly().describe(Tracks(work.rungs.tracks, None))[0].data).payload
    )
    chunks = [
        mp4.chunk(1, n, p.time, p.duration, p.sample, sync=p.key)
        for n, p in enumerate(made(answers, 1))
    ]
    with av.open(io.BytesIO(inits[0] + b"".join(chunks))) as container:
        assert [f.pts for f in container.decode(video=0)] == expected


def test_what_there_is_no_time_for_goes_and_comes_back_at_a_key_frame(plain, monkeypatch):
    tracks, pictures = plain
    work = work_on(tracks)
    chosen = []

    def show(picture):
        for answer in work.take(picture, 0.0):
            if answer.renditions is not None:
                chosen.append(sorted(answer.renditions))
            assert {p.rendition for p in answer.pictures} == set(chosen[-1])

    for picture in pictures[:5]:
        show(picture)
    for _ in range(20):  # two seconds in which decoding took all the time
        work.headroom.picture(0.1, 0.1, {1: 0.02, 2: 0.01})
    for picture in pictures[5:20]:
        show(picture)
    assert chosen == [[1, 2], [2]]
    while 1 not in work.headroom.present:
        work.headroom.picture(PATIENCE_SECONDS_MIN, 0.0, {2: 0.01})
    for picture in pictures[20:]:
        show(picture)
    assert chosen == [[1, 2], [2], [1, 2], [1, 2]]


def test_where_nothing_is_made_nothing_is_decoded_until_it_is_tried_again(plain):
    tracks, pictures = plain
    work = work_on(tracks)
    while work.headroom.present:
        work.headroom.picture(2.0, 2.0, {n: 0.1 for n in work.headroom.present})
    (first,), *others = [work.take(picture, 0.0) for picture in pictures[:10]]
    assert not first.pictures
    assert first.renditions == frozenset()
    assert others == [[]] * 9
    work.headroom.picture(PATIENCE_SECONDS_MIN, 0.0, {})
    for picture in 10 * pictures[1:10]:  # 3 s, in which it cannot begin
        assert work.take(picture, 0.0) == []
    (answer,) = work.take(pictures[20], 0.0)
    assert answer.renditions == {2}
    assert [p.key for p in answer.pictures] == [True]


def test_a_source_that_cannot_be_decoded_is_left_as_it_is():
    work = Work(
        VideoTrack(mp4.Video(AVCC), {"width": 640, "height": 360, "fps": 30}), LOWER, Stages()
    )
    nonsense = [Picture(0, n * 3000, 3000, 0, True, b"\0\0\0\1\x65", 0) for n in range(9)]
    for n in range(FAILURES_MAX - 1):
        assert work.take(nonsense[n], 0.0) == [((), frozenset())]
    with pytest.raises(ValueError, match="cannot be decoded"):
        work.take(nonsense[-1], 0.0)


def test_each_stage_is_timed(plain):
    tracks, pictures = plain
    stages = Stages()
    work = Work(tracks.videos[0], LOWER, stages)
    for picture in pictures[:5]:
        work.take(picture, 0.0)
    spent = stages.take()
    assert {stage: len(seconds) for stage, seconds in spent.items()} == {
        "decode": 5,
        "180p": 5,
        "120p": 5,
    }
    assert all(each > 0 for seconds in spent.values() for each in seconds)
    assert stages.take() == {}


def test_a_damaged_picture_costs_its_group_at_most(plain):
    tracks, pictures = plain
    work = work_on(tracks)
    broken = [
        p._replace(sample=p.sample[:4] + b"\xff" * 8) if n == 3 else p
        for n, p in enumerate(pictures)
    ]
    answers = [work.take(picture, 0.0) for picture in broken]
    assert {p.pts for p in made(answers, 1)} >= {p.pts for p in pictures[10:]}


class Blocked:
    """A Work that does nothing until it is let go."""

    def __init__(self):
        self.rungs = type("Rungs", (), {"tracks": {}})
        self.headroom = None
        self.go = threading.Event()
        self.taken = []

    def take(self, picture, late):
        self.go.wait(20)
        self.taken.append(picture.time)
        return [transcoder.Answer((picture,), None)]


class Line:
    """A Transcoder whose work is blocked, and the answers that came."""

    def __init__(self, monkeypatch):
        self.works = []
        monkeypatch.setattr(transcoder, "Work", self.begin)
        self.answers = asyncio.Queue()
        self.transcoder = Transcoder(self.answers.put_nowait, Stages())

    def begin(self, source, lower, stages):
        self.works.append(Blocked())
        return self.works[-1]

    async def __aenter__(self):
        await self.transcoder.open(None, {})
        return self

    async def __aexit__(self, *_):
        self.go()
        await self.transcoder.close()

    def go(self):
        for work in self.works:
            work.go.set()

    def feed(self, first, last, key=()):
        for n in range(first, last):
            self.transcoder.feed(Picture(0, n, 1, 0, n in key, b"P", 0))

    async def until(self, time):
        """Times of the pictures that were answered up to this one."""
        times = []
        while not times or times[-1] != time:
            answer = await asyncio.wait_for(self.answers.get(), 20)
            times.append(answer.pictures[0].time)
        return times


async def test_what_waits_is_bounded_and_goes_on_with_the_next_key_frame(monkeypatch):
    async with Line(monkeypatch) as line:
        count = WAITING_PICTURES_MAX
        line.feed(0, 3 * count, key=(0,))
        line.feed(3 * count, 3 * count + 3, key=(3 * count,))
        line.go()
        times = await line.until(3 * count + 2)
        assert times[-3:] == [3 * count + n for n in range(3)]
        assert len(times) <= 4  # one was being worked on
        assert line.transcoder.dropped == 3 * count + 3 - len(times)


async def test_large_pictures_are_bounded_too(monkeypatch):
    async with Line(monkeypatch) as line:
        half = bytes(transcoder.WAITING_BYTES_MAX // 2 + 1)
        for n in range(4):
            line.transcoder.feed(Picture(0, n, 1, 0, n == 0, half, 0))
        assert line.transcoder.dropped >= 2


async def test_answers_for_another_source_are_not_given(monkeypatch):
    async with Line(monkeypatch) as line:
        line.feed(0, 3, key=(0,))
        await line.transcoder.open(None, {})
        line.go()
        line.feed(10, 12, key=(10,))
        assert await line.until(11) == [10, 11]


async def test_a_failure_ends_the_lower_renditions_and_nothing_else(monkeypatch, caplog):
    async with Line(monkeypatch) as line:

        def fail(picture, late):
            raise ValueError("the scaler is on fire")

        line.works[0].take = fail
        line.feed(0, 1, key=(0,))
        answer = await asyncio.wait_for(line.answers.get(), 20)
        assert answer == ((), frozenset())
        assert "the scaler is on fire" in caplog.text
        line.feed(1, 5)
        assert line.transcoder.load is None

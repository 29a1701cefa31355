"""The open loop: in time, never queueing, ended cleanly."""

import threading
from itertools import count, pairwise

import pytest

np = pytest.importorskip("numpy")
av = pytest.importorskip("av")
from ngage.video import VideoUnavailable, message  # noqa: E402
from ngage.video.programme import Picture  # noqa: E402
from ngage.video.source import HANDOVER_PICTURES_MAX, Source  # noqa: E402

IMAGE = np.full((96, 64), 128, dtype=np.uint8)


class Still:
    """A grey picture, 100 a second; `draw` may be replaced."""

    width, height, fps = 64, 64, 100.0

    def __init__(self):
        self.closed = threading.Event()
        self.asked = []
        self.draw = lambda: IMAGE

    def pictures(self):
        for n in count():
            self.asked.append(n)
            yield Picture(n * 900, 900, self.draw)

    def sound(self, position, count):
        return np.zeros((2, count), dtype=np.float32)

    def close(self):
        self.closed.set()


async def described(source):
    """What comes after INIT."""
    batches = aiter(source)
    (init,) = await anext(batches)
    assert message.parse(init.data).type is message.Type.INIT
    async for parts in batches:
        yield parts


async def test_sound_stands_before_the_picture_of_its_instant():
    programme = Still()
    audio_end_us = video_end_us = 0
    async with Source(programme) as source:
        async for parts in described(source):
            renditions = [message.parse(part.data).rendition for part in parts]
            assert renditions == sorted(renditions, reverse=True)
            for part in map(message.parse, (p.data for p in parts)):
                if part.rendition:
                    audio_end_us = part.pts_us + 1024 * 1_000_000 // 48_000
                else:
                    video_end_us = part.pts_us + 10_000
                    assert audio_end_us >= video_end_us
            if video_end_us > 300_000:
                break
    assert programme.closed.is_set()


async def test_a_loop_that_does_not_listen_gets_few_pictures_and_no_queue():
    programme = Still()
    enough = threading.Event()

    def pictures():
        for picture in Still.pictures(programme):
            yield picture
            if picture.pts > 900 * 4 * HANDOVER_PICTURES_MAX:
                enough.set()

    programme.pictures = pictures
    async with Source(programme) as source:
        assert enough.wait(10)
        batches = []
        async for parts in described(source):
            batches.append(parts)
            if len(batches) == HANDOVER_PICTURES_MAX + 1:
                break
        assert source.dropped >= 2 * HANDOVER_PICTURES_MAX
    last = message.parse(batches[-1][-1].data)
    assert last.pts_us > 4 * HANDOVER_PICTURES_MAX * 10_000


async def test_a_slow_picture_makes_later_ones_be_dropped_not_late():
    programme = Still()
    calls = count()
    slow = threading.Event()

    def draw():
        if next(calls) == 3:
            slow.wait(0.2)
        return IMAGE

    programme.draw = draw
    pts = []
    async with Source(programme) as source:
        async for parts in described(source):
            pts += [m.pts_us for p in parts if not (m := message.parse(p.data)).rendition]
            if len(pts) > 10:
                break
        assert source.dropped >= 10
    assert max(b - a for a, b in pairwise(pts)) >= 100_000


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (RuntimeError("the tape has torn"), RuntimeError),
        (av.error.InvalidDataError(1, "the tape has torn"), VideoUnavailable),
    ],
    ids=["own", "of FFmpeg"],
)
async def test_an_error_of_the_programme_reaches_the_listener(error, seen):
    programme = Still()

    def broken():
        yield Picture(0, 900, lambda: IMAGE)
        raise error

    programme.pictures = broken
    with pytest.raises(seen, match="torn"):
        async with Source(programme) as source:
            async for _ in source:
                pass
    assert programme.closed.is_set()

"""A publisher's units, carried as they are."""

import asyncio
import sys

from ngage.studio.carried import WAITING_BATCHES_MAX
from ngage.video import renditions
from ngage.video.units import AudioConfig, VideoConfig, VideoUnit
from tests.helpers.media import AAC_CONFIG, AVCC
from tests.helpers.show import Show, video_ids

VIDEO = VideoConfig(0, AVCC, 640, 360)
AUDIO = AudioConfig(0, AAC_CONFIG, 44_100, 2)
WISHES = renditions.parse("180,120")


def picture(n, key=False, track=0):
    return VideoUnit(track, n * 3000, 0, key, b"\0\0\0\1P")


async def test_a_publisher_is_not_read_while_nobody_takes_what_came_of_it():
    async with Show() as show:
        await show.take(VIDEO, AUDIO)
        pictures = (picture(n, key=n == 0) for n in range(2 * WAITING_BATCHES_MAX))
        reading = asyncio.create_task(show.take(*pictures))
        await show.until(lambda m: True)
        assert not reading.done()
        await show.until(lambda m: m.seq == 2 * WAITING_BATCHES_MAX - 1)
        await reading


async def test_without_pyav_the_publishers_own_picture_is_shown_and_that_is_said_once(
    monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "ngage.video.transcoder", None)
    async with Show(WISHES) as show:
        for _ in range(2):
            await show.take(VIDEO, AUDIO, picture(0, key=True))
            show.carried.begin()
        assert [video_ids(about) for about in await show.inits(2)] == [[0], [0]]
    assert caplog.text.count("ngage[video]") == 1


async def test_where_no_lower_rendition_is_asked_for_nothing_is_made(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "ngage.video.transcoder", None)
    async with Show(renditions.parse("none")) as show:
        await show.take(VIDEO, AUDIO)
        assert [video_ids(about) for about in await show.inits(1)] == [[0]]
    assert "ngage[video]" not in caplog.text


async def test_of_several_renditions_of_the_publisher_nothing_is_made():
    async with Show(WISHES) as show:
        low = VideoConfig(1, AVCC, 320, 180)
        await show.take(VIDEO, low, AUDIO, picture(0, True), picture(0, True, track=1))
        (about,) = await show.inits(1)
        assert [t.get("height") for t in about["tracks"]] == [360, 180, None]
        await show.until(lambda m: m.rendition == 1)

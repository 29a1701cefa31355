"""A publisher of one size: what viewers get in every rendition, whatever it does."""

import math

import pytest

pytest.importorskip("av")
pytest.importorskip("numpy")
from ngage.video import renditions, transcoder
from ngage.video.message import Flag, Type
from ngage.video.units import AudioConfig, AudioUnit, VideoConfig, VideoUnit
from tests.helpers.carried import PLAIN, clip_units
from tests.helpers.show import Show, video_ids

WISHES = renditions.parse("180,120")


@pytest.fixture(autouse=True)
def never_late(monkeypatch):
    monkeypatch.setattr(transcoder, "LATE_PICTURES_MAX", math.inf)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clip_units(tmp_path_factory.mktemp("clip"), options=PLAIN, frames=25)


async def play(show, units):
    """Each picture once the one before it is there in the lowest rendition."""
    for unit in units:
        await show.take(unit)
        if isinstance(unit, VideoUnit):
            await show.until(lambda m: m.type is Type.MEDIA and m.rendition == 2)


async def test_three_renditions_and_one_sound(clip):
    units = sorted(
        (u for u in clip if isinstance(u, VideoUnit | AudioUnit)), key=lambda unit: unit.dts
    )
    configs = [u for u in clip if isinstance(u, VideoConfig | AudioConfig)]
    async with Show(WISHES) as show:
        await show.take(*configs)
        (about,) = await show.inits(1)
        assert video_ids(about) == [0, 1, 2]
        assert [t.get("height") for t in about["tracks"]] == [240, 180, 120, None]
        await play(show, units)
        media = show.messages[1:]
    for rendition in (0, 1, 2):
        mine = [m for m in media if m.rendition == rendition]
        assert [m.seq for m in mine] == list(range(25))
        assert [m.pts_us for m in mine if m.flags & Flag.KEY] == [
            m.pts_us for m in media if m.rendition == 0 and m.flags & Flag.KEY
        ]
    keys = [m for m in media if m.rendition < 64 and m.flags & Flag.KEY]
    assert [m.rendition for m in keys] == [0, 1, 2] * 3


async def test_who_comes_back_goes_on_in_every_rendition(clip):
    units = [u for u in clip if isinstance(u, VideoConfig | AudioConfig | VideoUnit)]
    async with Show(WISHES) as show:
        for _ in range(2):
            await play(show, units)
            show.carried.begin()
        first, second = await show.inits(2)
    assert first["timeline"] == second["timeline"]
    for rendition in (0, 1, 2):
        flags = [m.flags for m in show.messages if m.rendition == rendition]
        assert len(flags) == 50
        assert Flag.DISCONTINUITY in flags[25]
        assert sum(Flag.DISCONTINUITY in f for f in flags) == 1


async def test_a_jump_of_time_is_followed_in_every_rendition(clip):
    units = [u for u in clip if isinstance(u, VideoConfig | AudioConfig | VideoUnit)]
    jumped = [u._replace(dts=u.dts + 90_000_000) for u in units if isinstance(u, VideoUnit)]
    async with Show(WISHES) as show:
        await play(show, units + jumped)
    for rendition in (0, 1, 2):
        mine = [m for m in show.messages if m.rendition == rendition]
        assert [n for n, m in enumerate(mine) if m.flags & Flag.DISCONTINUITY] == [25]
        assert [m.pts_us for m in mine] == sorted(m.pts_us for m in mine)


async def test_another_size_midway_is_another_ladder(clip, tmp_path):
    units = [u for u in clip if isinstance(u, VideoConfig | AudioConfig | VideoUnit)]
    for unit in clip_units(tmp_path, options=PLAIN, frames=25, size=(480, 360)):
        if isinstance(unit, VideoConfig):
            units.append(unit)
        elif isinstance(unit, VideoUnit):
            units.append(unit._replace(dts=unit.dts + 90_000))
    async with Show(WISHES) as show:
        await play(show, units)
        first, second = await show.inits(2)
    assert first["timeline"] != second["timeline"]
    widths = [[t["width"] for t in about["tracks"][:3]] for about in (first, second)]
    assert widths == [[320, 240, 160], [480, 240, 160]]
    assert not any(m.flags & Flag.DISCONTINUITY for m in show.messages)


async def test_a_source_that_is_lower_than_all_is_shown_as_it_is(clip):
    async with Show(renditions.parse("auto")) as show:
        await show.take(*(u for u in clip if isinstance(u, VideoConfig | AudioConfig)))
        assert [video_ids(about) for about in await show.inits(1)] == [[0]]

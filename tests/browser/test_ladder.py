"""A ladder of renditions in a real browser: each player through the same changes of rung."""

import pytest

pytest.importorskip("av")
from tests.helpers.ladder import SIZES, LiveLadder
from tests.helpers.page import address, assert_clock_runs, assert_moves_on, assert_plays, until

pytestmark = pytest.mark.browser

SOUND = 64
HIGH, LOW = SIZES


@pytest.fixture(scope="module")
def running():
    with LiveLadder() as ladder:
        yield ladder


@pytest.fixture
def show(running):
    yield running
    running.reset()


@pytest.fixture(params=["mse", "webcodecs"])
def engine(request):
    return request.param


@pytest.fixture
def watch(show, engine, open_page):
    """watch(query): the player, once it shows pictures."""

    def open_one(query="", prepare=lambda page: None):
        page = open_page(f"{address(show)}?player={engine}{query}", prepare)
        until(page, f"ngage.engine === '{engine}' && ngage.frames > 5 && ngage.rendition === 0")
        return page

    return open_one


@pytest.fixture
def look(engine):
    name = {"mse": "look", "webcodecs": "lookAtCanvas"}[engine]
    return lambda page, count: page.evaluate("([name, n]) => window[name](n)", [name, count])


def sizes(frames):
    return [(frame["width"], frame["height"]) for frame in frames]


def test_another_rung_goes_on_where_the_last_one_ended(show, engine, watch, look):
    page = watch()
    frames = look(page, 5)
    for rung in (1, 0, 1):
        show.rung = rung
        until(page, f"ngage.rendition === {rung}")
        frames += look(page, 10)
    assert_clock_runs(frames)
    assert sizes(frames[:5]) == [HIGH] * 5
    assert sizes(frames[-1:]) == [LOW]
    assert page.evaluate("() => ngage.skipped") == 0
    if engine == "mse":
        assert page.evaluate("() => document.querySelector('video').buffered.length") == 1


def test_a_rung_that_begins_with_what_has_been_shown_goes_on(show, watch, look):
    page = watch()
    before = look(page, 30)
    show.repeat_from_key(1)
    until(page, "ngage.rendition === 1")
    after = look(page, 40)
    assert_clock_runs([*before, *after])
    assert sizes(after[-1:]) == [LOW]
    assert page.evaluate("() => ngage.skipped") == 0


def test_it_drops_pictures_up_to_a_key_frame_after_a_hole(show, watch, look):
    page = watch()
    look(page, 5)
    show.leave_out(0, 3)
    until(page, "ngage.skipped >= 3")
    assert_plays(look(page, 40)[-20:])


def test_a_hole_in_the_sound_is_survived(show, watch, look):
    page = watch()
    before = look(page, 5)
    show.leave_out(SOUND, 20)
    after = look(page, 60)
    assert_moves_on([*before, *after])
    assert_plays(after[-20:])
    assert page.evaluate("() => ngage.skipped") == 0

"""A ladder of renditions in a real browser: each player through the same changes of rung."""

import pytest

pytest.importorskip("av")
from tests.helpers.live_ladder import SIZES, SOUND_ONLY, SOUND_ONLY_RUNG
from tests.helpers.page import (
    POSITION,
    address,
    assert_clock_runs,
    assert_moves_on,
    assert_plays,
    until,
)

pytestmark = pytest.mark.browser

SOUND = 64
SLOW = "Sound only: the connection is slow"
HIGH, LOW = SIZES


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


def notice(page, text):
    until(page, f"document.getElementById('message').textContent === '{text}'")


def pass_seconds(page, engine, seconds):
    """Of the programme, as the player plays it."""
    end = page.evaluate(f"() => {POSITION[engine]}") + seconds
    until(page, f"{POSITION[engine]} >= {end}")


def test_where_there_is_sound_only_it_goes_on_and_so_does_the_picture_after_it(
    show, engine, watch, look
):
    page = watch()
    before = look(page, 5)
    show.rung = SOUND_ONLY_RUNG
    until(page, f"ngage.rendition === {SOUND_ONLY}")
    notice(page, SLOW)
    pass_seconds(page, engine, 4)
    assert page.evaluate("() => [ngage.state, ngage.reconnects]") == ["live", 0]
    show.rung = 1
    until(page, "ngage.rendition === 1")
    notice(page, "")
    after = look(page, 30)
    assert sizes(after[-1:]) == [LOW]
    assert_clock_runs([*before, *after])
    if engine == "mse":
        assert page.evaluate("() => document.querySelector('video').buffered.length") == 1


def test_who_comes_while_there_is_sound_only_hears_it_and_then_sees(show, engine, open_page, look):
    first = open_page(f"{address(show)}?player={engine}")
    show.rung = SOUND_ONLY_RUNG
    until(first, f"ngage.rendition === {SOUND_ONLY}")
    page = open_page(f"{address(show)}?player={engine}")
    until(page, f"ngage.rendition === {SOUND_ONLY}")
    notice(page, SLOW)
    page.get_by_role("button", name="Turn sound on").click()
    pass_seconds(page, engine, 1)
    if engine == "mse":
        assert page.evaluate("() => document.querySelector('video').webkitAudioDecodedByteCount")
    show.rung = 0
    until(page, "ngage.rendition === 0")
    notice(page, "")
    frames = look(page, 30)
    assert_plays(frames)
    assert sizes(frames[:1]) == [HIGH]


def test_sound_only_says_whether_it_was_chosen(show, watch):
    page = watch()
    page.get_by_role("combobox", name="Quality").select_option("Sound only")
    show.rung = SOUND_ONLY_RUNG
    notice(page, "Sound only, as chosen")
    page.get_by_role("combobox", name="Quality").select_option(value="auto")
    notice(page, SLOW)
    until(page, "document.querySelector('select').selectedOptions[0].text === 'Auto, sound only'")


def test_cues_come_while_there_is_sound_only(show, engine, watch):
    page = watch()
    show.rung = SOUND_ONLY_RUNG
    until(page, f"ngage.rendition === {SOUND_ONLY}")
    show.cue({"text": "still here"}, 500_000)
    until(page, "document.getElementById('caption').textContent === 'still here'")

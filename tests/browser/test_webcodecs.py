"""The player without a buffer, in a real browser."""

from itertools import pairwise

import pytest

pytest.importorskip("av")
from tests.helpers.page import Skip, address, assert_moves_on, assert_plays, look, until

pytestmark = pytest.mark.browser

VIDEO = "**/ws/demo:video"


def webcodecs(daemon):
    return address(daemon) + "?player=webcodecs"


def look_at_canvas(page, count):
    return page.evaluate("(count) => lookAtCanvas(count)", count)


def test_the_picture_moves_and_its_clock_runs(demo, open_page):
    page = open_page(webcodecs(demo))
    frames = look_at_canvas(page, 40)
    assert (frames[0]["width"], frames[0]["height"]) == (640, 360)
    assert_plays(frames)
    until(page, "ngage.engine === 'webcodecs' && ngage.state === 'live' && ngage.viewers > 0")
    assert page.evaluate("() => ngage.delayMs") > 0
    assert page.locator("#state").inner_text() == "Live"
    assert page.locator("video").count() == 0


def test_sound_is_one_click_away(demo, open_page):
    page = open_page(
        webcodecs(demo),
        lambda page: page.add_init_script(
            """
            window.heard = [];
            const start = AudioBufferSourceNode.prototype.start;
            AudioBufferSourceNode.prototype.start = function (at) {
              heard.push([at, this.buffer.duration, Math.max(...this.buffer.getChannelData(0))]);
              return start.call(this, at);
            };
            """
        ),
    )
    look_at_canvas(page, 5)
    page.get_by_role("button", name="Turn sound on").click()
    until(page, "heard.length >= 100")
    heard = page.evaluate("() => heard")
    # Blocks that follow each other, and the beep of the test picture among them.
    assert all(later >= at for (at, *_), (later, *_) in pairwise(heard))
    assert max(peak for *_, peak in heard) > 0.1
    page.get_by_role("button", name="Turn sound off").click()
    assert page.get_by_role("button", name="Turn sound on").is_visible()


def test_it_goes_on_at_the_next_key_frame_after_a_skip(demo, open_page):
    skip = Skip()
    page = open_page(webcodecs(demo), lambda page: page.route_web_socket(VIDEO, skip.relay))
    before = look_at_canvas(page, 20)
    skip.groups = 2
    until(page, "ngage.skipped > 0")
    after = look_at_canvas(page, 40)
    assert before[-1]["time"] < after[0]["time"]
    assert_plays(after)


def test_it_comes_back_after_the_connection_is_lost(demo, open_page):
    lines = []

    def relay(line):
        lines.append(line)
        line.connect_to_server()

    page = open_page(webcodecs(demo), lambda page: page.route_web_socket(VIDEO, relay))
    before = look_at_canvas(page, 20)
    lines[0].close(code=1012)
    until(page, "ngage.reconnects === 1 && ngage.state === 'live'")
    after = look_at_canvas(page, 20)
    assert before[-1]["time"] < after[-1]["time"]
    assert_moves_on(after)


def test_where_there_is_no_media_source_it_is_the_one_that_plays(demo, open_page):
    page = open_page(
        address(demo),
        lambda page: page.add_init_script("delete window.MediaSource"),
    )
    assert_moves_on(look_at_canvas(page, 10))


def test_media_source_is_the_one_that_plays_otherwise(demo, open_page):
    page = open_page(address(demo))
    look(page, 5)
    assert page.evaluate("() => ngage.engine") == "mse"


def test_where_there_is_neither_the_browser_plays_hls(demo, open_page):
    page = open_page(
        address(demo),
        lambda page: page.add_init_script("delete window.MediaSource; delete window.VideoDecoder;"),
    )
    kind = "application/vnd.apple.mpegurl"
    if not page.evaluate(f"() => document.createElement('video').canPlayType('{kind}')"):
        pytest.skip("this Chromium plays no HLS by itself")
    frames = look(page, 20)
    assert_moves_on(frames)
    until(page, "ngage.engine === 'hls' && ngage.state === 'live'")

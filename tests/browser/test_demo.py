"""The demo as its viewers see it: the picture in a real browser."""

import pytest

pytest.importorskip("av")
from tests.helpers.clips import make_clip
from tests.helpers.daemon import Daemon
from tests.helpers.page import Skip, address, assert_moves_on, assert_plays, changed, look, until

pytestmark = pytest.mark.browser

VIDEO = "**/ws/demo:video"


def test_the_picture_moves_and_its_clock_runs(demo, open_page):
    page = open_page(address(demo))
    frames = look(page, 40)
    assert (frames[0]["width"], frames[0]["height"]) == (640, 360)
    assert_plays(frames)
    until(page, "ngage.state === 'live' && ngage.viewers > 0")
    figures = page.evaluate("() => ngage")
    assert figures["delayMs"] > 0
    assert figures["frames"] >= 40
    assert figures["skipped"] == 0
    assert page.locator("#state").inner_text() == "Live"


def test_the_page_measures_the_delay_that_the_picture_shows(demo, open_page):
    """The clock in the picture is drawn when t_in is taken: both tell the same age of a frame."""
    page = open_page(address(demo))
    look(page, 30)
    ages = page.evaluate(
        """async () => {
            const ages = [];
            for (let i = 0; i < 40; i++) {
                const [frame] = await look(1);
                const now = Date.now() % 2 ** 32;
                ages.push(now - frame.clock - ngage.delayMs);
            }
            return ages.sort((a, b) => a - b);
        }"""
    )
    assert abs(ages[len(ages) // 2]) < 250


def test_a_late_joiner_plays_and_is_counted(demo, open_page):
    first = open_page(address(demo))
    look(first, 30)
    second = open_page(address(demo))
    assert_plays(look(second, 30))
    assert_plays(look(first, 10))
    for page in (first, second):
        until(page, "ngage.viewers === 2")


def test_sound_is_one_click_away(demo, open_page):
    page = open_page(address(demo))
    look(page, 1)
    video = page.locator("video")
    assert video.evaluate("(video) => video.muted")
    page.get_by_role("button", name="Turn sound on").click()
    assert not video.evaluate("(video) => video.muted")
    look(page, 30)
    assert video.evaluate("(video) => video.webkitAudioDecodedByteCount") > 0
    page.get_by_role("button", name="Turn sound off").click()
    assert video.evaluate("(video) => video.muted")


def test_it_comes_back_after_the_connection_is_lost(demo, open_page):
    """1012, service restart: the player waits, connects again, and plays the same timeline on."""
    lines = []

    def relay(line):
        lines.append(line)
        line.connect_to_server()

    page = open_page(address(demo), lambda page: page.route_web_socket(VIDEO, relay))
    before = look(page, 20)
    lines[0].close(code=1012)
    until(page, "ngage.reconnects === 1 && ngage.state === 'live'")
    after = look(page, 40)
    assert_plays(after)
    assert before[-1]["time"] < after[0]["time"]
    assert len(lines) == 2


@pytest.mark.parametrize("code", [3500, 3999, 4500, 4999])
def test_a_terminal_close_code_ends_it(demo, open_page, code):
    lines = []

    def relay(line):
        lines.append(line)
        line.connect_to_server()

    page = open_page(address(demo), lambda page: page.route_web_socket(VIDEO, relay))
    look(page, 5)
    lines[0].close(code=code, reason="see you tomorrow")
    until(page, "ngage.state === 'ended'")
    until(page, "document.getElementById('message').textContent === 'see you tomorrow'")
    assert len(lines) == 1


def test_it_goes_on_at_the_next_key_frame_after_a_skip(demo, open_page):
    """What a slow viewer gets: a hole that ends at a key frame, seen as a hole in seq."""
    skip = Skip()
    page = open_page(address(demo), lambda page: page.route_web_socket(VIDEO, skip.relay))
    before = look(page, 20)
    skip.groups = 2
    until(page, "ngage.skipped > 0")
    after = look(page, 40)
    assert before[-1]["time"] < after[-1]["time"]
    assert_plays(after[-20:])
    assert page.evaluate("() => ngage.skipped") >= 30


def test_a_file_is_played_instead(tmp_path, open_page):
    clip = make_clip(tmp_path / "clip.mp4", fps=30, frames=45, size=(320, 180))
    with Daemon("--demo", str(clip)) as daemon:
        page = open_page(address(daemon))
        frames = look(page, 60)
        assert (frames[0]["width"], frames[0]["height"]) == (320, 180)
        assert_moves_on(frames)
        assert max(changed(frames[0], frame) for frame in frames) > 20


def test_without_an_encoder_the_demo_says_so_and_runs_the_rest(tmp_path, open_page):
    (tmp_path / "av.py").write_text("raise ImportError('no av here')\n")
    with Daemon("--demo", env={"PYTHONPATH": str(tmp_path)}) as daemon:
        page = open_page(address(daemon))
        until(page, "document.getElementById('message').textContent.includes('ngage[video]')")
        until(page, "ngage.viewers === 1")
        assert page.locator("#state").inner_text() == "No picture"
        assert daemon.log().count("no picture: install ngage[video]") == 1


def test_a_browser_that_cannot_play_is_told(demo, open_page):
    remove = (
        "delete window.MediaSource; delete window.VideoDecoder;"
        "HTMLMediaElement.prototype.canPlayType = () => '';"
    )
    page = open_page(address(demo), lambda page: page.add_init_script(remove))
    until(page, "ngage.state === 'unsupported'")
    assert "no way to play" in page.locator("#message").inner_text()

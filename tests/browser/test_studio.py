"""What a studio pushes, in a real browser: a test picture, and what FFmpeg sends as OBS would."""

import shutil
import subprocess

import pytest

pytest.importorskip("av")
from tests.helpers.daemon import Daemon
from tests.helpers.page import address, assert_moves_on, assert_plays, look, until
from tests.helpers.studio import Studio, intake
from tests.helpers.wait import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def edge():
    with Daemon("--studio", "127.0.0.1:0") as daemon:
        yield daemon


def test_a_test_picture_plays_at_the_edge(edge, open_page):
    with Studio("pattern", "--edge", intake(edge)):
        page = open_page(address(edge))
        assert_plays(look(page, 40))
        until(page, "ngage.state === 'live' && ngage.viewers > 0")
    until(page, "ngage.state === 'failed'")
    assert page.locator("#message").inner_text() == "No picture: the studio is away."


@pytest.fixture
def push(edge):
    """push(source, *options): FFmpeg publishes a clip there."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    running = []

    def start(source, key="secret", size="320x240"):
        picture = f"testsrc2=size={size}:rate=30"
        command = [
            *(ffmpeg, "-v", "error", "-re", "-f", "lavfi", "-i", picture),
            *("-f", "lavfi", "-i", "sine=frequency=440", "-t", "60"),
            *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", "30"),
            *("-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv", f"{source}/{key}"),
        ]
        running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_publisher_over_rtmp_plays_goes_and_comes_back(edge, push, open_page):
    arguments = ("--edge", intake(edge), "--channel", "stage:main", "--stream-key", "secret")
    with Studio("rtmp://127.0.0.1:0/live", *arguments) as studio:
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
        first = push(studio.source)
        page = open_page(address(edge) + "?channel=stage:main")
        before = look(page, 40)
        assert_moves_on(before)
        assert (before[0]["width"], before[0]["height"]) == (320, 240)
        first.kill()
        first.wait()
        push(studio.source)
        after = look(page, 40)
        assert_moves_on(after)
        assert before[-1]["time"] < after[0]["time"]
        assert page.evaluate("() => ngage.reconnects") == 0


def test_a_publisher_that_changes_its_size_starts_the_players_anew(edge, push, open_page):
    arguments = ("--edge", intake(edge), "--channel", "stage:side", "--stream-key", "secret")
    with Studio("rtmp://127.0.0.1:0/live", *arguments) as studio:
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
        first = push(studio.source)
        page = open_page(address(edge) + "?channel=stage:side")
        look(page, 10)
        first.kill()
        first.wait()
        push(studio.source, size="480x270")
        page.evaluate("() => until(() => document.querySelector('video').videoWidth === 480)")
        assert_moves_on(look(page, 20))

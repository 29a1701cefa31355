"""What a studio pushes, in a real browser: a test picture, and what FFmpeg sends as OBS would."""

import shutil
import socket
import subprocess

import pytest

pytest.importorskip("av")
from tests.helpers.daemon import Daemon
from tests.helpers.page import address as address_of_page
from tests.helpers.page import assert_moves_on, assert_plays, look, until
from tests.helpers.studio import Studio, intake
from tests.helpers.wait import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def edge():
    with Daemon("--studio", "127.0.0.1:0") as daemon:
        yield daemon


def test_a_test_picture_plays_at_the_edge(edge, open_page):
    with Studio("pattern", "--edge", intake(edge)):
        page = open_page(address_of_page(edge))
        assert_plays(look(page, 40))
        until(page, "ngage.state === 'live' && ngage.viewers > 0")
    away = "No picture: the studio is away."
    until(page, f"document.getElementById('message').textContent === '{away}'")


@pytest.fixture
def push(edge):
    """push(target, ...): FFmpeg publishes a test picture and a tone there."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    running = []

    def start(target, size="320x240", form="flv"):
        picture = f"testsrc2=size={size}:rate=30"
        command = [
            *(ffmpeg, "-v", "error", "-re", "-f", "lavfi", "-i", picture),
            *("-f", "lavfi", "-i", "sine=frequency=440", "-t", "60"),
            *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", "30"),
            *("-pix_fmt", "yuv420p", "-c:a", "aac", "-f", form, target),
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
        first = push(f"{studio.source}/secret")
        page = open_page(address_of_page(edge) + "?channel=stage:main")
        before = look(page, 40)
        assert_moves_on(before)
        assert (before[0]["width"], before[0]["height"]) == (320, 240)
        first.kill()
        first.wait()
        push(f"{studio.source}/secret")
        after = look(page, 40)
        assert_moves_on(after)
        assert before[-1]["time"] < after[0]["time"]
        assert page.evaluate("() => ngage.reconnects") == 0


def test_a_publisher_that_changes_its_size_starts_the_players_anew(edge, push, open_page):
    arguments = ("--edge", intake(edge), "--channel", "stage:side", "--stream-key", "secret")
    with Studio("rtmp://127.0.0.1:0/live", *arguments) as studio:
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
        first = push(f"{studio.source}/secret")
        page = open_page(address_of_page(edge) + "?channel=stage:side")
        look(page, 10)
        first.kill()
        first.wait()
        push(f"{studio.source}/secret", size="480x270")
        page.evaluate("() => until(() => document.querySelector('video').videoWidth === 480)")
        assert_moves_on(look(page, 20))


def test_what_ffmpeg_reads_from_srt_plays(edge, push, open_page):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"srt://127.0.0.1:{free.getsockname()[1]}"
    arguments = ("--edge", intake(edge), "--channel", "stage:srt")
    with Studio(f"{address}?mode=listener", *arguments) as studio:
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")

        def arrived():
            return "video: H.264" in studio.log()

        def call():
            caller = push(f"{address}?mode=caller", form="mpegts")
            wait_until(lambda: arrived() or caller.poll() is not None, "the caller's fate")

        # A caller that comes before the listener gives up after 3 s.
        while not arrived():
            call()
        page = open_page(address_of_page(edge) + "?channel=stage:srt")
        frames = look(page, 30)
        assert_moves_on(frames)
        assert (frames[0]["width"], frames[0]["height"]) == (320, 240)

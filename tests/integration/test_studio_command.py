"""ngage-studio as an operator meets it: its line, its exit codes, an edge that is upgraded."""

import shutil
import signal
import time

import pytest
from websockets.sync.client import connect

from ngage.video import message
from ngage.video.message import Flag, Type
from tests.helpers.daemon import Daemon
from tests.helpers.studio import Studio, intake, run_studio
from tests.helpers.successors import upgradable
from tests.helpers.wait import wait_until

pytest.importorskip("av")


def first_messages(daemon, channel, count):
    with connect(f"{daemon.url}/ws/{channel}", max_size=None) as viewer:
        return [message.parse(viewer.recv(20)) for _ in range(count)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rtmp://127.0.0.1:0",), "rtmp://HOST:PORT/APP"),
        (("rtmp://127.0.0.1:0/live",), "--stream-key"),
        (("pattern", "--edge", "http://127.0.0.1:1"), "ws://HOST:PORT"),
        (("pattern", "--edge", "ws://127.0.0.1"), "ws://HOST:PORT"),
        ((), "SOURCE"),
    ],
)
def test_wrong_usage_says_what_is_right(arguments, said):
    code, error = run_studio(*arguments)
    assert code == 2
    assert said in error
    assert "Traceback" not in error


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    code, error = run_studio(str(tmp_path / "none.mp4"))
    assert code == 1
    assert "none.mp4 cannot be read: No such file or directory" in error


def test_a_source_that_needs_ffmpeg_says_so_where_there_is_none():
    code, error = run_studio("srt://127.0.0.1:1?mode=listener", "--ffmpeg", "no-such-ffmpeg")
    assert code == 1
    assert "apt-get install ffmpeg" in error


def test_a_passphrase_in_a_source_is_shown_nowhere():
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    secret = "passphrase=do-not-show-this"
    with Studio(
        f"srt://127.0.0.1:1?mode=nonsense&{secret}", "--edge", "ws://127.0.0.1:1"
    ) as studio:
        assert studio.source == "srt://127.0.0.1:1"
        wait_until(lambda: "FFmpeg has ended" in studio.log(), "FFmpeg to give up")
        assert secret not in studio.log()


def test_a_studio_that_an_edge_refuses_ends_with_the_reason():
    with Daemon("--studio", "127.0.0.1:0", "--api-key", "secret") as daemon:
        code, error = run_studio("pattern", "--edge", intake(daemon), "--api-key", "wrong")
    assert code == 1
    assert "X-API-Key is missing or wrong" in error


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_test_picture_reaches_viewers_until_a_signal_ends_it(number, code):
    with Daemon("--studio", "127.0.0.1:0") as daemon:
        arguments = ("pattern", "--edge", intake(daemon), "--channel", "stage:main", "--report=1")
        with Studio(*arguments) as studio:
            wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
            wait_until(lambda: "messages/s" in studio.log(), "a report")
            init, first, *_ = first_messages(daemon, "stage:main", 3)
            assert (init.type, first.type) == (Type.INIT, Type.MEDIA)
            assert (first.rendition, first.flags) == (0, Flag.KEY)
            assert studio.stop(number) == code
            assert "Traceback" not in studio.log()


def test_an_upgraded_edge_is_supplied_on_the_same_port():
    with Daemon("--studio", "127.0.0.1:0") as finding:
        address = intake(finding)
    with (
        upgradable("--studio", address.removeprefix("ws://")) as (daemon, successors),
        Studio("pattern", "--edge", address) as studio,
    ):
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
        (before,) = first_messages(daemon, "live", 1)
        successors.upgrade()
        wait_until(lambda: studio.log().count("connected") == 2, "it to be connected again")
        upgraded_us = time.time_ns() // 1000
        with connect(f"{daemon.url}/ws/live", max_size=None) as viewer:
            assert message.parse(viewer.recv(20)).payload == before.payload  # the same timeline
            while message.parse(viewer.recv(20)).t_in_us < upgraded_us:
                pass

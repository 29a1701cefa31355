"""ngage-studio as an operator meets it: its line, its exit codes, an edge that is upgraded."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.sync.server import serve

from ngage.video import message
from ngage.video.message import Flag, Type
from tests.helpers.carried import PLAIN
from tests.helpers.clips import make_clip
from tests.helpers.daemon import Daemon
from tests.helpers.studio import Studio, intake, run_studio
from tests.helpers.successors import upgradable
from tests.helpers.wait import wait_until

pytest.importorskip("av")
PUSH = Path(__file__).parents[1] / "helpers/push.py"
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


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
        (("pattern", "--renditions", "high"), "HEIGHT:KBPS"),
        (("pattern", "--renditions", "480:1"), "50 to 20000 kbit/s"),
        (("pattern", "--audio-kbps", "8"), "32 to 320"),
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


@needs_ffmpeg
@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("srt://127.0.0.1:1?mode=nonsense&passphrase=not-to-be-shown", "srt://127.0.0.1:1"),
        ("rtsp://user:not-to-be-shown@127.0.0.1:1/camera", "rtsp://127.0.0.1:1/camera"),
    ],
)
def test_a_passphrase_in_a_source_is_shown_nowhere(source, shown):
    with Studio(source, "--edge", "ws://127.0.0.1:1") as studio:
        assert studio.source == shown
        wait_until(lambda: "FFmpeg has ended" in studio.log(), "FFmpeg to give up")
        assert "not-to-be-shown" not in studio.log()


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


def ffprobe(file):
    """(width, height, pictures) of a file, by FFmpeg's own decoder."""
    said = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v"),
            *("-show_entries", "stream=width,height,nb_read_frames", "-of", "csv=p=0", str(file)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""
    return tuple(map(int, said.stdout.strip().split(",")))


@contextlib.contextmanager
def listening():
    """An edge that keeps what is pushed to it: (its address, the messages)."""
    messages = []

    def keep(link):
        for data in link:
            messages.append(message.parse(data))

    with serve(keep, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", messages
        finally:
            server.shutdown()
            thread.join()


def renditions(messages, folder):
    """By rendition of the picture: (ffprobe's figures, the messages, pts of its key frames)."""
    init = next(m for m in messages if m.type is Type.INIT)
    about, inits = message.parse_tracks(init.payload)
    found = {}
    for track, segment in zip(about["tracks"], inits, strict=True):
        mine = [m for m in messages if m.type is Type.MEDIA and m.rendition == track["id"]]
        if track["kind"] == "video":
            file = folder / f"{track['id']}.mp4"
            file.write_bytes(segment + b"".join(m.payload for m in mine))
            keys = [m.pts_us for m in mine if m.flags & Flag.KEY]
            found[track["id"]] = ffprobe(file), len(mine), keys
    return found


def pictures(messages):
    return [m for m in messages if m.type is Type.MEDIA and m.rendition < 64]


def clocks(messages):
    return [json.loads(m.payload) for m in messages if m.type is Type.CLOCK]


def key_frames(messages):
    return sum(m.rendition == 0 and m.type is Type.MEDIA and m.flags & Flag.KEY for m in messages)


@needs_ffmpeg
def test_a_test_picture_is_shown_in_the_renditions_that_are_asked_for(tmp_path):
    with (
        listening() as (edge, messages),
        Studio("pattern", "--edge", edge, "--renditions", "180:300,240", "--report=1") as studio,
    ):
        wait_until(lambda: key_frames(messages) >= 3, "three key frames")
        wait_until(lambda: clocks(messages), "a CLOCK")
        wait_until(lambda: "% busy" in studio.log(), "a report of the encoder")
        for stage in ("draw", "360p", "240p", "180p", "package", "held"):
            assert f"{stage} " in studio.log()
        assert studio.stop(signal.SIGTERM) == 0
    told = clocks(messages)[0]
    assert told["dropped"] >= 0
    assert 0 < len(told["made_ms"]) <= 500
    assert messages[0].type is Type.INIT
    found = renditions(messages, tmp_path)
    assert [figures[:2] for figures, *_ in found.values()] == [(640, 360), (426, 240), (320, 180)]
    for figures, count, keys in found.values():
        assert figures[2] == count
        assert keys == found[0][2]


@needs_ffmpeg
def test_a_publisher_of_one_size_is_shown_in_several(tmp_path):
    clip = make_clip(tmp_path / "clip.flv", frames=200, options=PLAIN)
    arguments = ("--stream-key", "secret", "--renditions", "180,120")
    with (
        listening() as (edge, messages),
        Studio("rtmp://127.0.0.1:0/live", "--edge", edge, *arguments) as studio,
    ):
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
        push = subprocess.Popen(
            [
                *("ffmpeg", "-v", "error", "-re", "-i", str(clip), "-c", "copy"),
                *("-f", "flv", f"{studio.source}/secret"),
            ],
            stdin=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: key_frames(messages) >= 4, "four key frames")
        finally:
            push.kill()
            push.wait()
        assert studio.stop(signal.SIGTERM) == 0
        assert "Traceback" not in studio.log()
    found = renditions(messages, tmp_path)
    assert [figures[:2] for figures, *_ in found.values()] == [(320, 240), (240, 180), (160, 120)]
    for figures, count, keys in found.values():
        assert figures[2] == count
        # An unlucky machine may be late at one of them, which is then left out.
        assert len(set(keys) & set(found[0][2])) == len(keys) >= 2


@needs_ffmpeg
def test_what_a_publisher_sends_in_several_sizes_is_shown_as_it_is(tmp_path):
    arguments = ("--stream-key", "secret", "--renditions", "180,120")
    with (
        listening() as (edge, messages),
        Studio("rtmp://127.0.0.1:0/live", "--edge", edge, *arguments) as studio,
    ):
        wait_until(lambda: "connected" in studio.log(), "the studio to be connected")
        push = [sys.executable, str(PUSH), f"{studio.source}/secret", "libx264:180", "libx264"]
        assert subprocess.run(push, stderr=subprocess.DEVNULL, check=False).returncode == 0
        wait_until(lambda: len(pictures(messages)) == 50, "all pictures")
        assert studio.stop(signal.SIGTERM) == 0
        assert "made of it" not in studio.log()
    found = renditions(messages, tmp_path)
    assert [figures for figures, *_ in found.values()] == [(320, 240, 25), (320, 180, 25)]
    assert found[0][2] == found[1][2]
    keys = [n for n, m in enumerate(pictures(messages)) if m.flags & Flag.KEY]
    assert keys[1::2] == [n + 1 for n in keys[::2]]


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

"""RTMP ingest from encoders that other people wrote: FFmpeg's program and its libraries."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from ngage.video import units
from tests.helpers.clips import make_clip
from tests.helpers.ingest import Client, Ingest
from tests.helpers.media import AVCC, video_tag
from tests.helpers.wait import eventually

av = pytest.importorskip("av")
pytest.importorskip("numpy")

ROOT = Path(__file__).parents[2]
FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(not FFMPEG, reason="ffmpeg is not installed")


async def ffmpeg(file, url, *arguments):
    """(exit status, what it says)"""
    process = await asyncio.create_subprocess_exec(
        *(FFMPEG, "-hide_banner", "-loglevel", "warning", "-i", str(file)),
        *(*(arguments or ("-c", "copy")), "-f", "flv", url),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.flv")


def contents(file):
    """What is in a file, as units: the first of each kind is its configuration."""
    video, sound = [], []
    with av.open(str(file)) as container:
        configs = [stream.codec_context.extradata for stream in container.streams]
        for packet in container.demux():
            if packet.dts is None:
                continue
            ticks = 90_000 * packet.time_base
            if packet.stream.type == "video":
                cts = int((packet.pts - packet.dts) * ticks)
                key = packet.is_keyframe
                video.append(units.VideoUnit(0, int(packet.dts * ticks), cts, key, bytes(packet)))
            else:
                sound.append(units.AudioUnit(0, int(packet.dts * ticks), bytes(packet)))
    return configs, video, sound


@needs_ffmpeg
async def test_what_ffmpeg_pushes_is_what_is_in_the_file(clip):
    async with Ingest() as ingest:
        status, said = await ffmpeg(clip, ingest.url())
        assert status == 0, said
        assert await ingest.ended() == ["the publisher has finished"]
    (given,) = ingest.publications
    (avcc, config), video, sound = contents(clip)
    assert len(video) == 50
    assert [unit for unit in given if isinstance(unit, units.VideoUnit)] == video
    assert [unit for unit in given if isinstance(unit, units.AudioUnit)] == sound
    first = {type(unit): unit for unit in reversed(given)}
    assert first[units.VideoConfig] == (0, avcc, 320, 240)
    assert first[units.AudioConfig] == (0, config, 44_100, 1)
    assert first[units.Metadata][:3] == (25.0, 320, 240)
    # The clip has B-frames, or the above says nothing of them.
    assert {unit.cts for unit in video} - {0}


@needs_ffmpeg
@pytest.mark.parametrize(
    ("path", "reason"),
    [("live/wrong", "the stream key is wrong"), ("other/secret", "application is not known")],
)
async def test_ffmpeg_is_told_why_it_may_not_publish(clip, path, reason):
    async with Ingest() as ingest:
        status, said = await ffmpeg(clip, ingest.url(path))
    assert status != 0
    assert reason in said
    assert ingest.publications == []


@needs_ffmpeg
async def test_the_codec_that_cannot_be_carried_is_named(clip):
    async with Ingest() as ingest:
        # It looks for answers between packets; a clip so short may be over before it does.
        await ffmpeg(clip, ingest.url(), "-c:v", "flv1", "-an")
        (reason,) = await ingest.ended()
    assert reason.startswith("Sorenson H.263 cannot be carried")


@needs_ffmpeg
async def test_ffmpeg_cannot_play(clip):
    async with Ingest() as ingest:
        process = await asyncio.create_subprocess_exec(
            *(FFMPEG, "-hide_banner", "-i", ingest.url(), "-f", "null", "-"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode != 0
    assert "it plays none" in said.decode()


@needs_ffmpeg
async def test_a_second_publisher_is_refused_while_the_first_lives(clip):
    async with Ingest() as ingest, Client(ingest) as first:
        await first.publish()
        status, said = await ffmpeg(clip, ingest.url())
        assert status != 0
        assert "already" in said
        # Another stream is free, and the first publisher goes on.
        status, said = await ffmpeg(clip, ingest.url("live/other"))
        assert status == 0, said
        first.peer.video(0, video_tag(0, AVCC))
        await first.send()
        await eventually(lambda: ingest.publications[0], "a unit of the first")


async def encode(url, *codecs):
    """Push pictures with the libraries of a newer FFmpeg; the exit status.

    In a process of its own, for PyAV holds the GIL while it connects.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "tests/helpers/push.py"), url, *codecs),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def test_hevc_is_refused_by_its_name():
    """A newer FFmpeg sends it with an extended header."""
    async with Ingest() as ingest:
        await encode(ingest.url(), "libx265")
        assert await ingest.ended() == [
            "HEVC cannot be carried, only H.264: choose it in the encoder"
        ]


async def test_several_renditions_in_one_connection():
    async with Ingest() as ingest:
        assert await encode(ingest.url(), "libx264", "libx264") == 0
        await ingest.ended()
    (given,) = ingest.publications
    for track in (0, 1):
        assert [unit.width for unit in given if unit[:1] == (track,) and len(unit) == 4] == [320]
        pictures = [
            unit for unit in given if isinstance(unit, units.VideoUnit) and unit.track == track
        ]
        assert len(pictures) == 25
        assert pictures[0].key

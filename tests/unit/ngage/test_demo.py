"""The demo against an edge that only remembers what it is told."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest

from ngage import demo
from ngage.video import message
from ngage.video.message import Flag, Type
from tests.helpers.hls_media import Remembering

LOG = logging.getLogger("test.demo")


class Channel:
    def __init__(self, options):
        self.options = options
        self.subscribers = 3
        self.told = asyncio.Queue()

    def preamble(self, data):
        self.told.put_nowait(("preamble", data, False))

    def publish(self, data, sync=False, *, group=0, independent=False):
        self.told.put_nowait(("publish", data, sync))

    def view(self, name, tick_ms):
        pass


class Edge(Remembering):
    def __init__(self):
        super().__init__()
        self.channels = {}

    def channel(self, name, **options):
        return self.channels.setdefault(name, Channel(options))

    def ladder(self, rungs, *, last_resort):
        pass


@asynccontextmanager
async def running(file=None):
    edge = Edge()
    task = asyncio.create_task(demo.run(edge, file, LOG))
    await asyncio.sleep(0)
    yield edge
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_viewer_can_start_at_the_preamble_and_a_sync_point():
    pytest.importorskip("av")
    async with running() as edge:
        channel = edge.channels["demo:video"]
        assert channel.options["lag"] == "keyframe"
        kind, data, _ = await channel.told.get()
        assert kind == "preamble"
        about, _ = message.parse_tracks(message.parse(data).payload)
        assert [track["kind"] for track in about["tracks"]] == ["video", "audio"]
        syncs = 0
        while syncs < 2:
            kind, data, sync = await channel.told.get()
            assert kind == "publish"
            media = message.parse(data)
            assert media.type is Type.MEDIA
            assert sync == (media.rendition == 0 and media.flags == Flag.KEY)
            syncs += sync


async def test_the_page_is_told_of_viewers_and_delay():
    pytest.importorskip("av")
    async with running() as edge:
        told = edge.channels["demo:video:info"].told
        _, first, _ = await told.get()
        assert json.loads(first) == {
            **{"viewers": 3, "delay_ms": None, "stages": {"made": None, "link": None}},
            **{"dropped": 0, "notice": ""},
        }
        _, second, _ = await told.get()
        assert json.loads(second)["delay_ms"] > 0


async def test_a_file_that_is_no_video_costs_the_picture_only(tmp_path, caplog):
    pytest.importorskip("av")
    path = tmp_path / "talk.mp4"
    path.write_text("not a video")
    async with running(path) as edge:
        told = edge.channels["demo:video:info"].told
        notice = ""
        while not notice:
            notice = json.loads((await told.get())[1])["notice"]
    assert "talk.mp4" in notice
    assert [record.message for record in caplog.records] == [notice]
    assert edge.channels["demo:video"].told.empty()
    assert edge.expected == {}


async def test_the_same_picture_is_served_as_hls():
    pytest.importorskip("av")
    async with running() as edge:
        told = edge.channels["demo:video"].told
        assert list(edge.expected) == ["/hls/demo:video/live.m3u8"]
        while "/hls/demo:video/0.m3u8" not in edge.now:
            await told.get()
        assert b"0.m3u8" in edge.now["/hls/demo:video/live.m3u8"]
        assert b"#EXT-X-PART:" in edge.now["/hls/demo:video/0.m3u8"]

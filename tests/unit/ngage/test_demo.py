"""The demo against an edge that only remembers what it is told."""

import asyncio
import json
import logging
import re
from contextlib import asynccontextmanager

import pytest

from ngage import demo
from ngage.video import message
from ngage.video.message import Flag, Type

LOG = logging.getLogger("test.demo")


class Channel:
    def __init__(self, options):
        self.options = options
        self.subscribers = 3
        self.told = asyncio.Queue()

    def preamble(self, data):
        self.told.put_nowait(("preamble", data, False))

    def publish(self, data, *, sync=False):
        self.told.put_nowait(("publish", data, sync))


class Edge:
    def __init__(self):
        self.pages = {}
        self.expected = set()
        self.channels = {}

    def channel(self, name, **options):
        return self.channels.setdefault(name, Channel(options))

    def serve(self, path, body, content_type, headers=None):
        self.pages[path] = body, content_type, headers or {}

    def serve_playlist(self, path, playlist):
        self.pages[path] = playlist, "", {}

    def expect(self, path, seconds):
        self.expected.add(path)

    def unserve(self, path):
        self.expected.discard(path)
        return self.pages.pop(path, None) is not None


@asynccontextmanager
async def running(file=None):
    edge = Edge()
    task = asyncio.create_task(demo.run(edge, file, LOG))
    await asyncio.sleep(0)
    yield edge
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_page_has_all_that_it_names():
    async with running() as edge:
        body, content_type, headers = edge.pages["/"]
        assert content_type == "text/html; charset=utf-8"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        named = re.findall(r'(?:href|src)="([^"]+)"', body.decode())
        assert set(named) | {"/"} == set(edge.pages)


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
        told = edge.channels["demo:info"].told
        _, first, _ = await told.get()
        assert json.loads(first) == {"viewers": 3, "delay_ms": None, "dropped": 0, "notice": ""}
        _, second, _ = await told.get()
        assert json.loads(second)["delay_ms"] > 0


async def test_a_file_that_is_no_video_costs_the_picture_only(tmp_path, caplog):
    pytest.importorskip("av")
    path = tmp_path / "talk.mp4"
    path.write_text("not a video")
    async with running(path) as edge:
        told = edge.channels["demo:info"].told
        notice = ""
        while not notice:
            notice = json.loads((await told.get())[1])["notice"]
    assert "talk.mp4" in notice
    assert [record.message for record in caplog.records] == [notice]
    assert edge.channels["demo:video"].told.empty()
    assert edge.expected == set()


async def test_the_same_picture_is_served_as_hls():
    pytest.importorskip("av")
    async with running() as edge:
        told = edge.channels["demo:video"].told
        assert edge.expected == {"/hls/demo/live.m3u8"}
        while "/hls/demo/0.m3u8" not in edge.pages:
            await told.get()
        assert b"0.m3u8" in edge.pages["/hls/demo/live.m3u8"][0]
        assert b"#EXT-X-PART:" in edge.pages["/hls/demo/0.m3u8"][0].whole

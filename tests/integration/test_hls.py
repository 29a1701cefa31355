"""The demo's HLS as players and a CDN get it: over real sockets, read by FFmpeg."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import islice
from typing import Any

import m3u8
import pytest

import ngage
from ngage.video import message
from ngage.video.hls import Hls
from tests.helpers import hls_media as media
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Raw
from tests.helpers.wait import eventually

BASE = "/hls/demo:video/"
FFPROBE = shutil.which("ffprobe")


@pytest.fixture(scope="module")
def demo() -> Iterator[Daemon]:
    pytest.importorskip("av")
    with Daemon("--demo", "--shards", "2") as daemon:
        yield daemon


def text(client: Raw, target: str) -> str:
    answer = client.ask(target)
    assert answer.status == 200
    return answer.body.decode()


@pytest.mark.parametrize("uri", ["0.m3u8", "64.m3u8"])
def test_a_player_follows_the_live_edge(demo: Daemon, uri: str) -> None:
    """One connection: a blocking reload for each part, and the part."""
    with Raw(demo.public) as client:
        picture, sound = m3u8.loads(text(client, f"{BASE}live.m3u8")).playlists
        assert (picture.uri, sound.uri) == ("0.m3u8", "64.m3u8")
        path = f"{BASE}{uri}"
        playlist = m3u8.loads(text(client, path))
        newest = playlist.segments[-1]
        number = playlist.media_sequence + len(playlist.segments) - 1
        part = len(newest.parts)
        fetched = []
        while len(fetched) < 25:
            query = f"_HLS_msn={number}&_HLS_part={part}&_HLS_skip=YES"
            listed = text(client, f"{path}?{query}")
            found = re.search(rf'PART:.*URI="(.*/{number}\.{part}\.m4s)"', listed)
            if not found:  # the segment is complete without it: that part begins the next one
                number, part = number + 1, 0
                continue
            answer = client.ask(BASE + found[1])
            assert (answer.status, answer.body[4:8]) == (200, b"moof")
            fetched.append(answer.body)
            part += 1
    assert len(set(fetched)) == 25


def test_the_hinted_part_is_waited_for(demo: Daemon) -> None:
    with Raw(demo.public) as client, Raw(demo.public) as other:
        text(client, f"{BASE}live.m3u8")
        hint = m3u8.loads(text(client, f"{BASE}0.m3u8")).preload_hint
        for reader in (client, other):
            reader.send(reader.get(BASE + hint.uri))
        one, two = client.read_answer(), other.read_answer()
    assert one.status == 200
    assert one == two


def probe(public: tuple[str, int], path: str, *arguments: str) -> dict[str, Any]:
    if FFPROBE is None:
        pytest.skip("ffprobe is not installed")
    host, port = public
    run = subprocess.run(
        [
            *(FFPROBE, "-v", "error", "-print_format", "json", *arguments),
            f"http://{host}:{port}{path}",
        ],
        capture_output=True,
        check=True,
        timeout=50,
    )
    assert run.stderr == b""
    return dict(json.loads(run.stdout))


def test_ffprobe_reads_picture_and_sound(demo: Daemon) -> None:
    found = probe(
        *(demo.public, f"{BASE}live.m3u8"),
        *("-show_streams", "-show_packets", "-read_intervals", "%+4"),
    )
    kinds = {s["codec_name"]: s for s in found["streams"]}
    assert kinds.keys() == {"h264", "aac"}
    assert (kinds["h264"]["width"], kinds["h264"]["height"]) == (640, 360)
    packets = found["packets"]
    for kind in ("video", "audio"):
        times = [float(p["dts_time"]) for p in packets if p["codec_type"] == kind]
        assert len(times) > 60
        assert times == sorted(times)


async def test_ffprobe_reads_each_rung_of_a_ladder() -> None:
    """Two pictures of the same times and one sound, which every variant has."""
    ladder = pytest.importorskip("tests.helpers.ladder")
    async with ngage.Edge(listen="127.0.0.1:0") as edge:
        hls, made = Hls(edge, BASE), ladder.Ladder()
        for _ in range(200):
            for data in made.next():
                hls.take(message.parse(data))
        hls.end()
        what = "-show_streams", "-show_packets", "-show_programs"
        whole = await asyncio.to_thread(probe, edge.address, f"{BASE}live.m3u8", *what)
        single = [
            await asyncio.to_thread(probe, edge.address, f"{BASE}{number}.m3u8", *what)
            for number in (0, 1, 64)
        ]
    programs = [
        {stream["codec_name"]: stream.get("height") for stream in program["streams"]}
        for program in whole["programs"]
    ]
    assert programs == [{"h264": 360, "aac": None}, {"h264": 180, "aac": None}, {"aac": None}]
    sizes = [(s["width"], s["height"]) for found in single[:2] for s in found["streams"]]
    assert sizes == [(640, 360), (320, 180)]
    first, second, alone = (
        [(packet["dts_time"], packet["flags"][0]) for packet in found["packets"]]
        for found in single
    )
    assert first == second
    assert len(first) == 200
    assert [n for n, (_, flag) in enumerate(first) if flag == "K"] == list(range(0, 200, 30))
    assert len(alone) > 300
    assert [s["codec_name"] for s in single[2]["streams"]] == ["aac"]


async def test_two_edges_serve_the_same() -> None:
    messages = [media.init(video=2), *media.show(media.frames(300), video=2)]
    async with (
        ngage.Edge(listen="127.0.0.1:0") as one,
        ngage.Edge(listen="127.0.0.1:0", shards=3, backend="epoll") as two,
    ):
        answers = []
        for edge in (one, two):
            hls = Hls(edge, BASE)
            for data in messages:
                hls.take(message.parse(data))
            with Raw(edge.address) as client:
                seen = {}
                master = m3u8.loads(text(client, f"{BASE}live.m3u8"))
                for variant in master.playlists:
                    for query in ("", "?_HLS_msn=1", "?_HLS_skip=YES"):
                        seen[query, variant.uri] = client.ask(f"{BASE}{variant.uri}{query}")
                    listed = m3u8.loads(text(client, f"{BASE}{variant.uri}"))
                    names = {p.uri for s in listed.segments for p in s.parts}
                    names |= {s.uri for s in listed.segments if s.uri}
                    names |= {s.init_section.uri for s in listed.segments if s.init_section}
                    for name in names:
                        seen["", name] = client.ask(BASE + name)
                answers.append(seen)
        assert answers[0] == answers[1]
        assert len(answers[0]) > 70
        assert {answer.status for answer in answers[0].values()} == {200}


async def test_waiters_follow_the_packager() -> None:
    """A crowd parked on the playlist and on the hinted part gets both with the message that fills
    it."""
    stream = media.show(media.frames(600))
    shadow = media.Remembering()
    async with ngage.Edge(listen="127.0.0.1:0", shards=2) as edge:
        hls, told = Hls(edge, BASE), Hls(shadow, BASE)
        early = Raw(edge.address)
        early.send(early.get(f"{BASE}live.m3u8"))
        await eventually(lambda: edge.stats()["waiting"] == 1)
        for data in [media.init(), *islice(stream, 300)]:
            hls.take(message.parse(data))
            told.take(message.parse(data))
        answer = await asyncio.to_thread(early.read_answer)
        assert "0.m3u8" in answer.body.decode()
        playlist = m3u8.loads(text(early, f"{BASE}0.m3u8"))
        number = playlist.media_sequence + len(playlist.segments) - 1
        part = len(playlist.segments[-1].parts)
        targets = [
            f"{BASE}0.m3u8?_HLS_msn={number}&_HLS_part={part}",
            BASE + playlist.preload_hint.uri,
        ]
        clients = [Raw(edge.address) for _ in range(20)]
        for i, client in enumerate(clients):
            client.send(client.get(targets[i % 2]))
        await eventually(lambda: edge.stats()["waiting"] == 20)
        while targets[1] not in shadow.now:
            data = next(stream)
            hls.take(message.parse(data))
            told.take(message.parse(data))
        await eventually(lambda: edge.stats()["waiting"] == 0)
        for kind in range(2):
            bodies = {client.read_answer().body for client in clients[kind::2]}
            assert len(bodies) == 1
        for client in [early, *clients]:
            client.socket.close()

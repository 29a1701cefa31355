"""Requests for what is not there yet: who waits, for how long, and what ends it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import ngage
from ngage.responses import Playlist
from tests.helpers.backends import BACKENDS
from tests.helpers.raw import Answer, Raw
from tests.helpers.wait import eventually

LONG = 60  # seconds: a deadline that must play no part


def playlist(segment: int, parts: int, parts_before: int = 3, **changes: object) -> Playlist:
    """Two segments of three parts before; its text says what it is."""
    text = f"{segment}.{parts}".encode()
    values: dict[str, object] = {
        **{"whole": b"whole " + text, "delta": b"delta " + text, "segment": segment},
        **{"parts": parts, "parts_before": parts_before, "parts_ahead": 5},
        **{"wait_seconds": LONG, "ended": False},
        **{"headers": {"Cache-Control": "max-age=1"}},
        **{"blocking_headers": {"Cache-Control": "max-age=12"}},
    }
    return Playlist(**{**values, **changes})  # type: ignore[arg-type]


async def waiting(edge: ngage.Edge, count: int) -> None:
    await eventually(lambda: edge.stats()["waiting"] == count, f"{count} wait")


async def answer_of(client: Raw) -> Answer:
    return await asyncio.to_thread(client.read_answer)


@pytest.fixture(params=BACKENDS)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[ngage.Edge]:
    async with ngage.Edge(listen="127.0.0.1:0", shards=2, backend=request.param) as running:
        yield running
        await eventually(lambda: not running.connections, "everybody has gone")
        stats = running.stats()
        gauges = ("waiting", "inbound_states", "outboxes", "held_bytes")
        assert not any(stats[gauge] for gauge in gauges)


# What is expected


async def test_who_waits_in_any_shard_gets_the_same_bytes(edge: ngage.Edge) -> None:
    edge.expect("/part", LONG)
    clients = [Raw(edge.address) for _ in range(400)]
    for client in clients:
        client.send(client.get("/part"))
    await waiting(edge, 400)
    assert all(shard["waiting"] for shard in edge.shard_stats())
    edge.serve("/part", b"moof", "video/mp4")
    answers = [client.read_answer() for client in clients]
    assert answers == [answers[0]] * 400
    assert (answers[0].status, answers[0].body) == (200, b"moof")
    for client in clients:
        assert client.ask("/part").body == b"moof"
        client.socket.close()


async def test_a_query_of_its_own(edge: ngage.Edge) -> None:
    edge.serve("/page", b"any", "text/plain")
    edge.expect("/page?n=2", LONG)
    with Raw(edge.address) as client, Raw(edge.address) as other:
        client.send(client.get("/page?n=2"))
        await waiting(edge, 1)
        assert other.ask("/page?n=1").body == b"any"
        edge.serve("/page?n=2", b"two", "text/plain")
        assert client.read_answer().body == b"two"


async def test_waiting_is_for_its_own_path_only(edge: ngage.Edge) -> None:
    """Hundreds of paths: many share a room, none an answer."""
    paths = [f"/part{i}" for i in range(600)]
    clients = [Raw(edge.address) for _ in paths]
    for path, client in zip(paths, clients, strict=True):
        edge.expect(path, LONG)
        client.send(client.get(path))
    await waiting(edge, 600)
    for path in reversed(paths):
        edge.serve(path, path.encode(), "text/plain")
    for path, client in zip(paths, clients, strict=True):
        assert client.read_answer().body == path.encode()
        client.socket.close()


async def test_requests_behind_the_one_that_waits(edge: ngage.Edge) -> None:
    edge.serve("/a", b"a", "text/plain")
    edge.expect("/part", LONG)
    with Raw(edge.address) as witness:
        stream = witness.get("/a") + witness.get("/part") + witness.get("/a", "HEAD")
        for cut in range(1, len(stream)):
            with Raw(edge.address) as client:
                client.send(stream[:cut])
                witness.ask("/a")
                client.send(stream[cut:])
                assert client.read_answer().body == b"a"
                await waiting(edge, 1)
                edge.serve("/part", b"part", "video/mp4")
                assert client.read_answer().body == b"part"
                assert client.read_answer("HEAD").headers["content-length"] == "1"
                edge.unserve("/part")
                edge.expect("/part", LONG)


async def test_head_and_close_are_remembered(edge: ngage.Edge) -> None:
    edge.expect("/part", LONG)
    with Raw(edge.address) as head, Raw(edge.address) as last:
        head.send(head.get("/part", "HEAD"))
        last.send(last.get("/part", Connection="close"))
        await waiting(edge, 2)
        edge.serve("/part", b"moof", "video/mp4")
        assert head.read_answer("HEAD").headers["content-length"] == "4"
        assert head.ask("/part").body == b"moof"
        answer = last.read_answer()
        assert (answer.headers["connection"], answer.body) == ("close", b"moof")
        assert last.read_to_end() == b""


async def test_the_deadline(edge: ngage.Edge) -> None:
    edge.expect("/part", 0.1)
    with Raw(edge.address) as client:
        client.send(client.get("/part"))
        head = await asyncio.to_thread(client.read_head)
        assert (head.status, head.headers["retry-after"]) == (503, "5")
        client.read_to_end()
    assert edge.stats()["http_wait_timeouts"] == 1


@pytest.mark.parametrize("leave", ["fin", "reset"])
async def test_clients_that_go_leave_nothing(edge: ngage.Edge, leave: str) -> None:
    edge.expect("/part", LONG)
    clients = [Raw(edge.address) for _ in range(60)]
    for client in clients:
        client.send(client.get("/part"))
    await waiting(edge, 60)
    for client in clients[::2]:
        client.reset() if leave == "reset" else client.socket.close()
    await waiting(edge, 30)
    edge.serve("/part", b"moof", "video/mp4")
    for client in clients[1::2]:
        assert client.read_answer().body == b"moof"
        client.socket.close()


async def test_a_path_that_will_not_come(edge: ngage.Edge) -> None:
    edge.expect("/part", LONG)
    with Raw(edge.address) as client, Raw(edge.address) as late:
        client.send(client.get("/part"))
        await waiting(edge, 1)
        assert edge.unserve("/part")
        assert client.read_refusal() == 404
        late.send(late.get("/part"))
        assert late.read_refusal() == 404


async def test_expecting_what_is_there_changes_nothing(edge: ngage.Edge) -> None:
    edge.serve("/page", b"page", "text/plain")
    edge.expect("/page", LONG)
    with Raw(edge.address) as client:
        assert client.ask("/page").body == b"page"


async def test_only_so_many_may_wait() -> None:
    async with ngage.Edge(listen="127.0.0.1:0", shards=1, waiting_per_shard=3) as edge:
        edge.expect("/part", LONG)
        clients = [Raw(edge.address) for _ in range(3)]
        for client in clients:
            client.send(client.get("/part"))
        await waiting(edge, 3)
        for _ in range(2):
            with Raw(edge.address) as client:
                client.send(client.get("/part"))
                assert client.read_refusal() == 503
        assert edge.stats()["http_waits_refused"] == 2
        clients.pop().reset()
        await waiting(edge, 2)
        clients.append(Raw(edge.address))
        clients[-1].send(clients[-1].get("/part"))
        await waiting(edge, 3)
        edge.serve("/part", b"moof", "video/mp4")
        for client in clients:
            assert client.read_answer().body == b"moof"
            client.socket.close()


async def test_a_drain_answers_503(edge: ngage.Edge) -> None:
    edge.expect("/part", LONG)
    clients = [Raw(edge.address) for _ in range(20)]
    for client in clients:
        client.send(client.get("/part"))
    await waiting(edge, 20)
    draining = asyncio.ensure_future(edge.drain(10))
    for client in clients:
        assert await asyncio.to_thread(client.read_refusal) == 503
        client.socket.close()
    assert await draining == 0


async def test_leaving_the_edge_closes_who_waits() -> None:
    async with ngage.Edge(listen="127.0.0.1:0") as edge:
        edge.expect("/part", LONG)
        client = Raw(edge.address)
        client.send(client.get("/part"))
        await waiting(edge, 1)
    assert client.read_to_end() == b""
    client.socket.close()


async def test_serving_and_expecting_against_a_crowd(edge: ngage.Edge) -> None:
    """The race of parking and serving: each request gets its part, however they meet."""
    clients = [Raw(edge.address) for _ in range(40)]
    edge.expect("/0", LONG)
    for number in range(150):
        edge.expect(f"/{number + 1}", LONG)
        for client in clients[: len(clients) // 2]:
            client.send(client.get(f"/{number}"))
        edge.serve(f"/{number}", b"%d" % number, "video/mp4")
        for client in clients[len(clients) // 2 :]:
            client.send(client.get(f"/{number}"))
        for client in clients:
            assert client.read_answer().body == b"%d" % number
    for client in clients:
        client.socket.close()


@pytest.mark.parametrize("path", ["part", "", "/\N{SNOWMAN}"])
async def test_paths_that_are_none(edge: ngage.Edge, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        edge.expect(path, 1)
    with pytest.raises(ValueError, match="wait_ms"):
        edge.expect("/part", 61)


# Playlists (RFC 8216bis section 6.2.5): segment 7 has two parts, segment 6 had three


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?token=x",
        "?_HLS_msn=7&_HLS_part=1",
        "?_HLS_msn=7&_HLS_part=0",
        "?_HLS_part=1&_HLS_msn=7",
        "?token=x&_HLS_msn=7&a=b&_HLS_part=1",
        "?_HLS_msn=6",
        "?_HLS_msn=6&_HLS_part=2",
        "?_HLS_msn=6&_HLS_part=3",
        "?_HLS_msn=6&_HLS_part=99",
        "?_HLS_msn=0&_HLS_part=99",
        "?_HLS_msn=0",
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_what_is_there_is_answered_at_once(edge: ngage.Edge, query: str, skip: bool) -> None:
    edge.serve_playlist("/live.m3u8", playlist(7, 2))
    blocking = "_HLS_msn" in query
    if skip:
        query = f"{query or '?'}&_HLS_skip=YES"
    with Raw(edge.address) as client:
        answer = client.ask(f"/live.m3u8{query}")
    assert answer.status == 200
    assert answer.body == (b"delta 7.2" if skip else b"whole 7.2")
    assert answer.headers["cache-control"] == ("max-age=12" if blocking else "max-age=1")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_part=1",
        "_HLS_msn=9",
        "_HLS_msn=9&_HLS_part=0",
        "_HLS_msn=7&_HLS_part=7",
        "_HLS_msn=8&_HLS_part=5",
        "_HLS_msn=4294967295",
        "_HLS_msn=4294967294",
        "_HLS_msn=99999999999999999999",
        "_HLS_msn=7&_HLS_part=4294967295",
        "_HLS_msn=-1",
        "_HLS_msn=",
        "_HLS_msn",
        "_HLS_msn=7x",
        "_HLS_msn=7&_HLS_part=",
        "_HLS_msn=7&_HLS_msn=7",
        "_HLS_msn=7&_HLS_part=1&_HLS_part=1",
    ],
)
def test_directives_that_cannot_be_followed(edge: ngage.Edge, query: str) -> None:
    edge.serve_playlist("/live.m3u8", playlist(7, 2))
    with Raw(edge.address) as client:
        client.send(client.get(f"/live.m3u8?{query}"))
        assert client.read_refusal() == 400


@pytest.mark.parametrize(
    ("query", "still_waits", "ends"),
    [
        ("_HLS_msn=7&_HLS_part=2", [], (7, 3)),
        ("_HLS_msn=7&_HLS_part=3", [(7, 3), (8, 0)], (8, 1)),
        ("_HLS_msn=7&_HLS_part=3", [(7, 3)], (7, 4)),
        ("_HLS_msn=7&_HLS_part=6", [(7, 3), (7, 4)], (9, 0)),
        ("_HLS_msn=7", [(7, 3)], (8, 0)),
        ("_HLS_msn=8&_HLS_part=0", [(7, 3), (8, 0)], (8, 1)),
        ("_HLS_msn=8", [(7, 3), (8, 0), (8, 3)], (9, 0)),
    ],
)
@pytest.mark.parametrize("skip", ["", "&_HLS_skip=YES"])
async def test_what_is_to_come_is_waited_for(
    edge: ngage.Edge,
    query: str,
    still_waits: list[tuple[int, int]],
    ends: tuple[int, int],
    skip: str,
) -> None:
    edge.serve_playlist("/live.m3u8", playlist(7, 2))
    with Raw(edge.address) as client:
        client.send(client.get(f"/live.m3u8?{query}{skip}"))
        await waiting(edge, 1)
        for segment, parts in still_waits:
            edge.serve_playlist("/live.m3u8", playlist(segment, parts))
            await waiting(edge, 1)
        edge.serve_playlist("/live.m3u8", playlist(*ends))
        answer = client.read_answer()
    assert answer.body == f"{'delta' if skip else 'whole'} {ends[0]}.{ends[1]}".encode()
    assert answer.headers["cache-control"] == "max-age=12"


async def test_identical_requests_get_identical_bytes(edge: ngage.Edge) -> None:
    edge.serve_playlist("/live.m3u8", playlist(7, 2))
    clients = [Raw(edge.address) for _ in range(300)]
    for client in clients:
        client.send(client.get("/live.m3u8?_HLS_msn=7&_HLS_part=2"))
    await waiting(edge, 300)
    edge.serve_playlist("/live.m3u8", playlist(7, 3))
    answers = [client.read_answer() for client in clients]
    assert answers == [answers[0]] * 300
    for client in clients:
        client.socket.close()


async def test_a_playlist_that_is_expected_obeys_its_directives_when_it_comes(
    edge: ngage.Edge,
) -> None:
    edge.expect("/live.m3u8", LONG)
    queries = ["", "?_HLS_msn=6", "?_HLS_msn=99", "?_HLS_part=1"]
    clients = [Raw(edge.address) for _ in queries]
    for client, query in zip(clients, queries, strict=True):
        client.send(client.get(f"/live.m3u8{query}"))
    await waiting(edge, 4)
    edge.serve_playlist("/live.m3u8", playlist(7, 2))
    assert clients[0].read_answer().body == b"whole 7.2"
    assert clients[1].read_answer().body == b"whole 7.2"
    assert clients[2].read_refusal() == 400
    assert clients[3].read_refusal() == 400
    for client in clients:
        client.socket.close()


async def test_at_the_end_nobody_waits(edge: ngage.Edge) -> None:
    edge.serve_playlist("/live.m3u8", playlist(7, 2))
    with Raw(edge.address) as client:
        client.send(client.get("/live.m3u8?_HLS_msn=8"))
        await waiting(edge, 1)
        edge.serve_playlist("/live.m3u8", playlist(7, 2, ended=True))
        assert client.read_answer().body == b"whole 7.2"
        assert client.ask("/live.m3u8?_HLS_msn=99").body == b"whole 7.2"


async def test_a_playlist_that_stands_still(edge: ngage.Edge) -> None:
    edge.serve_playlist("/live.m3u8", playlist(7, 2, wait_seconds=0.1))
    with Raw(edge.address) as client:
        client.send(client.get("/live.m3u8?_HLS_msn=7&_HLS_part=2"))
        assert await asyncio.to_thread(client.read_refusal) == 503

"""Plain HTTP on a connection that is kept: answers in order, bounds, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

import ngage
from ngage_core import engine as core
from tests.helpers.backends import BACKENDS
from tests.helpers.raw import Raw
from tests.helpers.wait import eventually
from tests.oracle import frames

LONG = bytes(range(256)) * (1 << 14)  # 4 MiB: more than socket buffers hold
REQUESTS_PER_CONNECTION = core.limits()["requests_per_connection"]


@pytest.fixture(params=BACKENDS)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[ngage.Edge]:
    """One shard, so that a round trip on one connection has let the shard read the others."""
    async with ngage.Edge(listen="127.0.0.1:0", shards=1, backend=request.param) as running:
        serve_pages(running)
        yield running
        await eventually(lambda: not running.connections, "everybody has gone")
        stats = running.stats()
        assert not any(stats[gauge] for gauge in ("inbound_states", "outboxes", "held_bytes"))


def serve_pages(edge: ngage.Edge) -> None:
    for name in "abc":
        edge.serve(f"/{name}", name.encode() * 100, "text/plain")
    edge.serve("/long", LONG, "application/octet-stream")
    edge.serve("/empty", b"", "text/plain")
    edge.channel("stage")


def test_requests_follow_each_other(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        for name in "abcabc":
            answer = client.ask(f"/{name}")
            assert (answer.status, answer.body) == (200, name.encode() * 100)
            assert "connection" not in answer.headers
    assert edge.stats()["accepted"] == 1


def test_pipelined_requests_are_answered_in_order_cut_anywhere(edge: ngage.Edge) -> None:
    names = "abcba"
    with Raw(edge.address) as witness:
        stream = b"".join(witness.get(f"/{name}") for name in names)
        for cut in range(1, len(stream)):
            with Raw(edge.address) as client:
                client.send(stream[:cut])
                witness.ask("/a")
                client.send(stream[cut:])
                assert [client.read_answer().body[:1] for _ in names] == [
                    name.encode() for name in names
                ]


def test_pipelined_a_byte_at_a_time(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        for byte in client.get("/a") + client.get("/b"):
            client.send(bytes([byte]))
        assert [client.read_answer().body[:1] for _ in "ab"] == [b"a", b"b"]


def test_hundreds_of_requests_in_one_write(edge: ngage.Edge) -> None:
    """More than a turn answers, and more bytes than are kept while an answer is on its way."""
    with Raw(edge.address) as client:
        client.send(b"".join(client.get(f"/{'abc'[i % 3]}") for i in range(900)))
        assert [client.read_answer().body[:1] for _ in range(900)] == [b"a", b"b", b"c"] * 300


def test_requests_behind_a_long_answer_wait_for_it(edge: ngage.Edge) -> None:
    with Raw(edge.address, receive_bytes=4096) as client, Raw(edge.address) as other:
        client.send(client.get("/long") + client.get("/a"))
        for _ in range(10):
            client.send(client.get("/b"))
            assert other.ask("/c").status == 200
        assert client.read_answer().body == LONG
        assert [client.read_answer().body[:1] for _ in range(11)] == [b"a", *[b"b"] * 10]


async def test_a_client_that_takes_no_answers_is_not_read(edge: ngage.Edge) -> None:
    """What it sends behind an answer that is stuck is kept up to a bound; then TCP pushes back."""
    with Raw(edge.address, receive_bytes=4096) as client:
        client.send(client.get("/long"))
        client.socket.settimeout(0.5)
        padded = client.get("/a", X_Padding="x" * 8000)
        with pytest.raises(TimeoutError):
            while True:
                client.send(padded)
        assert edge.stats()["held_bytes"] <= 1 << 18
        client.reset()


def test_head_and_get_share_a_connection(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        head = client.ask("/a", "HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, "100", b"")
        assert client.ask("/empty").body == b""
        assert client.ask("/a").body == b"a" * 100


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "close, te"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/a", "/empty", "/long"])
def test_connection_close_is_honoured(edge: ngage.Edge, value: str, method: str, path: str) -> None:
    with Raw(edge.address) as client:
        answer = client.ask(path, method, Connection=value)
        assert answer.headers["connection"] == "close"
        assert client.read_to_end() == b""


def test_close_in_the_second_of_two_connection_headers(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        request = client.get("/a", Connection="te")
        client.send(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert client.read_answer().headers["connection"] == "close"
        assert client.read_to_end() == b""


def test_nothing_is_read_behind_a_request_that_closes(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        client.send(client.get("/a", Connection="close") + client.get("/b"))
        assert client.read_answer().body == b"a" * 100
        assert client.read_to_end() == b""


def test_a_connection_ends_after_so_many_requests(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        for _ in range(REQUESTS_PER_CONNECTION - 1):
            assert "connection" not in client.ask("/a").headers
        assert client.ask("/a").headers["connection"] == "close"
        assert client.read_to_end() == b""


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /nowhere HTTP/1.1", 404),
        (b"POST /a HTTP/1.1", 405),
        (b"GET /a HTTP/1.0", 505),
        (b"GET /ws/stage HTTP/1.1", 426),
        (b"nonsense", 400),
        (b"\r\n", 400),
        (b"\x16\x03\x01", 400),
    ],
)
def test_an_error_behind_an_answer_ends_the_connection(
    edge: ngage.Edge, request_line: bytes, status: int
) -> None:
    with Raw(edge.address) as client:
        wrong = client.get("/a").replace(b"GET /a HTTP/1.1", request_line)
        client.send(client.get("/b") + wrong + client.get("/c"))
        assert client.read_answer().body == b"b" * 100
        assert client.read_refusal() == status


def test_a_refused_upgrade_ends_the_connection(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        client.send(client.get("/a") + client.request("/ws/unknown") + client.get("/b"))
        assert client.read_answer().status == 200
        assert client.read_refusal() == 404


def test_an_upgrade_on_a_kept_connection(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        assert client.ask("/a").status == 200
        upgrade = client.request("/ws/stage")
        client.send(client.get("/b") + upgrade + frames.client_frame(b"x", frames.PING))
        assert client.read_answer().body == b"b" * 100
        assert client.read_head().status == 101
        assert client.read_frame().opcode == frames.PONG
        edge.channel("stage").publish(b"hello")
        assert client.read_message() == b"hello"


def test_requests_before_fin_are_answered(edge: ngage.Edge) -> None:
    with Raw(edge.address) as client:
        client.send(b"".join(client.get(f"/{name}") for name in "abc" * 20))
        client.socket.shutdown(1)
        assert [client.read_answer().body[:1] for _ in range(60)] == [b"a", b"b", b"c"] * 20
        assert client.read_to_end() == b""


def test_a_long_answer_to_who_sent_fin_is_finished(edge: ngage.Edge) -> None:
    with Raw(edge.address, receive_bytes=4096) as client, Raw(edge.address) as witness:
        client.send(client.get("/long"))
        witness.ask("/a")
        client.socket.shutdown(1)
        witness.ask("/a")
        assert client.read_answer().body == LONG
        assert client.read_to_end() == b""


def test_an_answer_that_is_replaced_meanwhile_stays_whole(edge: ngage.Edge) -> None:
    with Raw(edge.address, receive_bytes=4096) as client, Raw(edge.address) as witness:
        client.send(client.get("/long"))
        witness.ask("/a")
        edge.serve("/long", b"short", "text/plain")
        witness.ask("/a")
        assert client.read_answer().body == LONG
        assert client.ask("/long").body == b"short"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_idle_connections_are_closed_without_a_word(backend: str) -> None:
    async with ngage.Edge(
        listen="127.0.0.1:0", backend=backend, http_idle_timeout_seconds=0.1
    ) as edge:
        serve_pages(edge)
        with Raw(edge.address) as client:
            assert client.ask("/a").status == 200
            assert await asyncio.to_thread(client.read_to_end) == b""
        assert edge.stats()["handshake_timeouts"] == 0


async def test_a_later_head_has_a_deadline_too() -> None:
    async with ngage.Edge(
        listen="127.0.0.1:0", handshake_timeout_seconds=0.2, http_idle_timeout_seconds=60
    ) as edge:
        serve_pages(edge)
        with Raw(edge.address) as client:
            assert client.ask("/a").status == 200
            client.send(client.get("/b")[:-1])
            assert await asyncio.to_thread(client.read_refusal) == 408


async def test_a_drain_lets_answers_finish_and_closes_the_idle() -> None:
    async with ngage.Edge(listen="127.0.0.1:0", shards=1) as edge:
        serve_pages(edge)
        with (
            Raw(edge.address) as idle,
            Raw(edge.address) as begun,
            Raw(edge.address, receive_bytes=4096) as slow,
        ):
            assert idle.ask("/a").status == 200
            assert begun.ask("/a").status == 200
            begun.send(begun.get("/b")[:10])
            slow.send(slow.get("/long"))
            await eventually(lambda: edge.stats()["blocked"] == 1, "the answer is stuck")
            idle.ask("/a")  # and so the shard has read the others
            draining = asyncio.ensure_future(edge.drain(50))
            assert await asyncio.to_thread(idle.read_to_end) == b""
            assert await asyncio.to_thread(begun.read_refusal) == 503
            answer = await asyncio.to_thread(slow.read_answer)
            assert answer.body == LONG
            assert await asyncio.to_thread(slow.read_to_end) == b""
        assert await draining == 0


def test_answers_of_one_socket_do_not_move_to_another(edge: ngage.Edge) -> None:
    """Slots are used again: hundreds of clients that come, ask and go, some in the middle."""
    for i, (name, other) in enumerate(pairwise("abcabcabc" * 20)):
        with Raw(edge.address) as one, Raw(edge.address) as two:
            one.send(one.get(f"/{name}") + one.get(f"/{other}")[: i % 40])
            two.send(two.get(f"/{other}"))
            assert one.read_answer().body == name.encode() * 100
            if i % 3:
                two.reset()
            else:
                assert two.read_answer().body == other.encode() * 100

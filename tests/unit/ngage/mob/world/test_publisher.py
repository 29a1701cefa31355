"""The publisher against a small edge of our own, on real sockets, that fails as it is told."""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import picows
import pytest

from ngage.errors import PublisherError
from ngage.mob.model import Publish
from ngage.mob.world.publisher import Last, Publisher
from tests.helpers.wait import eventually, wait_until

KEY = "secret"
RATE = 200.0


def publication(intended_ns: int, sequence: int, size: int) -> bytes:
    return b"%d %d " % (intended_ns, sequence) + b"." * size


class FakeEdge(ThreadingHTTPServer):
    """Positions and all; behave(request number) names how a publication is answered.

    "": as it should be. "refuse": 503. "drop": reset before it is published, "lose": after.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.channels: dict[str, list[bytes]] = defaultdict(list)
        self.epoch = "first"
        self.behave: Callable[[int], str] = lambda number: ""
        self.requests = 0
        self.going = threading.Event()
        self.going.set()
        self.keys: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sequences(self, channel: str) -> list[int]:
        return [int(data.split()[1]) for data in self.channels[channel]]

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)

    def begin_epoch(self, epoch: str) -> dict[str, list[bytes]]:
        before, self.channels = self.channels, defaultdict(list)
        self.epoch = epoch
        return before


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeEdge

    def do_POST(self) -> None:
        edge = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = urlsplit(self.path)
        edge.keys.add(self.headers["X-API-Key"])
        edge.going.wait()
        if url.path == "/api/history":
            name = json.loads(body)["channel"]
            if name in edge.channels:
                self.answer(200, {"result": {"publications": [], **self.position(name)}})
            else:
                self.answer(404, {"error": {"code": 102, "message": "unknown channel"}})
            return
        assert url.path == "/api/publish_raw"
        name = parse_qs(url.query)["channel"][0]
        edge.requests += 1
        behaviour = edge.behave(edge.requests)
        if behaviour == "refuse":
            self.answer(503, {"error": {"code": 100, "message": "later"}})
            return
        if behaviour != "drop":
            edge.channels[name].append(body)
        if behaviour in {"drop", "lose"}:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.request.close()
            return
        self.answer(200, {"result": self.position(name)})

    def position(self, name: str) -> dict[str, object]:
        return {"offset": len(self.server.channels[name]), "epoch": self.server.epoch}

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def edges() -> Iterator[list[FakeEdge]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(FakeEdge()) for _ in range(2)]
        for edge in made:
            threading.Thread(target=edge.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(edge.shutdown)
            stack.callback(edge.going.set)
        yield made


@contextlib.contextmanager
def publishing(
    edges: list[FakeEdge], *channels: str, burst: int = 1, on_position=lambda *_: None
) -> Iterator[Publisher]:
    options = Publish(
        urls=tuple(edge.url for edge in edges), api_key=KEY, rate=RATE, burst=burst, size=10
    )
    publisher = Publisher(options, channels or ("stage",), publication, on_position)
    try:
        yield publisher
    finally:
        publisher.stop()


def upto(last: Last) -> list[int]:
    return list(range(1, last.sequence + 1))


def test_publishes_everything_everywhere_in_order(edges: list[FakeEdge]) -> None:
    names = ("stage", "chat: öffentlich & more")
    with publishing(edges, *names, burst=3) as publisher:
        publisher.open(10)
        assert [edge.sequences(name) for edge in edges for name in names] == [[1]] * 4
        start = time.monotonic_ns()
        publisher.start(start)
        wait_until(lambda: all(len(edge.channels["stage"]) >= 20 for edge in edges))
        lasts = publisher.stop(10)
    for edge in edges:
        assert [edge.sequences(name) for name in names] == [upto(last) for last in lasts]
        assert edge.channels == edges[0].channels
        assert edge.keys == {KEY}
    for data in edges[0].channels["stage"][1:]:
        intended, sequence, padding = data.split(b" ")
        assert int(intended) == start + round((int(sequence) - 2) // 3 * 1e9 / RATE)
        assert padding == b"." * 10
    assert lasts[0].intended_ns == int(edges[0].channels["stage"][-1].split()[0])
    assert publisher.lag().get_total_count() == 2 * sum(last.sequence - 1 for last in lasts)


@pytest.mark.parametrize("behaviour", ["refuse", "drop", "lose"])
def test_each_publication_is_there_once(edges: list[FakeEdge], behaviour: str) -> None:
    edges[0].behave = lambda number: behaviour if number > 1 and number % 3 == 0 else ""
    with publishing(edges) as publisher:
        publisher.open(10)
        publisher.start(time.monotonic_ns())
        wait_until(lambda: all(len(edge.channels["stage"]) >= 20 for edge in edges))
        (last,) = publisher.stop(10)
        broken, whole = publisher.progress()
    assert [edge.sequences("stage") for edge in edges] == [upto(last)] * 2
    assert edges[0].channels == edges[1].channels
    assert broken.failures >= 6
    assert broken.refused == (broken.failures if behaviour == "refuse" else 0)
    assert (whole.failures, whole.published) == (0, last.sequence)


def test_a_standing_edge_holds_up_no_other(edges: list[FakeEdge]) -> None:
    with publishing(edges) as publisher:
        publisher.open(10)
        publisher.start(time.monotonic_ns())
        edges[0].going.clear()
        wait_until(lambda: len(edges[1].channels["stage"]) >= 20)
        held = len(edges[0].channels["stage"])
        (last,) = publisher.stop()
        assert [edge.going.set() for edge in edges]
        assert last.sequence == held < publisher.published(1)[0].sequence
    assert publisher.published(0) == [last]


def test_catches_up_before_it_stops(edges: list[FakeEdge]) -> None:
    with publishing(edges) as publisher:
        publisher.open(10)
        publisher.start(time.monotonic_ns())
        edges[0].going.clear()
        wait_until(lambda: len(edges[1].channels["stage"]) >= 20)
        edges[0].going.set()
        (last,) = publisher.stop(20)
    assert [edge.sequences("stage") for edge in edges] == [upto(last)] * 2


def test_tells_where_an_epoch_begins(edges: list[FakeEdge]) -> None:
    edge = edges[0]
    told: list[tuple[int, int, int, str, int]] = []
    with publishing([edge], on_position=lambda *position: told.append(position)) as publisher:
        publisher.open(10)
        publisher.start(time.monotonic_ns())
        wait_until(lambda: len(edge.channels["stage"]) >= 5)
        edge.going.clear()
        before = edge.begin_epoch("second")["stage"]
        edge.going.set()
        wait_until(lambda: len(edge.channels["stage"]) >= 5)
        (last,) = publisher.stop(10)
    first = edge.sequences("stage")[0]
    assert told == [(0, 0, 1, "first", 1), (0, 0, first, "second", 1)]
    both = [int(data.split()[1]) for data in before] + edge.sequences("stage")
    assert both == upto(last)


def test_a_channel_may_have_been_there_before(edges: list[FakeEdge]) -> None:
    edges[0].channels["stage"] += [b"0 0 old"] * 7
    edges[0].behave = lambda number: "lose" if number == 2 else ""
    told: list[tuple[int, int, int, str, int]] = []
    with publishing(edges[:1], on_position=lambda *position: told.append(position)) as publisher:
        publisher.open(10)
        publisher.start(time.monotonic_ns())
        wait_until(lambda: len(edges[0].channels["stage"]) >= 12)
        (last,) = publisher.stop(10)
    assert told == [(0, 0, 1, "first", 8)]
    assert edges[0].sequences("stage")[7:] == upto(last)


def test_says_who_refuses(edges: list[FakeEdge]) -> None:
    edges[1].behave = lambda number: "refuse"
    with (
        publishing(edges) as publisher,
        pytest.raises(PublisherError, match=rf"{edges[1].url} refuses: 503 .*later"),
    ):
        publisher.open(10)


def test_says_who_does_not_answer() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        publisher = Publisher(Publish(urls=(url,)), ["stage"], publication)
        with pytest.raises(PublisherError, match=f"{url} does not answer"):
            publisher.open(0)
        assert publisher.stop() == [Last()]


@pytest.mark.parametrize(
    ("url", "said"), [("ftp://x", "must begin with"), ("ws://x/publish", "one channel")]
)
def test_addresses_it_cannot_publish_to(url: str, said: str) -> None:
    with pytest.raises(PublisherError, match=said):
        Publisher(Publish(urls=(url,)), ["one", "two"], publication)


async def test_publishes_to_a_websocket() -> None:
    arrived: list[bytes] = []
    transports: list[picows.WSTransport] = []

    class Peer(picows.WSListener):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            transports.append(transport)

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type is picows.WSMsgType.BINARY:
                arrived.append(frame.get_payload_as_bytes())
            elif frame.msg_type is picows.WSMsgType.CLOSE:
                transport.disconnect()

    server = await picows.ws_create_server(lambda request: Peer(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = Publish(urls=(f"ws://127.0.0.1:{port}/publish",), rate=RATE, size=10)
    publisher = Publisher(options, ["stage"], publication)
    await asyncio.to_thread(publisher.open, 10)
    publisher.start(time.monotonic_ns())
    await eventually(lambda: len(arrived) >= 10, "publications")
    (last,) = await asyncio.to_thread(publisher.stop, 10)
    await eventually(lambda: len(arrived) == last.sequence, "the last one")
    assert [int(data.split()[1]) for data in arrived] == upto(last)
    await eventually(lambda: transports[0].is_disconnected, "its leaving")
    server.close()

"""The servers that ngage is compared with do what they are compared in: each, if installed here."""

from collections.abc import Iterator

import pytest

from bench.peers.peers import PEERS, Ngage, Peer
from bench.peers.server import Built, Server, build
from tests.helpers.raw import Frame, Raw
from tests.oracle import frames

SIZES = (0, 1, 125, 126, 65535, 65536)
BURST = 100


@pytest.fixture(
    scope="module",
    params=[peer for peer in PEERS if not isinstance(peer, Ngage)],
    ids=lambda peer: peer.name,
)
def peer(request: pytest.FixtureRequest) -> Peer:
    made: Peer = request.param
    if missing := made.missing():
        pytest.skip(f"{made.name}: {missing}")
    return made


@pytest.fixture(scope="module")
def built(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(peer, tmp_path_factory.mktemp("peers"))


@pytest.fixture(scope="module")
def server(built: Built) -> Iterator[Server]:
    with Server(built) as running:
        yield running


class Client(Raw):
    """A WebSocket that the server has accepted and knows of."""

    def __init__(self, server: Server, path: str) -> None:
        super().__init__(("127.0.0.1", server.port))
        self.upgrade(path)
        self.ping()

    def publish(self, *messages: bytes) -> None:
        """All of them in one write."""
        self.send(b"".join(frames.client_frame(data, frames.BINARY) for data in messages))

    def read_frames(self, count: int) -> list[Frame]:
        return [self.read_frame() for _ in range(count)]


@pytest.fixture
def subscribers(server: Server) -> Iterator[list[Client]]:
    clients = [Client(server, path) for path in ("/ws/stage", "/ws/elsewhere")]
    yield clients
    for client in clients:
        client.socket.close()


@pytest.fixture
def publisher(server: Server) -> Iterator[Client]:
    with Client(server, "/publish") as client:
        yield client


def as_sent(messages: list[bytes]) -> list[Frame]:
    return [Frame(frames.BINARY, data) for data in messages]


def test_each_message_reaches_each_subscriber(subscribers: list[Client], publisher: Client) -> None:
    messages = [bytes([index]) * size for index, size in enumerate(SIZES)]
    for data in messages:
        publisher.publish(data)
    for client in subscribers:
        assert client.read_frames(len(messages)) == as_sent(messages)


def test_a_burst_stays_in_order(subscribers: list[Client], publisher: Client) -> None:
    messages = [b"%d" % index * 40 for index in range(BURST)]
    publisher.publish(*messages)
    for client in subscribers:
        assert client.read_frames(BURST) == as_sent(messages)


def test_the_publisher_gets_nothing(subscribers: list[Client], publisher: Client) -> None:
    publisher.publish(b"to the others")
    assert subscribers[0].read_frames(1) == as_sent([b"to the others"])
    token = b"now"
    publisher.send(frames.client_frame(token, frames.PING))
    assert publisher.read_frame() == Frame(frames.PONG, token)


def test_pings_are_answered(subscribers: list[Client]) -> None:
    for token in (b"", b"token", bytes(125)):
        subscribers[0].send(frames.client_frame(token, frames.PING))
        assert subscribers[0].read_frame() == Frame(frames.PONG, token)


def test_a_publisher_may_come_back(server: Server, subscribers: list[Client]) -> None:
    for turn in (b"first", b"second"):
        with Client(server, "/publish") as publisher:
            publisher.publish(turn)
            for client in subscribers:
                assert client.read_frames(1) == as_sent([turn])


def test_who_closes_gets_a_close(server: Server) -> None:
    with Client(server, "/ws/stage") as client:
        client.send(frames.client_frame((1000).to_bytes(2, "big"), frames.CLOSE))
        assert client.read_close() == 1000


def test_who_vanishes_stops_nobody(
    server: Server, subscribers: list[Client], publisher: Client
) -> None:
    """One resets its connection, one closes it, one goes without a word and leaves data unread."""
    gone = [Client(server, "/ws/stage") for _ in range(3)]
    publisher.publish(b"to all")
    gone[0].reset()
    gone[1].send(frames.client_frame(b"", frames.CLOSE))
    gone[2].socket.close()
    messages = [b"%d" % index for index in range(BURST)]
    for data in messages:
        publisher.publish(data)
    for client in subscribers:
        assert client.read_frames(1 + BURST) == as_sent([b"to all", *messages])
    gone[1].socket.close()


def test_it_ends_with_its_stdin(built: Built) -> None:
    with Server(built) as running:
        assert running.process.stdin
        running.process.stdin.close()
        running.process.stdin = None
        running.process.wait(20)

"""Clients that other people wrote, against the raw endpoint and the echo."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import product

import pytest

from tests.helpers.clients import CLIENTS, Client
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Publisher

SIZES = (0, 1, 125, 126, 65535, 65536, 1 << 20)
KINDS = [
    pytest.param(kind, deflate, id=f"{kind.__name__}-{'deflate' if deflate else 'plain'}")
    for kind, deflate in product(CLIENTS, (False, True))
    if kind.can_deflate or not deflate
]


@pytest.fixture(scope="module")
def edge() -> Iterator[Daemon]:
    with Daemon("--echo") as daemon:
        yield daemon


@pytest.fixture
def publisher(edge: Daemon) -> Iterator[Publisher]:
    with Publisher(edge) as made:
        yield made


@asynccontextmanager
async def connected(
    kind: type[Client], url: str, *, deflate: bool = False
) -> AsyncIterator[Client]:
    client = await kind.connect(url, deflate=deflate)
    try:
        yield client
    finally:
        await client.close()


def agreed(client: Client) -> bool:
    return "permessage-deflate" in client.headers.get("sec-websocket-extensions", "")


@pytest.mark.parametrize(("kind", "deflate"), KINDS)
async def test_echo(edge: Daemon, kind: type[Client], deflate: bool) -> None:
    async with connected(kind, f"{edge.url}/echo", deflate=deflate) as client:
        assert agreed(client) is deflate
        for size in SIZES:
            for data in ("é" * (size // 2), bytes(range(256)) * (size // 256) + bytes(size % 256)):
                await client.send(data)
                assert await client.receive() == data


@pytest.mark.parametrize(("kind", "deflate"), KINDS)
async def test_publications(
    edge: Daemon, publisher: Publisher, kind: type[Client], deflate: bool
) -> None:
    """Each once, in order, byte for byte, with its type; large ones take the deflated variant."""
    publisher.publish("stage", b"the first creates the channel")
    async with connected(kind, f"{edge.url}/ws/stage", deflate=deflate) as client:
        assert agreed(client) is deflate
        sent = [bytes([i]) * size for i, size in enumerate(SIZES)]
        for data in sent:
            publisher.publish("stage", data)
        edge.api("publish", {"channel": "stage", "data": {"text": "grüße"}})
        assert [await client.receive() for _ in sent] == sent
        assert await client.receive() == '{"text":"grüße"}'


@pytest.mark.parametrize("kind", CLIENTS)
async def test_many_channels_at_once(
    edge: Daemon, publisher: Publisher, kind: type[Client]
) -> None:
    """A publication goes to the subscribers of its channel and to nobody else."""
    names = ["left", "right"]
    for name in names:
        publisher.publish(name, b"")
    async with (
        connected(kind, f"{edge.url}/ws/left") as left,
        connected(kind, f"{edge.url}/ws/right") as right,
    ):
        for i in range(10):
            publisher.publish(names[i % 2], b"%d" % i)
        assert [await left.receive() for _ in range(5)] == [b"0", b"2", b"4", b"6", b"8"]
        assert [await right.receive() for _ in range(5)] == [b"1", b"3", b"5", b"7", b"9"]


@pytest.mark.parametrize("kind", CLIENTS)
async def test_disconnected_by_the_host(
    edge: Daemon, publisher: Publisher, kind: type[Client]
) -> None:
    publisher.publish("stage", b"")
    async with connected(kind, f"{edge.url}/ws/stage") as client:
        body = {"client": client.headers["ngage-client"], "code": 4001, "reason": "bye"}
        answer = await asyncio.to_thread(edge.api, "disconnect", body)
        assert answer.status_code == 200, answer.text
        assert await client.closed() == 4001


@pytest.mark.parametrize("kind", CLIENTS)
async def test_drain(kind: type[Client]) -> None:
    """What was published before the drain arrives before the close."""
    with Daemon("--drain-seconds", "5") as edge, Publisher(edge) as publisher:
        publisher.publish("stage", b"")
        async with connected(kind, f"{edge.url}/ws/stage") as client:
            publisher.publish("stage", b"last words")
            edge.send_signal(signal.SIGTERM)
            assert await client.receive() == b"last words"
            assert await client.closed() == 1001
        assert await asyncio.to_thread(edge.wait) == 0

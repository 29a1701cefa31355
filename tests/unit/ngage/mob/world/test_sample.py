"""Sample fans against a real edge in this process, and their checker."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ngage import Channel, Edge
from ngage.errors import FanError, ScenarioError
from ngage.mob.model import Sample
from ngage.mob.world.fan import MESSAGES_HELD, Fan
from ngage.mob.world.order import Order
from ngage.mob.world.sample import Samples, load_class
from tests.helpers.wait import eventually
from tests.oracle import upgrade


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with Edge(listen="127.0.0.1:0", admin="127.0.0.1:0", channel_history=4096) as edge:
        yield edge


def address(edge: Edge, name: str = "stage") -> str:
    return f"ws://{edge.address[0]}:{edge.address[1]}/ws/{name}"


def timed(sequence: int) -> bytes:
    return b"1 %d padding" % sequence


def publish(channel: Channel, *sequences: int) -> None:
    for sequence in sequences:
        channel.publish(timed(sequence))


class Reader(Fan):
    """Keeps what it gets, connects once."""

    async def run(self) -> None:
        self.got: list[bytes | str] = []
        await self.connect()
        async for message in self.messages():
            self.got.append(message)


async def take(fan: Fan, count: int) -> list[bytes | str]:
    taken = []
    async for message in fan.messages():
        taken.append(message)
        if len(taken) == count:
            break
    return taken


async def test_a_connection_that_ends_before_the_answer_is_a_fan_error() -> None:
    """As of a proxy whose server is down."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FanError, match="ended the connection before it answered"):
            await Fan(5, 0, f"ws://127.0.0.1:{port}/").connect()


# The checker


@pytest.mark.parametrize(
    ("sequences", "found"),
    [
        ([5, 6, 7], []),
        ([5, 8], [("gap", 6, 8)]),
        ([5, 6, 6], [("duplicate", 7, 6)]),
        ([5, 7, 6, 8], [("gap", 6, 7), ("reordered", 8, 6)]),
        ([5, 7, 6, 6], [("gap", 6, 7), ("reordered", 8, 6), ("duplicate", 8, 6)]),
    ],
)
def test_order(sequences: list[int], found: list[tuple[str, int, int]]) -> None:
    order = Order(skips=False)
    findings = [order.see(timed(sequence)) for sequence in sequences]
    assert [finding[:3] for finding in findings if finding] == found


def test_what_was_announced_or_may_be_skipped_is_no_gap() -> None:
    order = Order(skips=False)
    order.see(timed(1))
    order.announce(2)
    assert order.see(timed(4)) is None
    assert order.see(timed(6)) is not None
    skipping = Order(skips=True)
    assert [skipping.see(timed(sequence)) for sequence in (1, 9)] == [None, None]
    assert skipping.see(timed(9)) is not None


def test_a_new_connection_begins_anywhere_and_other_messages_are_not_judged() -> None:
    order = Order(skips=False)
    assert order.see(timed(4)) is None
    assert order.see(b"no numbers") is None
    assert order.see("1 5 text") is None
    order.begin()
    assert order.see(timed(1)) is None


# A fan


async def test_receives_sends_and_closes(edge: Edge) -> None:
    channel = edge.channel("stage")
    fan = Fan(3, 7, address(edge))
    await fan.connect()
    channel.publish(timed(1))
    channel.publish("text")
    assert await take(fan, 2) == [timed(1), "text"]
    messages = edge.messages()
    first = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0)  # it listens from its first step on
    await fan.send(b"binary")
    await fan.send("text")
    assert [(await first).data, (await anext(messages)).data] == [b"binary", "text"]
    await fan.close(1001)
    assert await take(fan, 1) == []
    assert fan.close_code == 1001
    await fan.disconnect()


async def test_is_told_why_the_server_closed(edge: Edge) -> None:
    channel = edge.channel("stage")
    fan = Fan(0, 0, address(edge))
    await fan.connect()
    channel.disconnect(3503)
    assert await take(fan, 1) == []
    assert fan.close_code == 3503
    await fan.disconnect()


async def test_resumes_where_it_stopped(edge: Edge) -> None:
    channel = edge.channel("stage")
    fan = Fan(0, 0, address(edge))
    await fan.connect()
    publish(channel, 1, 2)
    await take(fan, 2)
    assert fan.position == f"{channel.position.epoch}:2"
    await fan.disconnect()
    publish(channel, 3, 4)
    await fan.connect(since=fan.position)
    assert fan.recovered is True
    assert await take(fan, 2) == [timed(3), timed(4)]
    await fan.connect(since="00000001:1")
    assert fan.recovered is False
    publish(channel, 9)
    assert await take(fan, 1) == [timed(9)]
    assert fan.findings == []
    await fan.disconnect()


async def test_a_lost_publication_is_found(edge: Edge) -> None:
    channel = edge.channel("stage")
    fan = Fan(0, 0, address(edge))
    await fan.connect()
    publish(channel, 1, 3)
    await take(fan, 2)
    assert [finding[:3] for _, finding in fan.findings] == [("gap", 2, 3)]
    await fan.disconnect()


async def test_zaps_to_another_path(edge: Edge) -> None:
    edge.channel("stage")
    other = edge.channel("other")
    fan = Fan(0, 0, address(edge))
    await fan.connect()
    await fan.connect("/ws/other")
    other.publish(b"here")
    assert await take(fan, 1) == [b"here"]
    assert edge.channels["stage"].subscribers == 0
    await fan.disconnect()


async def test_is_slow_for_the_edge_too(edge: Edge) -> None:
    """A fan that takes nothing leaves publications in the kernel, and then has all of them."""
    channel = edge.channel("stage")
    fan = Fan(0, 0, address(edge))
    await fan.connect()
    publish(channel, *range(1, 10 * MESSAGES_HELD + 1))
    assert len(await take(fan, 10 * MESSAGES_HELD)) == 10 * MESSAGES_HELD
    assert fan.findings == []
    await fan.disconnect()


async def test_errors_of_connecting(edge: Edge) -> None:
    fan = Fan(5, 0, address(edge, "nothing"))
    with pytest.raises(FanError, match=r"fan 5 is not connected"):
        await fan.send(b"x")
    with pytest.raises(FanError, match=r"fan 5: ws://.*/ws/nothing refused: .*404"):
        await fan.connect()
    closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    with pytest.raises(FanError, match=rf"cannot connect to ws://127\.0\.0\.1:{port}"):
        await Fan(5, 0, f"ws://127.0.0.1:{port}/").connect()


async def test_a_cancelled_connect_leaves_no_connection() -> None:
    asked, answer, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = upgrade.parse(await reader.readuntil(b"\r\n\r\n"))
        asked.set()
        await answer.wait()
        accept = upgrade.accept_key(request.value("sec-websocket-key").encode())
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
        writer.write(f"{head}\r\nSec-WebSocket-Accept: {accept.decode()}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connecting = asyncio.ensure_future(Fan(0, 0, f"ws://127.0.0.1:{port}/").connect())
    await asked.wait()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    answer.set()
    await left.wait()
    server.close()


def test_random_is_a_function_of_seed_and_number() -> None:
    drawn = [Fan(n, s, "ws://x/").random.random() for n, s in ((1, 1), (1, 1), (2, 1), (1, 2))]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


# The runner

CLASSES = """
from ngage.mob.world.fan import Fan

class Clumsy(Fan):
    async def run(self):
        await self.connect()
        async for message in self.messages():
            if self.number == 12:
                raise ValueError("fan 12 stumbles")

not_a_class = 1
"""


async def test_default_fan_watches_and_comes_back(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "crowd.py").write_text("from ngage.mob.world.fan import Fan as Watcher\n")
    channel = edge.channel("stage")
    samples = Samples(
        [Sample(persona="watcher", python="crowd.py:Watcher", fans=5)],
        [address(edge)],
        directory=str(tmp_path),
    )
    samples.start(time.monotonic(), spread=0.05)
    await eventually(lambda: channel.subscribers == 5, "all fans")
    publish(channel, 1, 2)
    await eventually(lambda: {fan.position[-2:] for fan in samples.fans} == {":2"}, "2 of 2")
    channel.disconnect(1012)
    publish(channel, 3)
    await eventually(lambda: {fan.position[-2:] for fan in samples.fans} == {":3"}, "3 of 3")
    assert all(fan.recovered for fan in samples.fans)
    assert await samples.stop() == []
    await eventually(lambda: edge.connections == 0, "their leaving")


async def test_what_goes_wrong_has_a_fan_a_persona_and_a_channel(
    edge: Edge, tmp_path: Path
) -> None:
    (tmp_path / "crowd.py").write_text(CLASSES)
    channel = edge.channel("stage")
    sample = Sample(persona="clumsy", python="crowd.py:Clumsy", fans=3)
    samples = Samples([sample], [address(edge)], directory=str(tmp_path), first=10)
    samples.start(time.monotonic())
    await eventually(lambda: channel.subscribers == 3, "all fans")
    publish(channel, 1)
    await eventually(lambda: channel.subscribers == 2, "fan 12 to stumble")
    publish(channel, 1)
    await eventually(lambda: len(samples.violations) == 3, "violations")
    found = await samples.stop()
    assert [(one.fan, one.kind, one.persona, one.channel) for one in found] == [
        (10, "duplicate", "clumsy", "/ws/stage"),
        (11, "duplicate", "clumsy", "/ws/stage"),
        (12, "exception", "clumsy", "/ws/stage"),
    ]
    assert found[2].text == "ValueError: fan 12 stumbles"
    assert found[0].text == "duplicate: 1 came though 2 was next"


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("crowd.py", "must be FILE.py:CLASS"),
        ("absent.py:Fan", "there is no file"),
        ("crowd.py:Nobody", "Nobody is no class derived from Fan"),
        ("crowd.py:not_a_class", "not_a_class is no class"),
        ("broken.py:Fan", "failed with ZeroDivisionError"),
        ("notes.txt:Fan", "must end with .py"),
    ],
)
def test_classes_that_cannot_be_loaded(tmp_path: Path, python: str, said: str) -> None:
    (tmp_path / "crowd.py").write_text(CLASSES)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ScenarioError, match=said):
        load_class(python, tmp_path)

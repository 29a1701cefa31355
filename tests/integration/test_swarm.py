"""The swarm sees what a server did to its stream: every planted fault is counted, nothing else."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy
import pytest
from websockets.asyncio.server import ServerConnection, serve

from ngage_core.behaviour import LURKER, Persona, Target
from ngage_core.swarm import Swarm, bucket_floors, publication
from tests.helpers.crowd import read_again, staller, stop_reading
from tests.helpers.stage import swarm_of
from tests.helpers.wait import eventually

FANS = 5
Handler = Callable[[ServerConnection], Awaitable[None]]


def numbered(*sequences: int, size: int = 200) -> list[bytes]:
    return [publication(time.monotonic_ns(), sequence, size) for sequence in sequences]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def received(swarm: Swarm, per_fan: int) -> dict[str, int]:
    """Connect, wait for so many publications per fan: the counters."""
    assert await asyncio.to_thread(swarm.connect, 10) == swarm.fans
    assert await asyncio.to_thread(swarm.wait_received, per_fan, 10), swarm.progress()
    return swarm.progress()


async def counted(messages: list[bytes], **options: Any) -> dict[str, int]:
    """What fans count who are sent these messages."""

    async def handler(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    async with serving(handler) as port:
        with swarm_of(port, FANS, check_padding=True, **options) as swarm:
            return await received(swarm, len(messages))


FAULTS = ["gaps", "duplicates", "reordered", "corrupt", "untimed", "malformed"]


@pytest.mark.parametrize(
    ("sequences", "fault", "times"),
    [
        ([1, 2, 3, 4], None, 0),
        ([7, 8, 9], None, 0),
        ([1, 2, 5, 6], "gaps", 2),
        ([1, 2, 2, 3], "duplicates", 1),
        ([1, 2, 3, 1], "duplicates", 1),
        ([1, 3, 2, 4], "reordered", 1),
        ([1, 100, 1], "duplicates", 1),
    ],
)
async def test_order(sequences: list[int], fault: str | None, times: int) -> None:
    counters = await counted(numbered(*sequences))
    expected = dict.fromkeys(FAULTS, 0)
    if fault:
        expected[fault] = times * FANS
    if 100 in sequences:
        expected["gaps"] = 98 * FANS
    assert {name: counters[name] for name in FAULTS} == expected
    assert counters["received"] == len(sequences) * FANS


async def test_late_twice_is_late_once_and_doubled_once() -> None:
    counters = await counted(numbered(1, 3, 2, 2))
    assert (counters["gaps"], counters["reordered"], counters["duplicates"]) == (0, FANS, FANS)


@pytest.mark.parametrize("size", [0, 60, 125, 126, 65535, 65536, 300000])
async def test_every_length_form_and_cut(size: int) -> None:
    """A tiny receive buffer and large frames: units are cut in many places."""
    messages = numbered(*range(1, 6), size=size)
    counters = await counted(messages, personas=[Persona(receive_buffer=2048)])
    assert counters["bytes"] == sum(map(len, messages)) * FANS
    assert [counters[name] for name in FAULTS] == [0] * len(FAULTS)


async def test_one_wrong_byte_is_seen() -> None:
    good = numbered(1, 2, 3, size=1000)
    bad = bytearray(good[1])
    bad[777] ^= 1
    counters = await counted([good[0], bytes(bad), good[2]])
    assert (counters["corrupt"], counters["gaps"]) == (FANS, 0)


async def test_messages_without_numbers_are_told_apart() -> None:
    counters = await counted([b"", b"hello", b"1 x", *numbered(1)])
    assert (counters["untimed"], counters["received"]) == (3 * FANS, 4 * FANS)


async def test_fragments_are_one_publication() -> None:
    whole = numbered(1, size=500)[0]

    async def handler(connection: ServerConnection) -> None:
        await connection.send([whole[:100], whole[100:101], whole[101:]])
        await connection.wait_closed()

    async with serving(handler) as port:
        with swarm_of(port, FANS, check_padding=True) as swarm:
            counters = await received(swarm, 1)
    assert (counters["bytes"], counters["corrupt"]) == (500 * FANS, 0)


async def test_the_first_publication_can_be_demanded() -> None:
    start = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await start.wait()
        for message in numbered(12, 13):
            await connection.send(message)
        await connection.wait_closed()

    async with serving(handler) as port:
        with swarm_of(port, FANS) as swarm:
            await received(swarm, 0)
            swarm.reset(10)
            start.set()
            assert (await received(swarm, 2))["gaps"] == 2 * FANS


async def test_pings_are_answered_and_close_codes_noted() -> None:
    async def handler(connection: ServerConnection) -> None:
        await asyncio.wait_for(await connection.ping(b"are you there?"), 10)
        await connection.close(3008, "slow")

    async with serving(handler) as port:
        with swarm_of(port, FANS) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: swarm.progress()["closed"] == FANS)
            counters = swarm.progress()
            assert (counters["pings"], counters["open"]) == (FANS, 0)
            assert swarm.close_codes() == {3008: FANS}


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that sends the same bytes to whoever connects."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
WRONG_KEY = SWITCHING + b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "refused", "malformed"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n", 1, 0),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 0, 1),
        (SWITCHING + b"\r\n", 0, 1),
        (WRONG_KEY, 0, 1),
        (b"x" * 8192, 0, 1),
        (b"", 0, 0),
    ],
)
async def test_upgrades_that_fail(answer: bytes, refused: int, malformed: int) -> None:
    async with answering(answer) as port:
        with swarm_of(port, fans=1) as swarm:
            assert await asyncio.to_thread(swarm.connect, 10) == 0
            counters = swarm.progress()
            assert (counters["failed"], counters["refused"]) == (1, refused)
            assert counters["malformed"] == malformed
            assert swarm.close_codes() == ({503: 1} if refused else {})


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc2\x00",  # a reserved bit
        b"\x82\x80\0\0\0\0",  # masked by a server
        b"\x80\x00",  # a continuation of nothing
        b"\x83\x00",  # an opcode of nobody
        b"\x09\x00",  # a fragmented ping
        b"\x89\x7e" + struct.pack(">H", 126) + bytes(126),  # a long ping
    ],
)
async def test_frames_no_server_may_send(frame: bytes) -> None:
    async with answering(WRONG_KEY + frame) as port:
        with swarm_of(port, fans=1, check_key=False) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: swarm.progress()["closed"] == 1)
            assert swarm.progress()["malformed"] == 1


async def test_nobody_listens() -> None:
    async with answering(b"") as port:
        pass
    with swarm_of(port, FANS) as swarm:
        assert await asyncio.to_thread(swarm.connect, 10) == 0
        assert swarm.progress()["failed"] == FANS
        assert swarm.progress()["last_error"] > 0


async def test_paused_fans_read_all_of_it_later() -> None:
    connections: set[ServerConnection] = set()

    async def keeping(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async with serving(keeping) as port:
        with swarm_of(port, fans=4, personas=[LURKER, staller()]) as swarm:
            assert await asyncio.to_thread(swarm.connect, 10) == 4
            await eventually(lambda: len(connections) == 4)
            stalled = stop_reading(swarm, persona=1)
            assert 1 <= stalled <= 3
            for message in numbered(1, 2, 3):
                for connection in connections:
                    await connection.send(message)
            await eventually(lambda: swarm.progress()["received"] == 3 * (4 - stalled))
            assert not swarm.wait_received(3, 0.05)
            read_again(swarm, persona=1)
            assert await asyncio.to_thread(swarm.wait_received, 3, 10)
            assert swarm.progress()["gaps"] == 0


async def test_latency_is_counted_from_the_intended_send() -> None:
    late_ns = 3_000_000_000
    message = publication(time.monotonic_ns() - late_ns, 1, 100)

    async def handler(connection: ServerConnection) -> None:
        await connection.send(message)
        await connection.wait_closed()

    async with serving(handler) as port:
        with swarm_of(port, FANS) as swarm:
            await received(swarm, 1)
            counts = numpy.asarray(swarm.histogram())
    floors = numpy.asarray(bucket_floors())
    assert counts.sum() == FANS
    assert late_ns * 0.98 <= floors[counts.nonzero()].min() <= late_ns + 20_000_000_000
    assert (numpy.diff(floors) > 0).all()


async def test_sources_spread_over_a_network() -> None:
    peers: set[str] = set()

    async def handler(connection: ServerConnection) -> None:
        peers.add(connection.remote_address[0])
        await connection.wait_closed()

    async with serving(handler) as port:
        with swarm_of(port, FANS, source="127.9.8.0/24", threads=2) as swarm:
            assert await asyncio.to_thread(swarm.connect, 10) == FANS
            await eventually(lambda: peers == {"127.9.8.1"})


@pytest.mark.parametrize(
    "options",
    [
        {"fans": 0},
        {"fans": 10, "threads": 11},
        {"fans": 10, "window": 0},
        {"fans": 10, "source": "nonsense"},
        {"fans": 10, "congestion": "a name that is too long"},
        {"fans": 10**7},
    ],
)
def test_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Swarm([Target("127.0.0.1", 1, "/")], **options)  # type: ignore[arg-type]


def test_publications_can_be_checked_and_are_text() -> None:
    data = publication(123, 45, 100)
    assert len(data) == 100
    assert data.startswith(b"123 45 ")
    assert data.decode("ascii").isprintable()
    assert data != publication(123, 46, 100)
    assert publication(123, 45, 0) == b"123 45 "

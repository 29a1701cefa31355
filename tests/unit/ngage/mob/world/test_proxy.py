"""The proxy: byte-exact around every fault, both ways, with half-closes."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from ngage.mob.world.proxy import CLEAN, QUEUE_BYTES_MAX, Conditions, Proxy
from tests.helpers.wait import eventually

STALL = Conditions(stall=True)
BLACKHOLE = Conditions(blackhole=True)
# Faults that lose nothing.
LOSSLESS = {
    "delay": Conditions(delay=0.005),
    "throttle": Conditions(bytes_per_second=4e6),
    "stall": STALL,
    "both": Conditions(delay=0.002, bytes_per_second=8e6),
    "none": CLEAN,
}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets, and closes when its client does."""

    def __init__(self) -> None:
        self.accepted = 0
        self.received = bytearray()
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.writers.add(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.received += data
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        self.writers.discard(writer)
        writer.close()


@contextlib.asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Proxy, Echo]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0, backlog=1000)
    host, port = server.sockets[0].getsockname()
    try:
        async with Proxy(host, port) as proxy:
            yield proxy, echo
    finally:
        server.close()
        await eventually(lambda: not echo.writers, "the server to be left")


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def echo_through(streams: Streams, data: bytes) -> bytes:
    """Send everything and half-close, read to the end."""
    reader, writer = streams

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    _, answer = await asyncio.gather(send(), reader.read())
    await leave(writer)
    return answer


async def test_passes_bytes_and_half_closes() -> None:
    data = random.Random(1).randbytes(3_000_000)
    async with proxied() as (proxy, _):
        assert await echo_through(await asyncio.open_connection(*proxy.address), data) == data
        await eventually(lambda: not proxy.links, "links to be forgotten")


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(sorted(LOSSLESS)), max_size=6),
    st.lists(st.integers(1, 200_000), min_size=1, max_size=6),
)
def test_stays_byte_exact_while_faults_come_and_go(faults: list[str], sizes: list[int]) -> None:
    async def run() -> None:
        data = [random.Random(size).randbytes(size) for size in sizes]
        async with proxied() as (proxy, _):
            answers = asyncio.gather(
                *[
                    echo_through(await asyncio.open_connection(*proxy.address), sent)
                    for sent in data
                ]
            )
            for name in faults:
                proxy.apply(LOSSLESS[name])
                await asyncio.sleep(0.002)
            proxy.apply(CLEAN)
            assert await answers == data

    asyncio.run(run())


async def test_throttled_bytes_arrive_in_order() -> None:
    data = bytes(range(256)) * 8
    async with proxied() as (proxy, _):
        proxy.apply(Conditions(bytes_per_second=10_000))
        assert await echo_through(await asyncio.open_connection(*proxy.address), data) == data


async def test_stall_reads_nothing_and_loses_nothing() -> None:
    async with proxied() as (proxy, echo):
        reader, writer = await asyncio.open_connection(*proxy.address)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        proxy.apply(STALL)
        writer.write(b"meanwhile")
        # A connection of its own shows that the loop has turned, and that new ones wait too.
        _, late = await asyncio.open_connection(*proxy.address)
        await eventually(lambda: len(proxy.links) == 2, "the second connection")
        assert (echo.accepted, bytes(echo.received)) == (1, b"before")
        proxy.apply(CLEAN)
        assert await reader.readexactly(9) == b"meanwhile"
        await eventually(lambda: echo.accepted == 2, "the second connection to go on")
        await leave(writer)
        await leave(late)


async def test_backpressure_bounds_what_is_held() -> None:
    async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await finished.wait()
        writer.close()

    finished = asyncio.Event()
    server = await asyncio.start_server(never_reads, "127.0.0.1", 0, limit=1024)
    async with Proxy(*server.sockets[0].getsockname()) as proxy:
        proxy.apply(Conditions(delay=3600))
        _, writer = await asyncio.open_connection(*proxy.address)
        writer.write(bytes(32 << 20))
        await eventually(lambda: bool(proxy.links), "the link")
        (link,) = proxy.links
        await eventually(lambda: link.server.queued_bytes >= QUEUE_BYTES_MAX, "a full queue")
        for _ in range(100):
            await asyncio.sleep(0)
        assert link.server.queued_bytes <= QUEUE_BYTES_MAX + (256 << 10)
        writer.transport.abort()
        finished.set()
    server.close()


async def test_blackhole_forgets_and_then_resets() -> None:
    async with proxied() as (proxy, echo):
        reader, writer = await asyncio.open_connection(*proxy.address)
        quiet_reader, quiet = await asyncio.open_connection(*proxy.address)
        quiet.write(b"q")
        assert await quiet_reader.readexactly(1) == b"q"
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        proxy.apply(BLACKHOLE)
        writer.write(b"lost")
        new_reader, new = await asyncio.open_connection(*proxy.address)
        new.write(b"lost too")
        await eventually(
            lambda: sum(link.incomplete for link in proxy.links) == 2, "bytes to be forgotten"
        )
        assert (echo.accepted, bytes(echo.received)) == (2, b"qbefore")
        proxy.apply(CLEAN)
        for cut in (reader, new_reader):
            with pytest.raises(ConnectionResetError):
                await cut.read()
        quiet.write(b"still here")
        assert await quiet_reader.readexactly(10) == b"still here"
        for one in (writer, quiet, new):
            await leave(one)


async def test_a_close_in_a_blackhole_is_not_told() -> None:
    async with proxied() as (proxy, echo):
        reader, writer = await asyncio.open_connection(*proxy.address)
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.apply(BLACKHOLE)
        await leave(writer)
        await eventually(lambda: any(link.incomplete for link in proxy.links), "the close")
        assert len(echo.writers) == 1
        proxy.apply(CLEAN)
        await eventually(lambda: not echo.writers, "the server to be reset")


async def test_reset_is_a_reset_on_both_sides() -> None:
    ends: list[Exception | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionResetError as error:
            ends.append(error)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Proxy(*server.sockets[0].getsockname()) as proxy:
        reader, writer = await asyncio.open_connection(*proxy.address)
        await eventually(
            lambda: any(link.server.connected for link in proxy.links), "the server's side"
        )
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await eventually(lambda: len(ends) == 1, "the server's reset")
        await leave(writer)
    server.close()


async def test_refuses_while_it_is_to() -> None:
    async with proxied() as (proxy, echo):
        proxy.apply(Conditions(refuse=True))
        reader, writer = await asyncio.open_connection(*proxy.address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await leave(writer)
        proxy.apply(CLEAN)
        assert await echo_through(await asyncio.open_connection(*proxy.address), b"x") == b"x"
        assert echo.accepted == 1


async def test_resets_the_fan_of_a_dead_server() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    async with Proxy(*address) as proxy:
        reader, writer = await asyncio.open_connection(*proxy.address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await leave(writer)
        await eventually(lambda: not proxy.links, "the link to be forgotten")


async def test_carries_many_connections() -> None:
    async with proxied() as (proxy, _):
        streams = [await asyncio.open_connection(*proxy.address) for _ in range(500)]
        for number, (_, writer) in enumerate(streams):
            writer.write(b"%04d" % number)
        answers = [await reader.readexactly(4) for reader, _ in streams]
        assert answers == [b"%04d" % number for number in range(500)]
        for _, writer in streams:
            await leave(writer)


@pytest.mark.parametrize("turns", range(12))
def test_on_uvloop_a_reset_at_any_turn_of_the_loop_leaves_nothing(turns: int) -> None:
    """mobsim runs on uvloop, whose transports are of its own kind; leaving waits for every link."""

    async def run() -> None:
        async with proxied() as (proxy, _):
            reader, writer = await asyncio.open_connection(*proxy.address)
            writer.write(b"once")
            await eventually(lambda: bool(proxy.links), "the link to begin")
            for _ in range(turns):
                await asyncio.sleep(0)
            proxy.reset()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() in (b"", b"once")
            writer.close()

    uvloop.run(run())

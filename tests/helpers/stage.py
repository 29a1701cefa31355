"""A raw WebSocket server whose every byte a test writes: what a swarm must see, and must do.

async with staged(script) as port: ...   # script(visit) is called for each connection
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from ngage_core.behaviour import Target
from ngage_core.swarm import Swarm, publication
from tests.oracle.frames import BINARY, CLOSE, FIN, PING, server_frame
from tests.oracle.upgrade import accept_key

Script = Callable[["Visit"], Awaitable[None]]
EPOCH = "0000abcd"


def numbered(*sequences: int, size: int = 60) -> bytes:
    """Frames of timed publications."""
    return b"".join(
        server_frame(publication(time.monotonic_ns(), n, size), BINARY) for n in sequences
    )


def gap(first: int | str, last: int | str) -> bytes:
    """The ping of a `ring` channel: these offsets are missing."""
    return server_frame(f"gap {first}-{last}".encode(), PING)


def closing(code: int) -> bytes:
    return server_frame(code.to_bytes(2, "big"), CLOSE)


class Visit:
    """One connection of a fan. path: with its query."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.path = ""
        self.key = b""
        self.at_ns = 0

    async def arrive(self) -> None:
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.at_ns = time.monotonic_ns()
        self.path = head.split()[1].decode()
        name = b"Sec-WebSocket-Key: "
        self.key = next(line[len(name) :] for line in head.split(b"\r\n") if line.startswith(name))

    def head(self, offset: int | None = None, recovered: bool | None = None) -> bytes:
        """A 101, with a position in EPOCH if there is an offset."""
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(self.key).decode()}",
        ]
        if offset is not None:
            lines.append(f"Ngage-Position: {EPOCH}:{offset}")
        if recovered is not None:
            lines.append(f"Ngage-Recovered: {'true' if recovered else 'false'}")
        return "\r\n".join([*lines, "", ""]).encode()

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the fan: opcode and unmasked payload, none longer than 64 KiB."""
        first, second = await self.reader.readexactly(2)
        assert first & FIN
        assert second & 0x80, "a client masks"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
            assert size > 125
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def end(self) -> str:
        """How the fan's side ends: "fin" or "reset"."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionResetError:
            return "reset"
        return "fin"


@contextlib.asynccontextmanager
async def staged(script: Script, visits: list[Visit] | None = None) -> AsyncIterator[int]:
    """A server on a free port; what a script raises, but for a fan that goes, fails the test.

    visits: gets all, in the order in which they connected.
    """
    failures: list[BaseException] = []
    ended = False

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer)
        if visits is not None:
            visits.append(visit)
        try:
            await visit.arrive()
            await script(visit)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError) as error:
            if not ended and not isinstance(error, ConnectionError):
                failures.append(error)
        except BaseException as error:  # to be raised where the test sees it
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=4096)
    async with server:
        yield server.sockets[0].getsockname()[1]
        ended = True
    if failures:
        raise failures[0]


@contextlib.contextmanager
def swarm_of(
    port: int,
    fans: int = 1,
    *,
    paths: tuple[str, ...] = ("/ws/stage",),
    skips: bool = False,
    **options: Any,
) -> Iterator[Swarm]:
    """A swarm in front of the server; it is stopped when the block ends."""
    targets = [Target("127.0.0.1", port, path, skips) for path in paths]
    swarm = Swarm(targets, fans=fans, **options)
    try:
        yield swarm
    finally:
        swarm.stop()

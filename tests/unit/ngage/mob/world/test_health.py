"""What a server is asked before a run."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable

from ngage.mob.world.health import await_answer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


@contextlib.asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def test_what_a_server_opens_with_its_first_answer_is_open_afterwards() -> None:
    kept: list[int] = []
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        kept.append(os.open("/dev/null", os.O_RDONLY))
        writer.write(ANSWER)
        writer.close()

    async with listening(handle) as address:
        await await_answer(*address)
        assert len(kept) == 1
        assert b"\r\nConnection: close\r\n" in asked[0]
    os.close(kept[0])


async def test_one_that_does_not_answer_is_no_error() -> None:
    async with listening(lambda reader, writer: writer.transport.abort()) as address:
        await await_answer(*address)
    await await_answer(*address)  # nobody listens there any more

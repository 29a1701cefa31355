"""An edge of this process that speaks Centrifugo's protocol, and a network that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

from ngage.api import Edge
from ngage.centrifugo import Centrifugo
from ngage.settings import Settings

SECRET = bytes(range(32))


@contextlib.asynccontextmanager
async def spoken(settings: Settings | None = None, **parts: Any) -> AsyncIterator[Edge]:
    """Serve with the settings, and with what else Centrifugo() takes."""
    edge = Edge(settings, listen="127.0.0.1:0", admin="127.0.0.1:0")
    edge.prepare()
    protocol = Centrifugo(edge, edge.clients, edge.settings, SECRET, version="test", **parts)
    edge.clients.listen(protocol.receive)
    async with edge, protocol:
        yield edge


class Network:
    """A TCP proxy to an edge: cut() ends every connection at once, as when a network goes away.

    target may change; while it is None nobody gets through.
    """

    def __init__(self, target: tuple[str, int] | None) -> None:
        self.target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """ws://HOST:PORT of this end."""
        host, port = self._server.sockets[0].getsockname()
        return f"ws://{host}:{port}"

    def cut(self) -> None:
        """Reset every connection on both sides."""
        for writer in self._open:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(task := asyncio.current_task())  # type: ignore[arg-type]
        self._open.add(writer)
        with contextlib.suppress(OSError):
            if self.target is not None:
                far_reader, far_writer = await asyncio.open_connection(*self.target)
                self._open.add(far_writer)
                both = (_pump(reader, far_writer), _pump(far_reader, writer))
                await asyncio.gather(*both, return_exceptions=True)
                self._open.discard(far_writer)
        writer.close()
        self._open.discard(writer)
        self._tasks.discard(task)  # type: ignore[arg-type]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()

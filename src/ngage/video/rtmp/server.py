"""The listener: who may publish, and who does.

One publisher at a time has a stream. Another is refused while the first lives; one that has been
silent for some seconds (a cable pulled, a laptop closed) has lost it, so that an encoder that
reconnects by itself comes back long before TCP notices.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from ngage.errors import StartError
from ngage.video.rtmp.access import Access
from ngage.video.rtmp.complaints import Complaints
from ngage.video.rtmp.connection import Connection, Timing
from ngage.video.rtmp.publisher import Publisher
from ngage.video.rtmp.session import End, Refused

CONNECTIONS_MAX = 64
BACKLOG = 64

log = logging.getLogger(__name__)


class RtmpServer:
    """`async with` listens; `on_publisher` runs as a task for each publication.

    It gets the units by iterating the publisher. Where it returns or raises before `Ended`, the
    publication ends. For one stream it never runs twice at once: a publisher that comes back waits
    until the consumer of the last one has returned. Use it from one event loop.
    """

    def __init__(
        self,
        host: str,
        port: int,
        access: Access,
        on_publisher: Callable[[Publisher], Awaitable[None]],
        *,
        timing: Timing | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.timing = timing or Timing()
        self._host, self._port = host, port
        self._access = access
        self._on_publisher = on_publisher
        self._connections_max = connections_max
        self._connections: set[Connection] = set()
        self._live: dict[tuple[str, str], Connection] = {}
        self._consumers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._complaints = Complaints(log)
        self._all_closed = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the one that was picked where 0 was asked for."""
        host, port, *_ = self._server.sockets[0].getsockname()
        return host, port

    async def __aenter__(self) -> Self:
        """Raises StartError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self), self._host, self._port, backlog=BACKLOG
            )
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise StartError(f"RTMP cannot listen at {where}: {error.strerror}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Publications end; their consumers have `linger_seconds` for what is queued."""
        self._server.close()
        for connection in list(self._connections):
            connection.fail("the server stops")
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self.timing.linger_seconds)
            if self._connections:
                self._all_closed.clear()
                await self._all_closed.wait()
        finally:
            for connection in self._connections:
                connection.abort()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    # What connections ask

    def opened(self, connection: Connection) -> bool:
        room = len(self._connections) < self._connections_max
        self._connections.add(connection)
        if not room:
            reason = f"{self._connections_max} are connected already"
            self._complaints.say(f"{connection.peer}: refused, {reason}")
        return room

    def has_app(self, app: str) -> bool:
        return self._access.has_app(app)

    def publish(self, connection: Connection, app: str, key: str) -> Publisher:
        name = self._access.stream(app, key)
        if name is None:
            raise Refused("NetStream.Publish.BadName", "the stream key is wrong")
        first = self._live.get((app, name))
        if first is not None:
            if not first.dead:
                raise Refused("NetStream.Publish.BadName", "the stream is being published already")
            first.fail("silent, and another publisher has taken over")
        publisher = Publisher(
            *(app, name, connection.peer),
            pause=lambda: connection.hold("units"),
            resume=lambda: connection.release("units"),
            close=connection.fail,
        )
        self._live[app, name] = connection
        self._start(publisher)
        log.info("stream %s: published from %s", name, connection.peer)
        return publisher

    def ended(self, connection: Connection, end: End) -> None:
        publisher = connection.publisher
        if publisher is not None:
            del self._live[publisher.app, publisher.name]
            level = logging.INFO if end.orderly else logging.WARNING
            log.log(level, "stream %s: ended, %s", publisher.name, end.reason)
        elif connection.refused:
            self._complaints.say(f"{connection.peer}: refused, {end.reason}")

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()

    # Consumers

    def _start(self, publisher: Publisher) -> None:
        key = publisher.app, publisher.name
        before = self._consumers.get(key)
        task = asyncio.create_task(self._consume(publisher, before), name=f"rtmp {publisher.name}")
        self._consumers[key] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: self._forget(key, done))

    def _forget(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._consumers.get(key) is task:
            del self._consumers[key]

    async def _consume(self, publisher: Publisher, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait((before,))
            await self._on_publisher(publisher)
        except Exception:
            log.exception("stream %s: its consumer has failed", publisher.name)
        finally:
            publisher.close("the server has ended the publication")

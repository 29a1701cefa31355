"""What publishes in the daemon: its events, the studios' listener and the demonstration.

It begins before the edge listens, so that the first who asks finds all of it. When it begins again,
because a successor has failed, nobody is left who could report a fault: a part that cannot begin is
tried again until it can, and the others go on.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ngage import demo, hostkeys
from ngage.api import Edge
from ngage.centrifugo import Centrifugo
from ngage.daemon.venue import Venue
from ngage.errors import NgageError
from ngage.pages import serve_pages
from ngage.video.channel import LIVE_CHANNEL
from ngage.video.intake import Intake

RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` goes on as long as this is open, and has begun when it opens."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Show:
    """All that publishes, as long as this context is open and it is not stopped."""

    def __init__(self, edge: Edge, venue: Venue, protocol: Centrifugo) -> None:
        self._edge = edge
        self._venue = venue
        self._protocol = protocol
        self._open = contextlib.AsyncExitStack()
        self._troubles: dict[str, str] = {}
        self._parts: Mapping[str, Callable[[], Awaitable[None]]] = {
            "events": self._open_venue,
            "studio": self._open_studio,
            "demonstration": self._open_demo,
        }

    @property
    def trouble(self) -> str:
        """Why a part has not begun again, empty if all have."""
        return "; ".join(f"{name}: {why}" for name, why in self._troubles.items())

    async def __aenter__(self) -> Self:
        try:
            for part in self._parts.values():
                await part()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    def announce(self, admin: str, secret: bytes) -> None:
        """The edge listens: addresses are known. admin: the admin listener's URL."""
        self._venue.serve_pages()
        if not self._edge.settings.demo:
            return
        public = self._edge.public_url
        log.info("the demonstration's picture alone: %s/", public)
        if self._venue.events:
            event = self._venue.events.get(demo.EVENT)
            console = hostkeys.link(admin, secret, event.id, event.number)
            log.info("the event, for its audience: %s/e/%s", public, event.id)
            log.info("its screen in the hall: %s/stage/%s", public, event.id)
            log.info("its hosts' console: %s", console)

    async def stop(self) -> None:
        """End it; when this returns it publishes nothing more."""
        await self._open.aclose()
        self._troubles.clear()

    async def resume(self) -> None:
        """Begin again after stop(); what cannot is tried every RETRY_SECONDS."""
        for name in self._parts:
            if not await self._begins(name):
                await self._open.enter_async_context(running(self._retry(name)))

    async def _retry(self, name: str) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        while not await self._begins(name):
            await asyncio.sleep(RETRY_SECONDS)
        log.info("%s: goes on", name)

    async def _begins(self, name: str) -> bool:
        try:
            await self._parts[name]()
        except Exception as error:
            why = str(error)
            if self._troubles.get(name) != why:
                known = isinstance(error, NgageError)
                log.error("%s: cannot go on yet: %s", name, why, exc_info=not known)
            self._troubles[name] = why
            return False
        self._troubles.pop(name, None)
        return True

    async def _close(self) -> None:
        try:
            await self.stop()
        finally:
            await self._venue.close()

    async def _open_venue(self) -> None:
        await self._venue.start(self._protocol)
        self._open.push_async_callback(self._venue.stop)

    async def _open_studio(self) -> None:
        settings = self._edge.settings
        if settings.studio or settings.demo:
            serve_pages(self._edge, demo.CHANNEL if settings.demo else LIVE_CHANNEL)
        if settings.studio:
            await self._open.enter_async_context(
                Intake(self._edge, settings.studio, lambda: self._edge.settings.api_key)
            )

    async def _open_demo(self) -> None:
        if self._edge.settings.demo:
            if self._venue.events:
                await demo.prepare(self._venue.events)
            await self._open.enter_async_context(running(_run_demo(self._edge)))


async def _run_demo(edge: Edge) -> None:
    file = edge.settings.demo_file
    try:
        await demo.run(edge, Path(file) if file else None, logging.getLogger("ngage.demo"))
    except Exception:
        log.exception("the demonstration ended, the edge serves on")

"""What publishes in the daemon: its events, the studios' listener and the demonstration."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

from ngage import demo
from ngage.api import Edge
from ngage.centrifugo import Centrifugo
from ngage.daemon.venue import Venue
from ngage.options import join_address
from ngage.pages import serve_pages
from ngage.video.channel import LIVE_CHANNEL
from ngage.video.intake import Intake

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

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()
        await self._venue.close()

    async def start(self) -> None:
        """Begin, also again. Raises StartError, StoreError."""
        settings = self._edge.settings
        await self._venue.start(self._protocol)
        self._open.push_async_callback(self._venue.stop)
        if settings.studio or settings.demo:
            serve_pages(self._edge, demo.CHANNEL if settings.demo else LIVE_CHANNEL)
        if settings.studio:
            await self._open.enter_async_context(
                Intake(self._edge, settings.studio, lambda: self._edge.settings.api_key)
            )
        if settings.demo:
            if self._venue.events:
                await demo.prepare(self._venue.events)
            await self._open.enter_async_context(running(_run_demo(self._edge)))

    async def stop(self) -> None:
        """End it; when this returns it publishes nothing more."""
        await self._open.aclose()


async def _run_demo(edge: Edge) -> None:
    file = edge.settings.demo_file
    log.info("the demonstration is at http://%s/", join_address(*edge.address))
    try:
        await demo.run(edge, Path(file) if file else None, logging.getLogger("ngage.demo"))
    except Exception:
        log.exception("the demonstration ended, the edge serves on")

"""What signals make of a running edge: drain, reload, upgrade, or an end at once.

SIGTERM and SIGINT drain; a second one ends at once. SIGHUP reads the settings anew. SIGUSR2 starts
a successor and, once that serves, drains with a code that tells clients to come back.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from enum import Enum

from ngage.api import Edge
from ngage.errors import CloseCode, NgageError
from ngage.settings import Settings

log = logging.getLogger(__name__)


class Phase(Enum):
    """Where an edge is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Lifecycle:
    """The phase of an edge, and the signals that move it.

    read_settings gives the settings anew (SettingsError if they are wrong); start_successor says
    whether another process serves now.
    """

    def __init__(
        self,
        read_settings: Callable[[], Settings],
        start_successor: Callable[[], Awaitable[bool]],
    ) -> None:
        self.phase = Phase.STARTING
        self._read_settings = read_settings
        self._start_successor = start_successor
        self._ending: asyncio.Future[CloseCode] = asyncio.get_running_loop().create_future()
        self._at_once = asyncio.Event()
        self._upgrade: asyncio.Task[None] | None = None

    def install(self, reload: Callable[[Settings], None]) -> None:
        """Take the process's signals; `reload` applies new settings."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_end)
        loop.add_signal_handler(signal.SIGINT, self._on_end)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload, reload)
        loop.add_signal_handler(signal.SIGUSR2, self._on_upgrade)

    async def ending(self) -> CloseCode:
        """Wait until the edge is to end: the code its clients are closed with."""
        return await self._ending

    async def drain(self, edge: Edge, code: CloseCode) -> None:
        """Drain within the settings' drain_seconds; a second signal cuts it short."""
        self.phase = Phase.DRAINING
        log.info("draining %d connections", edge.connections)
        drained = asyncio.ensure_future(edge.drain(edge.settings.drain_seconds, code=code))
        cut_short = asyncio.ensure_future(self._at_once.wait())
        await asyncio.wait((drained, cut_short), return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()
        cut_short.cancel()
        if edge.connections:
            log.warning("%d connections left, closed at once", edge.connections)

    def _on_end(self) -> None:
        if self._ending.done():
            self._at_once.set()
        else:
            self._ending.set_result(CloseCode.GOING_AWAY)

    def _on_reload(self, reload: Callable[[Settings], None]) -> None:
        if self.phase is not Phase.SERVING:
            return
        try:
            reload(self._read_settings())
        except NgageError as error:
            log.error("not reloaded, the old settings stay: %s", error)

    def _on_upgrade(self) -> None:
        if self.phase is Phase.SERVING and (self._upgrade is None or self._upgrade.done()):
            self._upgrade = asyncio.ensure_future(self._hand_over())

    async def _hand_over(self) -> None:
        if await self._start_successor() and not self._ending.done():
            self._ending.set_result(CloseCode.SERVICE_RESTART)

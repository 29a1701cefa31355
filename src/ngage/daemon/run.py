"""The composition root: an edge, its admin listener, its signals and the service manager."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType

from ngage import __version__, logs
from ngage.admin.http import create_app
from ngage.admin.server import AdminServer, bind_admin
from ngage.api import Edge
from ngage.daemon.sdnotify import Notifier
from ngage.daemon.snapshot import restore_logs, write_logs
from ngage.daemon.upgrade import Handover, Predecessor, Successor
from ngage.errors import CloseCode, NgageError
from ngage.lifecycle import Lifecycle, Phase
from ngage.options import join_address
from ngage.settings import Settings

log = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    read_settings: Callable[[], Settings],
    environment: Mapping[str, str],
    handover: Handover | None,
) -> None:
    """Serve until a signal ends it. Raises NgageError if it cannot start."""
    notifier = Notifier(environment)
    if handover:
        admin_socket = socket.socket(fileno=handover.admin_descriptor)
    else:
        admin_socket = bind_admin(settings.admin)
    edge = Edge(settings)
    show = _Show(edge)

    async def hand_over() -> bool:
        listen = join_address(*edge.address)
        try:
            async with Successor(listen, admin_socket.fileno(), environment) as successor:
                await successor.prepared()
                await _hand_over_logs(successor, edge, admin, show)
        except (NgageError, OSError, MemoryError) as error:
            log.error("the successor did not start (%s), this process serves on", error)
            return False
        notifier.main_pid(successor.pid)
        return True

    def reload(changed: Settings) -> None:
        notifier.reloading()
        try:
            waiting = edge.reload(changed)
        finally:
            notifier.ready()
        logs.set_level(edge.settings.log_level)
        log.info("settings reloaded")
        if waiting:
            log.warning("these settings need a restart: %s", ", ".join(waiting))

    lifecycle = Lifecycle(read_settings, hand_over)
    app = create_app(edge, lambda: lifecycle.phase, __version__)
    predecessor, callers = _take_over(handover, edge) if handover else (None, [])
    lifecycle.install(reload)
    admin = AdminServer(app, admin_socket, callers)
    with contextlib.closing(admin_socket):
        async with edge, show, _watching(notifier):
            # Admin requests wait in their queue for what comes now: whatever fails here must do so
            # before this process has answered any of them.
            lifecycle.phase = Phase.SERVING
            _announce(edge, admin_socket)
            if predecessor:
                predecessor.ready()
            async with admin:
                notifier.ready()
                code = await lifecycle.ending()
                if code is not CloseCode.SERVICE_RESTART:
                    notifier.stopping()
                await lifecycle.drain(edge, code)


def _take_over(handover: Handover, edge: Edge) -> tuple[Predecessor, list[socket.socket]]:
    """Restore the predecessor's logs; it, and the connections of its callers."""
    edge.prepare()
    predecessor = Predecessor(handover)
    held, callers = predecessor.prepared()
    with held:
        restore_logs(held, edge)
    return predecessor, callers


async def _hand_over_logs(
    successor: Successor, edge: Edge, admin: AdminServer, show: "_Show"
) -> None:
    """Nothing is published from here on, unless this fails."""
    callers = await admin.pause()
    await show.stop()
    try:
        with open(os.memfd_create("ngage-logs"), "w+b") as held:
            write_logs(held, edge.channels)
            await successor.take_over(held.fileno(), callers)
    except BaseException:
        show.start()
        await admin.resume()
        raise
    admin.release()


def _announce(edge: Edge, admin_socket: socket.socket) -> None:
    public = f"http://{join_address(*edge.address)}"
    admin = f"http://{join_address(*admin_socket.getsockname()[:2])}"
    print(f"ngage-edge ready public={public} admin={admin} pid={os.getpid()}", flush=True)
    log.info("clients: %s, admin: %s", public, admin)


@contextlib.asynccontextmanager
async def _watching(notifier: Notifier) -> AsyncIterator[None]:
    """The watchdog is told as long as this is open."""
    task = asyncio.ensure_future(notifier.watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Show:
    """The demonstration, if it is wanted, as long as this context is open and it is not stopped."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self.start()
        # Lets the demonstration put its pages in place before anybody is told the address.
        await asyncio.sleep(0)

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def start(self) -> None:
        """Begin, also again."""
        if self._edge.settings.demo:
            self._task = asyncio.ensure_future(_run_demo(self._edge))

    async def stop(self) -> None:
        """End it; when this returns it publishes nothing more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None


async def _run_demo(edge: Edge) -> None:
    # Imported where it is wanted: it needs an encoder that other installations lack.
    from ngage import demo  # noqa: PLC0415

    file = edge.settings.demo_file
    log.info("the demonstration is at http://%s/", join_address(*edge.address))
    try:
        await demo.run(edge, Path(file) if file else None, logging.getLogger("ngage.demo"))
    except Exception:
        log.exception("the demonstration ended, the edge serves on")

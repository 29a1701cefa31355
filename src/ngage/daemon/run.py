"""The composition root: an edge, its admin listener, its signals and the service manager."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ngage import __version__, demo, logs
from ngage.admin.http import create_app
from ngage.admin.server import AdminServer, bind_admin
from ngage.api import Edge
from ngage.centrifugo import Centrifugo
from ngage.daemon.sdnotify import Notifier
from ngage.daemon.snapshot import restore_logs, write_logs
from ngage.daemon.upgrade import Handover, Predecessor, Successor
from ngage.errors import CloseCode, NgageError
from ngage.lifecycle import Lifecycle, Phase
from ngage.options import join_address
from ngage.pages import serve_pages
from ngage.settings import Settings, live_changes
from ngage.video.channel import LIVE_CHANNEL
from ngage.video.intake import Intake

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
            protocol.reload(live_changes(edge.settings, changed)[0])
            edge.restrict(protocol.namespaces.is_public)
            waiting = edge.reload(changed)
        finally:
            notifier.ready()
        logs.set_level(edge.settings.log_level)
        log.info("settings reloaded")
        if waiting:
            log.warning("these settings need a restart: %s", ", ".join(waiting))

    lifecycle = Lifecycle(read_settings, hand_over)
    app = create_app(edge, lambda: lifecycle.phase, __version__)
    edge.prepare()
    predecessor, callers = _take_over(handover, edge) if handover else (None, [])
    secret = bytes.fromhex(settings.secret) or secrets.token_bytes(32)
    protocol = Centrifugo(edge, edge.clients, settings, secret, version=f"ngage {__version__}")
    edge.take_tickets(secret)
    edge.restrict(protocol.namespaces.is_public)
    edge.clients.listen(protocol.receive)
    lifecycle.install(reload)
    admin = AdminServer(app, admin_socket, callers)
    with contextlib.closing(admin_socket):
        async with edge, show, protocol, _running(notifier.watch()):
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
        await show.start()
        await admin.resume()
        raise
    admin.release()


def _announce(edge: Edge, admin_socket: socket.socket) -> None:
    public = f"http://{join_address(*edge.address)}"
    admin = f"http://{join_address(*admin_socket.getsockname()[:2])}"
    print(f"ngage-edge ready public={public} admin={admin} pid={os.getpid()}", flush=True)
    log.info("clients: %s, admin: %s", public, admin)


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` goes on as long as this is open, and has begun when it opens."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Show:
    """What publishes in this process, the studios' listener and the demonstration, if wanted.

    As long as this context is open and it is not stopped.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
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

    async def start(self) -> None:
        """Begin, also again. Raises StartError."""
        settings = self._edge.settings
        if settings.studio or settings.demo:
            serve_pages(self._edge, demo.CHANNEL if settings.demo else LIVE_CHANNEL)
        if settings.studio:
            await self._open.enter_async_context(
                Intake(self._edge, settings.studio, lambda: self._edge.settings.api_key)
            )
        if settings.demo:
            await self._open.enter_async_context(_running(_run_demo(self._edge)))

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

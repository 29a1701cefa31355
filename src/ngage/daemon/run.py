"""The composition root: an edge, its admin listener, its signals and the service manager."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from ngage import __version__, logs
from ngage.admin.http import AdminServer, bind_admin, create_app
from ngage.api import Edge
from ngage.daemon.sdnotify import Notifier
from ngage.daemon.upgrade import Handover, start_successor, tell_predecessor
from ngage.errors import CloseCode
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

    async def hand_over() -> bool:
        channels = {name: channel.options for name, channel in edge.channels.items()}
        listen = join_address(*edge.address)
        descriptor = admin_socket.fileno()
        successor = await start_successor(listen, descriptor, channels, environment)
        if successor is None:
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
    lifecycle.install(reload)
    app = create_app(edge, lambda: lifecycle.phase, __version__)
    with contextlib.closing(admin_socket):
        async with edge, AdminServer(app, admin_socket) as admin, _beside(edge, notifier):
            lifecycle.phase = Phase.SERVING
            public = f"http://{join_address(*edge.address)}"
            admin_host, admin_port = admin_socket.getsockname()[:2]
            _announce(public, f"http://{join_address(admin_host, admin_port)}")
            notifier.ready()
            if handover:
                tell_predecessor(handover)
            code = await lifecycle.ending()
            if code is CloseCode.SERVICE_RESTART:
                await admin.stop()
            else:
                notifier.stopping()
            await lifecycle.drain(edge, code)


def _announce(public: str, admin: str) -> None:
    print(f"ngage-edge ready public={public} admin={admin} pid={os.getpid()}", flush=True)
    log.info("clients: %s, admin: %s", public, admin)


@contextlib.asynccontextmanager
async def _beside(edge: Edge, notifier: Notifier) -> AsyncIterator[None]:
    """What runs beside the edge as long as it serves: the watchdog, the demonstration."""
    tasks = [asyncio.ensure_future(notifier.watch())]
    if edge.settings.demo:
        tasks.append(asyncio.ensure_future(_run_demo(edge)))
        # Lets the demonstration put its pages in place before anybody is told the address.
        await asyncio.sleep(0)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run_demo(edge: Edge) -> None:
    # Imported where it is wanted: it needs an encoder that other installations lack.
    from ngage import demo  # noqa: PLC0415

    file = edge.settings.demo_file
    log.info("the demonstration is at http://%s/", join_address(*edge.address))
    try:
        await demo.run(edge, Path(file) if file else None, logging.getLogger("ngage.demo"))
    except Exception:
        log.exception("the demonstration ended, the edge serves on")

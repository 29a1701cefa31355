"""The composition root: an edge, its admin listener, its signals and the service manager."""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Mapping

from ngage import __version__, logs
from ngage.admin.http import create_app
from ngage.admin.server import AdminServer, bind_admin
from ngage.api import Edge
from ngage.daemon.place import Place
from ngage.daemon.sdnotify import Notifier
from ngage.daemon.show import Show, running
from ngage.daemon.snapshot import restore_logs, write_logs
from ngage.daemon.upgrade import Handover, Predecessor, Successor
from ngage.daemon.venue import Venue
from ngage.errors import CloseCode, NgageError
from ngage.lifecycle import Lifecycle, Phase
from ngage.options import join_address
from ngage.settings import Settings, live_changes

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
    with contextlib.ExitStack() as closing:
        closing.enter_context(contextlib.closing(admin_socket))
        place = closing.enter_context(Place(settings, handover.directory if handover else ""))
        daemon = _Daemon(settings, read_settings, environment, notifier)
        await daemon.run(admin_socket, place, handover)


class _Daemon:
    """One run of serve()."""

    def __init__(
        self,
        settings: Settings,
        read_settings: Callable[[], Settings],
        environment: Mapping[str, str],
        notifier: Notifier,
    ) -> None:
        self._environment = environment
        self._notifier = notifier
        self._edge = Edge(settings)
        self._lifecycle = Lifecycle(read_settings, self._hand_over)

    async def run(
        self, admin_socket: socket.socket, place: Place, handover: Handover | None
    ) -> None:
        self._edge.prepare()
        with contextlib.closing(self._edge):
            await self._run(admin_socket, place, handover)

    async def _run(
        self, admin_socket: socket.socket, place: Place, handover: Handover | None
    ) -> None:
        secret = place.secret
        edge, lifecycle, notifier = self._edge, self._lifecycle, self._notifier
        edge.allow_origins(_admin_origins(admin_socket))
        self._admin_socket = admin_socket
        self._place = place
        self._venue = venue = Venue(edge, place.data)
        app = create_app(
            *(edge, lambda: lifecycle.phase, __version__),
            events=lambda: venue.events,
            secret=secret,
            figures=venue.figures,
            trouble=lambda: self._show.trouble,
        )
        predecessor, callers = _take_over(handover, edge) if handover else (None, [])
        self._protocol = protocol = venue.protocol(secret, version=f"ngage {__version__}")
        edge.take_tickets(secret)
        edge.restrict(protocol.namespaces.is_public)
        edge.clients.listen(protocol.receive)
        lifecycle.install(self._reload)
        self._admin = admin = AdminServer(app, admin_socket, callers)
        self._show = show = Show(edge, venue, protocol)
        async with show, protocol, running(notifier.watch()):
            edge.listen()
            show.announce(_url(admin_socket), secret)
            # Admin requests wait in their queue for what comes now: whatever fails here must do so
            # before this process has answered any of them.
            lifecycle.phase = Phase.SERVING
            _announce(edge, admin_socket)
            if predecessor:
                predecessor.ready()
                place.owns = True
            async with admin:
                notifier.ready()
                code = await lifecycle.ending()
                if code is not CloseCode.SERVICE_RESTART:
                    notifier.stopping()
                await lifecycle.drain(edge, code)

    async def _hand_over(self) -> bool:
        listen = join_address(*self._edge.address)
        try:
            async with Successor(
                *(listen, self._admin_socket.fileno(), self._environment, self._place.own)
            ) as successor:
                await successor.prepared()
                await _hand_over_logs(successor, self._edge, self._admin, self._show)
        except (NgageError, OSError, MemoryError) as error:
            log.error("the successor did not start (%s), this process serves on", error)
            return False
        self._place.owns = False
        self._notifier.main_pid(successor.pid)
        return True

    def _reload(self, changed: Settings) -> None:
        edge = self._edge
        self._notifier.reloading()
        try:
            waiting = self._apply(changed)
            self._venue.configure(edge.settings)
        finally:
            self._notifier.ready()
        logs.set_level(edge.settings.log_level)
        log.info("settings reloaded")
        if waiting:
            log.warning("these settings need a restart: %s", ", ".join(waiting))

    def _apply(self, changed: Settings) -> list[str]:
        """Take over settings, all or none; NgageError says why none. Those that wait are told."""
        edge, protocol = self._edge, self._protocol
        protocol.reload(live_changes(edge.settings, changed)[0])
        try:
            # Before there are new channels, so that none is open to all for a moment.
            edge.restrict(protocol.namespaces.is_public)
            return edge.reload(changed)
        except NgageError:
            protocol.reload(edge.settings)
            edge.restrict(protocol.namespaces.is_public)
            raise


def _admin_origins(admin_socket: socket.socket) -> tuple[str, ...]:
    """Of the console's page, which listens to the public side like any viewer."""
    host, port = admin_socket.getsockname()[:2]
    return tuple(f"http://{join_address(name, port)}" for name in (host, "localhost"))


def _take_over(handover: Handover, edge: Edge) -> tuple[Predecessor, list[socket.socket]]:
    """Restore the predecessor's logs; it, and the connections of its callers."""
    predecessor = Predecessor(handover)
    held, callers = predecessor.prepared()
    with held:
        restore_logs(held, edge)
    return predecessor, callers


async def _hand_over_logs(successor: Successor, edge: Edge, admin: AdminServer, show: Show) -> None:
    """Nothing is published from here on, unless this fails."""
    callers = await admin.pause()
    try:
        await show.stop()
        with open(os.memfd_create("ngage-logs"), "w+b") as held:
            write_logs(held, edge.channels)
            await successor.take_over(held.fileno(), callers)
    except BaseException:
        try:
            await successor.end()
            await show.resume()
        finally:
            await admin.resume()
        raise
    admin.release()


def _announce(edge: Edge, admin_socket: socket.socket) -> None:
    public, admin = f"http://{join_address(*edge.address)}", _url(admin_socket)
    print(f"ngage-edge ready public={public} admin={admin} pid={os.getpid()}", flush=True)
    log.info("clients: %s, admin: %s", public, admin)


def _url(listener: socket.socket) -> str:
    return f"http://{join_address(*listener.getsockname()[:2])}"

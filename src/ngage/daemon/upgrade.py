"""Start a successor of this process and hand over to it: ports, logs, callers.

The public port is shared (SO_REUSEPORT); the admin listener is inherited, so that what waits in its
queue is answered by whoever is there. The successor is started with the same arguments, environment
and outputs; NGAGE_UPGRADE holds a Handover. Over a socket between the two (SOCK_SEQPACKET keeps
messages apart, SCM_RIGHTS carries descriptors) they say:

    successor    prepared       all that often fails is done: settings, imports, memory
    predecessor  logs           it has stopped to answer callers; with the logs and the callers
    successor    ready          it has the logs and listens, and will answer callers from now on

Whoever publishes is answered by one process at a time: the predecessor until it says `logs`, and
again if `ready` does not come; the successor once `ready` has been accepted.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from ngage.errors import HandoverError

VARIABLE = "NGAGE_UPGRADE"
PREPARE_SECONDS = 40.0
# Callers wait meanwhile. A gigabyte of logs takes 4.4 s, nearly all of it for fresh memory.
RESTORE_SECONDS = 20.0
# SCM_MAX_FD of the kernel is 253, one of which are the logs. More callers have to connect again.
CALLERS_MAX = 252
MESSAGE_BYTES_MAX = 64
PREPARED = b"prepared"
LOGS = b"logs"
READY = b"ready"


class Handover(msgspec.Struct, frozen=True):
    """What a successor inherits: public HOST:PORT, admin listener, socket to its predecessor.

    directory: what the predecessor keeps things in if the settings name nothing; empty for none.
    """

    listen: str
    admin_descriptor: int
    predecessor_descriptor: int
    directory: str = ""


def read_handover(environment: Mapping[str, str]) -> Handover | None:
    """What this process takes over; None where it is no successor."""
    if VARIABLE not in environment:
        return None
    return msgspec.json.decode(environment[VARIABLE], type=Handover)


class Predecessor:
    """The successor's end. Every method waits; HandoverError if the predecessor has given it up."""

    def __init__(self, handover: Handover) -> None:
        self._socket = socket.socket(fileno=handover.predecessor_descriptor)
        self._socket.setblocking(True)

    def prepared(self) -> tuple[BinaryIO, list[socket.socket]]:
        """Say so; the logs, and the connections of callers who may have asked already."""
        self._say(PREPARED)
        message, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_BYTES_MAX, 253)
        if message != LOGS:
            raise HandoverError("the predecessor has given up the upgrade")
        logs, *callers = descriptors
        file = open(logs, "rb")  # noqa: SIM115, the caller's
        file.seek(0)
        return file, [socket.socket(fileno=descriptor) for descriptor in callers]

    def ready(self) -> None:
        """Say so; from here on this process answers callers."""
        self._say(READY)
        self._socket.close()

    def _say(self, message: bytes) -> None:
        try:
            self._socket.send(message)
        except OSError as error:
            raise HandoverError("the predecessor has given up the upgrade") from error


class Successor:
    """The predecessor's end; a context manager that ends a successor which is not ready."""

    def __init__(
        self,
        listen: str,
        admin_descriptor: int,
        environment: Mapping[str, str],
        directory: str = "",
    ) -> None:
        self._listen = listen
        self._directory = directory
        self._admin_descriptor = admin_descriptor
        # The watchdog's time stays, but it must accept the successor's pid.
        self._environment = {k: v for k, v in environment.items() if k != "WATCHDOG_PID"}
        self._ready = False
        self._socket: socket.socket
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with other:
            inherited = (self._listen, self._admin_descriptor, other.fileno(), self._directory)
            handover = Handover(*inherited)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, *sys.orig_argv[1:]],
                    env={**self._environment, VARIABLE: msgspec.json.encode(handover).decode()},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[handover.admin_descriptor, handover.predecessor_descriptor],
                )
            except OSError:
                self._socket.close()
                raise
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end()

    async def end(self) -> None:
        """Unless it is ready, it is dead when this returns, and has let go of everything."""
        self._socket.close()
        if not self._ready:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def prepared(self) -> None:
        """Wait until it has prepared; HandoverError if it does not."""
        await self._hear(PREPARED, PREPARE_SECONDS)

    async def take_over(self, logs: int, callers: Sequence[int]) -> None:
        """Give it these descriptors, and wait until it is ready; HandoverError if it is not.

        Whoever calls this has stopped to publish and to answer, and goes on with that after an
        error.
        """
        socket.send_fds(self._socket, [LOGS], [logs, *callers[:CALLERS_MAX]])
        await self._hear(READY, RESTORE_SECONDS)
        self._ready = True

    async def _hear(self, expected: bytes, seconds: float) -> None:
        cause = f"it ended before it was {expected.decode()}"
        try:
            async with asyncio.timeout(seconds):
                heard = await asyncio.get_running_loop().sock_recv(self._socket, MESSAGE_BYTES_MAX)
        except TimeoutError:
            # What it says after this fails (EPIPE), so that it cannot become ready unheard.
            self._socket.shutdown(socket.SHUT_RD)
            heard = self._socket.recv(MESSAGE_BYTES_MAX)
            cause = f"it was not {expected.decode()} within {seconds:g} s"
        if heard != expected:
            raise HandoverError(cause)

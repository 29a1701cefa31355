"""Start a successor of this process and hand it the listeners.

The public port is shared (SO_REUSEPORT); the admin listener is inherited, so that a connection in
its queue is answered by whoever is there. The successor is started with the same arguments and
environment, and NGAGE_UPGRADE tells it what it takes over.
"""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Mapping

import msgspec

VARIABLE = "NGAGE_UPGRADE"
START_SECONDS = 60.0

log = logging.getLogger(__name__)


class Handover(msgspec.Struct, frozen=True):
    """What a successor takes over: the public HOST:PORT and the descriptor of the admin socket."""

    listen: str
    admin_descriptor: int


def read_handover(environment: Mapping[str, str]) -> Handover | None:
    """What this process takes over; None where it is no successor."""
    text = environment.get(VARIABLE)
    return msgspec.json.decode(text, type=Handover) if text else None


async def start_successor(
    listen: str, admin: socket.socket, environment: Mapping[str, str]
) -> subprocess.Popen[bytes] | None:
    """The process that serves now, its ready line passed on to stdout; None if it did not start."""
    handover = Handover(listen, admin.fileno())
    # The watchdog's time stays, but it must accept the successor's pid.
    inherited = {key: value for key, value in environment.items() if key != "WATCHDOG_PID"}
    successor = subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env={**inherited, VARIABLE: msgspec.json.encode(handover).decode()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=[handover.admin_descriptor],
    )
    assert successor.stdout is not None
    reading = asyncio.ensure_future(asyncio.to_thread(successor.stdout.readline))
    try:
        line = await asyncio.wait_for(asyncio.shield(reading), START_SECONDS)
    except TimeoutError:
        line = b""
    if line.startswith(b"ngage-edge ready "):
        sys.stdout.write(line.decode())
        sys.stdout.flush()
        return successor
    successor.kill()
    await reading
    log.error(
        "the successor did not start (exit code %d), this process serves on", successor.wait()
    )
    return None

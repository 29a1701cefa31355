"""Start a successor of this process and hand it the listeners.

The public port is shared (SO_REUSEPORT); the admin listener is inherited, so that a connection in
its queue is answered by whoever is there. The successor is started with the same arguments and
environment; NGAGE_UPGRADE is the descriptor of a memory file that says what it takes over. Channels
go with it, empty and with new epochs, so that a client who comes back finds the one it was in.
"""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Mapping

import msgspec

from ngage.settings import ChannelOptions

VARIABLE = "NGAGE_UPGRADE"
START_SECONDS = 60.0

log = logging.getLogger(__name__)


class Handover(msgspec.Struct, frozen=True):
    """The public HOST:PORT, the descriptor of the admin socket, and the channels."""

    listen: str
    admin_descriptor: int
    channels: dict[str, ChannelOptions]


def read_handover(environment: Mapping[str, str]) -> Handover | None:
    """What this process takes over; None where it is no successor. Closes the memory file."""
    if VARIABLE not in environment:
        return None
    with open(int(environment[VARIABLE]), "rb") as file:
        file.seek(0)
        return msgspec.json.decode(file.read(), type=Handover)


async def start_successor(
    handover: Handover, environment: Mapping[str, str]
) -> subprocess.Popen[bytes] | None:
    """The process that serves now, its ready line passed on to stdout; None if it did not start."""
    with open(os.memfd_create("ngage-upgrade"), "wb") as file:
        file.write(msgspec.json.encode(handover))
        file.flush()
        successor = _spawn(environment, file.fileno(), handover.admin_descriptor)
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


def _spawn(
    environment: Mapping[str, str], handover_descriptor: int, admin_descriptor: int
) -> subprocess.Popen[bytes]:
    # The watchdog's time stays, but it must accept the successor's pid.
    inherited = {key: value for key, value in environment.items() if key != "WATCHDOG_PID"}
    return subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env={**inherited, VARIABLE: str(handover_descriptor)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=[handover_descriptor, admin_descriptor],
    )

"""Start a successor of this process and hand it the listeners.

The public port is shared (SO_REUSEPORT); the admin listener is inherited, so that a connection in
its queue is answered by whoever is there. Channels go with them, empty and with new epochs, so that
a client who comes back finds the one it was in. The successor is started with the same arguments,
environment and outputs; NGAGE_UPGRADE is the descriptor of a memory file with the Handover.
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
READY = b"ready"

log = logging.getLogger(__name__)


class Handover(msgspec.Struct, frozen=True):
    """What a successor takes over: public HOST:PORT, admin socket, channels.

    ready_descriptor is a pipe to the predecessor, who waits to be told that the successor serves.
    """

    listen: str
    admin_descriptor: int
    channels: dict[str, ChannelOptions]
    ready_descriptor: int


def read_handover(environment: Mapping[str, str]) -> Handover | None:
    """What this process takes over; None where it is no successor. Closes the memory file."""
    if VARIABLE not in environment:
        return None
    with open(int(environment[VARIABLE]), "rb") as file:
        file.seek(0)
        return msgspec.json.decode(file.read(), type=Handover)


def tell_predecessor(handover: Handover) -> None:
    """This process serves: the predecessor may go."""
    with open(handover.ready_descriptor, "wb") as pipe:
        pipe.write(READY)


async def start_successor(
    listen: str,
    admin_descriptor: int,
    channels: dict[str, ChannelOptions],
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes] | None:
    """The process that serves now; None if it did not start."""
    told, telling = os.pipe()
    try:
        successor = _spawn(Handover(listen, admin_descriptor, channels, telling), environment)
    finally:
        os.close(telling)
    with open(told, "rb") as pipe:
        reading = asyncio.ensure_future(asyncio.to_thread(pipe.read))
        finished, _ = await asyncio.wait([reading], timeout=START_SECONDS)
        if finished and reading.result() == READY:
            return successor
        successor.kill()
        await reading
    log.error(
        "the successor did not start (exit code %d), this process serves on", successor.wait()
    )
    return None


def _spawn(handover: Handover, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # The watchdog's time stays, but it must accept the successor's pid.
    inherited = {key: value for key, value in environment.items() if key != "WATCHDOG_PID"}
    with open(os.memfd_create("ngage-upgrade"), "wb") as file:
        file.write(msgspec.json.encode(handover))
        file.flush()
        return subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**inherited, VARIABLE: str(file.fileno())},
            stdin=subprocess.DEVNULL,
            pass_fds=[file.fileno(), handover.admin_descriptor, handover.ready_descriptor],
        )

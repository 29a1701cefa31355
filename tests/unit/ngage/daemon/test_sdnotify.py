import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngage.daemon.sdnotify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        yield listener


def test_states(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.ready()
    notifier.main_pid(12)
    notifier.stopping()
    assert [manager.recv(256) for _ in range(3)] == [b"READY=1", b"MAINPID=12", b"STOPPING=1"]
    notifier.reloading()
    assert manager.recv(256).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0ngage-test-{os.getpid()}")
        listener.settimeout(10)
        Notifier({"NOTIFY_SOCKET": f"@ngage-test-{os.getpid()}"}).ready()
        assert listener.recv(256) == b"READY=1"


def test_nobody_listens(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


async def test_watchdog_of_this_process(manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000"}
    watching = asyncio.ensure_future(
        Notifier({**environment, "WATCHDOG_PID": str(os.getpid())}).watch()
    )
    for _ in range(2):
        assert await asyncio.to_thread(manager.recv, 256) == b"WATCHDOG=1"
    watching.cancel()
    # A watchdog of another process is none of ours: this ends at once.
    await Notifier({**environment, "WATCHDOG_PID": "1"}).watch()

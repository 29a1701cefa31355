"""Daemons that are upgraded, and what follows them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.daemon import Daemon
from tests.helpers.wait import wait_until


class Successors:
    """The processes that follow a daemon; what is left of them ends with the context."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.pids = [daemon.pid]

    def __enter__(self) -> "Successors":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: all(map(has_ended, self.pids[1:])), "the successors to end")

    def upgrade(self) -> None:
        """Returns when the successor has said that it is ready."""
        os.kill(self.pids[-1], signal.SIGUSR2)
        line = self.daemon.read_line()
        assert line.startswith("ngage-edge ready"), line
        self.pids.append(int(line.rpartition("pid=")[2]))


@contextlib.contextmanager
def upgradable(*arguments: str, **options: object) -> Iterator[tuple[Daemon, Successors]]:
    with Daemon(*arguments, **options) as daemon, Successors(daemon) as successors:
        yield daemon, successors


def has_ended(pid: int) -> bool:
    """Also for a process that nobody has waited for: the first daemon's children are orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True

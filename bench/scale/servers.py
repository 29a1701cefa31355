"""What is measured: the floor and ngage-edge, driven alike.

CPU time is the kernel's count for all threads of a process.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol, Self

from bench.scale.estimate import DESCRIPTORS_BESIDE, HASH_SHARE, ScaleError
from ngage.events import Position
from ngage.mob.measure.footprint import read_cpu_seconds
from ngage.mob.world.sinks import EdgeSink

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "build" / "floor"
CHANNEL = "stage"
FLOOR_PORT = 8080  # the network is our own
READY = re.compile(r"ready public=http://[\d.]+:(\d+) admin=(http://\S+) pid=(\d+)")
START_SECONDS = 60.0


class Server(Protocol):
    name: str
    address: str
    port: int
    pid: int

    def publish(self, payload: bytes) -> object:
        """To everybody."""

    def sent(self) -> None:
        """All received the last publication: raises ScaleError if the server knows better."""


class Program:
    """A command and its lines on stdout; leaving the context kills it, and whoever took over.

    What remains where that cannot happen any more is ended by the keeper.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115, __exit__ closes it
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            bufsize=0,
        )
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in {self.process.pid, self.pid}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.log.close()

    def line(self, seconds: float = START_SECONDS) -> str:
        """The next line. Raises ScaleError if it does not come."""
        assert self.process.stdout
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([self.process.stdout], [], [], left)
            piece = self.process.stdout.read(1) if readable else b""
            if not piece:
                raise ScaleError(f"{self.process.args!r} said nothing: {self.complaint()}")
            line += piece
        return line.decode()

    def complaint(self) -> str:
        self.log.seek(0)
        return " | ".join(line.strip() for line in self.log.readlines()[-3:]) or "no log"


class Floor(Program):
    """bench/floor/crowd.c, all of whose threads send at once: with as many as there are cores the
    last of a million has its frame later (`gate` of bench/levers).

    spare: as many times the threads that the descriptors ask for. start: words of its command line.
    within: a command that starts it, so that it gets another network.
    """

    name = "floor"

    def __init__(
        self,
        fans: int,
        *,
        address: str = "127.0.0.1",
        spare: int = 1,
        start: Sequence[str] = (),
        within: Sequence[str] = (),
    ) -> None:
        PROGRAMS.mkdir(parents=True, exist_ok=True)
        make = ["make", "-s", "-C", str(ROOT / "bench" / "floor"), f"OUT={PROGRAMS}"]
        subprocess.run(make, check=True)
        self.address = address
        self.cores = len(os.sched_getaffinity(0))
        self.threads = spare * floor_threads(fans, os.sysconf("SC_OPEN_MAX"), self.cores)
        numbers = map(str, (FLOOR_PORT, fans, self.threads, self.threads))
        super().__init__([*within, str(PROGRAMS / "crowd"), address, *numbers, "", *start])
        self.port = self._answer()["port"]

    def all_open(self) -> None:
        """Wait until it has answered everybody."""
        self._answer()

    def publish(self, payload: bytes) -> None:
        """To everybody."""
        assert self.process.stdin
        self.process.stdin.write(b"send %d\n" % len(payload) + payload)

    def sent(self) -> None:
        """Raises ScaleError if a send of the last publication was short."""
        self.check(self._answer())

    def check(self, answer: dict[str, Any]) -> None:
        """Raises ScaleError if a send was short."""
        if answer["short"]:
            raise ScaleError(f"the floor sent {answer['short']} frames in part only")

    def _answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.line())
        return answer


class Edge(Program):
    """ngage-edge with its defaults, but for the network's congestion control and the drain."""

    name = "ngage"
    address = "127.0.0.1"

    def __init__(self, fans: int, drain_seconds: int = 10) -> None:
        listen = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        options = ("--max-connections", str(fans), "--strict", "--set", "congestion_control=")
        drain = ("--set", f"drain_seconds={drain_seconds}")
        super().__init__([sys.executable, "-m", "ngage", *listen, *options, *drain])
        self._await_ready()

    def _await_ready(self) -> None:
        line = self.line()
        ready = READY.search(line)
        if ready is None:
            raise ScaleError(f"ngage-edge did not start: {line.strip()}")
        self.port, self.pid = int(ready[1]), int(ready[3])
        self._sink = EdgeSink(ready[2], [CHANNEL], "")

    def publish(self, payload: bytes) -> Position:
        """Where it is in the channel's log."""
        with closing(self._sink):  # it opens anew: a kept connection is closed after some seconds
            return self._sink.publish(0, payload)

    def sent(self) -> None:
        """It sends by itself what did not fit at once."""

    def position(self) -> Position | None:
        """The newest of the channel."""
        with closing(self._sink):
            return self._sink.position(0)

    def upgrade(self) -> None:
        """Let a successor take over; the predecessor is draining when this returns."""
        os.kill(self.pid, signal.SIGUSR2)
        self._await_ready()


def floor_threads(fans: int, descriptors: int, cores: int) -> int:
    """As many as the connections need descriptor tables, and equally many for each core."""
    tables = -int(-fans / ((descriptors - DESCRIPTORS_BESIDE) * HASH_SHARE) // 1)
    return max(1, -(-tables // cores)) * cores


def cpu_seconds(*pids: int) -> float:
    """Of those that still run."""
    total = 0.0
    for pid in pids:
        try:
            total += read_cpu_seconds(pid)
        except OSError:
            continue
    return total

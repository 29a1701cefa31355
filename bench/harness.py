"""What the benches share: programs in their own process, what they cost, and the crowds.

A program is driven by lines and answers each with one line of JSON. Its CPU time is read from
/proc: the sum is exact (schedstat, ns), its division into user and system is sampled by the
scheduler's tick, so it is worth something only over many rounds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy

from ngage_core.behaviour import Target
from ngage_core.swarm import Swarm, bucket_floors

HERE = Path(__file__).parent
FLOOR = HERE.parent / "build" / "floor"  # where its programs are compiled to
CONGESTION = "cubic"  # the machine's default may pace (bbr): then the bench measures a timer
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
FANS_PER_SHARD = 17_000  # SO_REUSEPORT spreads by hash: below the descriptors of a shard by 10 %
SETTLE_SECONDS = 0.005  # a thread's time is added up when it goes to sleep


@dataclass(frozen=True)
class Cost:
    """CPU time of threads, in us."""

    total: float
    user: float
    system: float

    def __sub__(self, other: Self) -> "Cost":
        return Cost(self.total - other.total, self.user - other.user, self.system - other.system)


def cost_of(pid: int, *, main_thread: bool) -> Cost:
    """What a process has spent in its main thread, or in all others (an engine's shards)."""
    total = user = system = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task.name == str(pid)) != main_thread:
            continue
        total += int((task / "schedstat").read_text().split()[0]) / 1e3
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        user += int(fields[11]) * 1e6 / TICKS_PER_SECOND
        system += int(fields[12]) * 1e6 / TICKS_PER_SECOND
    return Cost(total, user, system)


def resident_bytes(pid: int | str = "self") -> int:
    """RSS, exact: the counter in statm is kept per thread and lags."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Rss in smaps_rollup")


@contextmanager
def on_cpu(number: int) -> Iterator[None]:
    """Pin this process, and those it starts meanwhile, to one of its CPUs (-1: the last)."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Program:
    """One in its own process. Nobody waits for its first answer but who asks for it."""

    def __init__(self, command: Sequence[str], *, main_thread: bool) -> None:
        self.main_thread = main_thread
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def cost(self) -> Cost:
        time.sleep(SETTLE_SECONDS)
        return cost_of(self.pid, main_thread=self.main_thread)


class Server(Program):
    """A floor or an engine."""

    def __init__(self, command: Sequence[str], *, main_thread: bool) -> None:
        super().__init__(command, main_thread=main_thread)
        self.port = int(self.answer()["port"])
        self.sequence = 0

    def publish(self, mode: str, frames: int, size: int) -> dict[str, Any]:
        """Let it send the next `frames` publications of `size` bytes to everybody."""
        answer = self.ask(f"{mode} {frames} {size} {self.sequence + 1}")
        self.sequence += frames
        return answer


@cache
def programs() -> Path:
    """Where the floor's programs are, compiled if their sources are newer."""
    FLOOR.mkdir(parents=True, exist_ok=True)
    subprocess.run(["make", "-s", "-C", str(HERE / "floor"), f"OUT={FLOOR}"], check=True)
    return FLOOR


def floor(connections: int) -> Server:
    """The bare-C server, which answers so many upgrades and says then what they cost."""
    return Server([str(programs() / "server"), "0", str(connections), CONGESTION], main_thread=True)


def bare_crowd(port: int, connections: int) -> Program:
    """The bare-C crowd, which says what it cost to connect once it has, and then reads."""
    return Program(
        [str(programs() / "receiver"), str(port), str(connections), CONGESTION], main_thread=True
    )


def engine(
    *, shards: int = 1, ping_interval_ms: int = 25_000, backend: str = "epoll", **channel: int
) -> Server:
    """ngage's engine with one channel, "stage"; other keywords are options of the channel."""
    options = {
        "shards": shards,
        "ping_interval_ms": ping_interval_ms,
        "congestion": CONGESTION,
        "backend": backend,
        "channel": channel,
    }
    return Server([sys.executable, str(HERE / "engine.py"), json.dumps(options)], main_thread=False)


def shards_for(fans: int) -> int:
    return -(-fans // FANS_PER_SHARD)


def stage(port: int) -> list[Target]:
    """Where fans of the one channel connect."""
    return [Target("127.0.0.1", port, "/ws/stage")]


@contextmanager
def crowd(port: int, fans: int, **options: Any) -> Iterator[Swarm]:
    """Fans of "stage", all of them connected, who await the publication numbered 1."""
    options = {"source": "127.0.0.0/8", "congestion": CONGESTION, **options}
    swarm = Swarm(stage(port), fans=fans, **options)
    try:
        connected = swarm.connect(60 + fans / 1000)
        assert connected == fans, swarm.progress()
        swarm.reset(1)
        yield swarm
    finally:
        swarm.stop()


def let_fans_wait_their_turn(server: Server, *others: Program) -> None:
    """Put every squad, and these programs, on the server's CPU, where they run when nobody else
    wants to.

    They then sleep through a broadcast and read afterwards: no send has to wake a thread on another
    CPU, which on a virtual machine costs more than the bookkeeping that is to be measured, and the
    more often the slower the server is. Viewers on other machines cost no such thing.
    """
    cpus = os.sched_getaffinity(server.pid)
    squads = [task for task in map(int, os.listdir("/proc/self/task")) if task != os.getpid()]
    for task in [*squads, *(program.pid for program in others)]:
        os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(task, cpus)


def must_be_complete(swarm: Swarm, per_fan: int, timeout: float = 60.0) -> dict[str, int]:
    """Each publication once and in order at every fan, or AssertionError: the counters."""
    arrived = swarm.wait_received(per_fan, timeout)
    counters = swarm.progress()
    faults = ("gaps", "duplicates", "reordered", "corrupt", "untimed", "malformed", "closed")
    assert arrived and not any(counters[name] for name in faults), counters
    assert counters["received"] == per_fan * swarm.fans, counters
    return counters


def percentile_ms(swarm: Swarm, fraction: float) -> float:
    counts = numpy.asarray(swarm.histogram()).cumsum()
    bucket = int(numpy.searchsorted(counts, fraction * counts[-1]))
    return float(bucket_floors()[bucket]) / 1e6

"""The crowd of a stage: native fans that connect, see every frame, come back when sent away."""

import time
from collections.abc import Callable, Sequence
from typing import Self

from bench.harness import resident_bytes
from bench.scale.estimate import ScaleError, available_bytes
from bench.scale.figures import Round
from bench.scale.servers import CHANNEL, Server, cpu_seconds
from ngage.mob.measure.percentiles import Histogram
from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step, Target
from ngage_core.swarm import Swarm, bucket_floors, publication

FLOORS = bucket_floors()
SHARES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
FAULTS = ("gaps", "duplicates", "reordered", "corrupt", "untimed", "malformed", "violations")
# Who loses the connection resumes where it stopped, after a back-off of its own.
RETURNING = Persona(
    name="returning",
    steps=(
        Step(),
        Step(think=Delay(Distribution.UNIFORM, 0.05, 1.0), next=((1.0, 2),)),
        Step(Action.RESUME),
    ),
    lost=1,
)
CONNECTS_PER_SECOND_LEAST = 5000  # slower is given up
PATIENCE_SECONDS = 15.0  # with a broadcast that does not go on
LOOK_SECONDS = 0.05  # looking at the crowd must not take its CPU
TOLD_SECONDS = 5.0
QUIET_SECONDS = 0.25  # a sender has gone to sleep, and what it spent is counted

Say = Callable[[str], None]


class Progress:
    """Says how far something is, but not more often than every few seconds."""

    def __init__(self, say: Say) -> None:
        self._say, self._told = say, time.monotonic()

    def at(self, text: str) -> None:
        if time.monotonic() - self._told > TOLD_SECONDS:
            self._told = time.monotonic()
            self._say(text)


class Crowd:
    """A context manager. The floor's answers have no key that fits, so nobody checks any."""

    def __init__(self, server: Server, fans: int, say: Say, *, source: str = "127.0.0.0/8") -> None:
        self.server, self.fans, self.say = server, fans, say
        self.sequence = 1
        self.bytes_before = resident_bytes()
        self.swarm = Swarm(
            [Target(server.address, server.port, f"/ws/{CHANNEL}")],
            fans=fans,
            personas=[RETURNING],
            source=source,
            check_key=server.name != "floor",
            check_padding=True,
            window_returns=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.swarm.stop()

    def connect(self) -> float:
        """Let everybody in: seconds. Raises ScaleError if that does not come to its end."""
        started, progress = time.monotonic(), Progress(self.say)
        deadline = started + 30 + self.fans / CONNECTS_PER_SECOND_LEAST
        self.swarm.connect(0)
        while (open_now := self.swarm.progress()["open"]) < self.fans:
            now = time.monotonic()
            if now > deadline:
                raise ScaleError(f"{open_now:,} of {self.fans:,} fans connected in time")
            progress.at(f"{open_now:,} connected, {open_now / (now - started):,.0f} per second")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - started

    def hear_all(self, sizes: Sequence[int]) -> tuple[list[Round], list[str]]:
        """Rounds until one is wrong: those after it would be."""
        rounds: list[Round] = []
        for size in sizes:
            found, faults = self.hear(size)
            rounds.append(found)
            if faults:
                return rounds, faults
        return rounds, []

    def hear(self, size: int, of: str = "") -> tuple[Round, list[str]]:
        """One publication of `size` bytes to everybody, and what was wrong with it. of: whose it
        is, to be said with it."""
        self.sequence += 1
        self.swarm.reset(self.sequence)
        server_cpu, mob_cpu = cpu_seconds(self.server.pid), self.swarm.cpu_seconds()
        intended_ns = time.monotonic_ns()
        self.server.publish(publication(intended_ns, self.sequence, size))
        least = self._await_all()
        self.server.sent()
        missing = self.swarm.give_up([(self.sequence, intended_ns)])
        time.sleep(QUIET_SECONDS)
        counters = self.swarm.progress()
        latency = Histogram.of(self.swarm.histogram(), FLOORS)
        found = Round(
            size=size,
            last_ms=(counters["last_received_ns"] - intended_ns) / 1e6,
            percentiles_ms={name: latency.percentile(share) for name, share in SHARES.items()},
            server_cpu_us=(cpu_seconds(self.server.pid) - server_cpu) / self.fans * 1e6,
            mob_cpu_us=(self.swarm.cpu_seconds() - mob_cpu) / self.fans * 1e6,
            least_available_bytes=least,
        )
        faults = self._faults(counters, missing)
        self.say(
            f"{of}{size:,} bytes: all received after {found.last_ms:,.0f} ms, "
            f"p50 {found.percentiles_ms['p50']:,.0f}, p99 {found.percentiles_ms['p99']:,.0f}; us "
            f"each: server {found.server_cpu_us:.2f}, mob {found.mob_cpu_us:.2f}"
            + "".join(f"; WRONG: {fault}" for fault in faults)
        )
        return found, faults

    def _await_all(self) -> int:
        """Until everybody has it or nobody gets it any more: the least memory available then."""
        least, received, moved = available_bytes(), 0, time.monotonic()
        progress = Progress(self.say)
        while received < self.fans and time.monotonic() - moved < PATIENCE_SECONDS:
            least = min(least, available_bytes())
            time.sleep(LOOK_SECONDS)
            if (now := self.swarm.progress()["received"]) > received:
                received, moved = now, time.monotonic()
            progress.at(f"{received:,} received")
        return least

    def _faults(self, counters: dict[str, int], missing: int) -> list[str]:
        faults = [f"{counters[name]:,} {name}" for name in FAULTS if counters[name]]
        if missing or counters["received"] != self.fans or counters["open"] != self.fans:
            faults.append(
                f"publication {self.sequence}: {counters['received']:,} received, {missing:,} "
                f"missing, {counters['open']:,} of {self.fans:,} fans connected"
            )
        return faults + [str(violation) for violation in self.swarm.violations()[:3]]

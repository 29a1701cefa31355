"""What a run has found, as it is kept in a file."""

from pathlib import Path

import msgspec


class Connecting(msgspec.Struct, frozen=True):
    """seconds: until the last fan had its 101. Bytes are of one connection."""

    seconds: float
    server_bytes: float
    mob_bytes: float
    kernel_bytes: float  # in objects of the kernel's allocator, both ends
    server_cpu_us: float
    mob_cpu_us: float
    threads: int  # of the mob

    def per_second(self, fans: int) -> float:
        return fans / self.seconds


class Round(msgspec.Struct, frozen=True):
    """One publication to everybody. In ms from the intended send; CPU of a delivery in us."""

    size: int
    last_ms: float
    percentiles_ms: dict[str, float]
    server_cpu_us: float
    mob_cpu_us: float
    least_available_bytes: int


class Idle(msgspec.Struct, frozen=True):
    """Cores used by a crowd that is only connected."""

    seconds: float
    server_cores: float
    mob_cores: float
    pings: int


class Restart(msgspec.Struct, frozen=True):
    """seconds: from the signal until everybody was back. curve: connections made by second."""

    seconds: float
    ready_seconds: float  # until the successor could serve
    recovered: int
    unrecovered: int
    received: int  # fans that have what was published when they were away
    attempts_failed: int
    server_cpu_us: float  # of a fan, both processes
    mob_cpu_us: float
    curve: list[int]


class Stage(msgspec.Struct, frozen=True):
    """One server before the crowd. incomplete: what was wrong with what fans saw; empty is good."""

    server: str
    connecting: Connecting
    rounds: list[Round]
    incomplete: list[str]
    idle: Idle | None = None
    restart: Restart | None = None
    bytes_after: float = 0.0  # of a connection of the server, after the rounds


class Run(msgspec.Struct, frozen=True):
    """settings: what holds in the namespace and on the host, raised or not."""

    fans: int
    machine: str
    when: str
    settings: dict[str, str]
    stages: list[Stage]

    @property
    def complete(self) -> bool:
        return not any(stage.incomplete for stage in self.stages)

    def of(self, server: str) -> list[Stage]:
        return [stage for stage in self.stages if stage.server == server]


def store(run: Run, directory: Path) -> None:
    """One file for each size: a newer run takes the place of an older one."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{run.fans}.json").write_bytes(msgspec.json.format(msgspec.json.encode(run)))


def load(directory: Path) -> list[Run]:
    """The runs that are there, by size."""
    runs = [msgspec.json.decode(file.read_bytes(), type=Run) for file in directory.glob("*.json")]
    return sorted(runs, key=lambda run: run.fans)

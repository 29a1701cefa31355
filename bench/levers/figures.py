"""What was found of a lever, as it is kept in a file."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.scale.figures import Round


class Turn(msgspec.Struct, frozen=True):
    """A broadcast of one side. drops: of packets, by queues of the CPUs, in that time."""

    side: str
    round: Round
    drops: int


class Entry(msgspec.Struct, frozen=True):
    """Everybody was let in. cpu_us: the server's, for each."""

    side: str
    per_second: float
    cpu_us: float


class Found(msgspec.Struct, frozen=True):
    """absent: why it could not be tried. wrong: what was wrong with what fans saw."""

    lever: str
    a: str
    b: str
    fans: int
    load: float = 0.0
    turns: Sequence[Turn] = ()
    entries: Sequence[Entry] = ()
    copied: int = 0
    absent: str = ""
    wrong: Sequence[str] = ()

    @property
    def sizes(self) -> list[int]:
        return sorted({turn.round.size for turn in self.turns})

    def of(self, side: str, size: int) -> list[Turn]:
        return [turn for turn in self.turns if (turn.side, turn.round.size) == (side, size)]


class Report(msgspec.Struct, frozen=True):
    network: str
    fans: int
    machine: str
    when: str
    levers: list[Found]


def store(report: Report, directory: Path) -> Path:
    """One file for each network and size: levers that were not taken again stay in it."""
    file = directory / f"{report.network}-{report.fans}.json"
    directory.mkdir(parents=True, exist_ok=True)
    again = {found.lever for found in report.levers}
    if file.exists():
        earlier = msgspec.json.decode(file.read_bytes(), type=Report).levers
        kept = [found for found in earlier if found.lever not in again]
        report = msgspec.structs.replace(report, levers=kept + report.levers)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return file

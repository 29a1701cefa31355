"""What processes have cost so far, as the kernel counts it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ngage.mob.measure.footprint import read_cpu_seconds

PROC = Path("/proc")


@dataclass(frozen=True)
class Footprint:
    """cpu_seconds: of all threads; resident_bytes: RSS now; switches: of context, both kinds.

    Switches of a thread that has ended are no longer counted: all of these servers keep theirs.
    """

    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    switches: int = 0

    def __add__(self, other: Self) -> "Footprint":
        return Footprint(
            self.cpu_seconds + other.cpu_seconds,
            self.resident_bytes + other.resident_bytes,
            self.switches + other.switches,
        )

    def __sub__(self, other: Self) -> "Footprint":
        return Footprint(
            self.cpu_seconds - other.cpu_seconds,
            self.resident_bytes - other.resident_bytes,
            self.switches - other.switches,
        )


def process_tree(pid: int) -> list[int]:
    """This process and all that it started, and they."""
    tree = [pid]
    for parent in tree:
        for task in (PROC / str(parent) / "task").iterdir():
            tree += map(int, (task / "children").read_text().split())
    return tree


def footprint(pids: list[int]) -> Footprint:
    """The sum over processes. Raises OSError if one of them is gone."""
    total = Footprint()
    for pid in pids:
        process = PROC / str(pid)
        resident = _field(process / "smaps_rollup", "Rss:") * 1024
        switches = sum(
            _field(task / "status", kind)
            for task in (process / "task").iterdir()
            for kind in ("voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:")
        )
        total += Footprint(read_cpu_seconds(pid), resident, switches)
    return total


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")

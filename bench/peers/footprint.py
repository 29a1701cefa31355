"""What processes have cost so far, as the kernel counts it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")


@dataclass(frozen=True)
class Footprint:
    """cpu_ns: run time of all threads; resident_bytes: RSS now; switches: of context, both kinds.

    The cost of a thread that has ended is no longer counted, so a difference is right for servers
    that keep their threads, as all of these do.
    """

    cpu_ns: int = 0
    resident_bytes: int = 0
    switches: int = 0

    def __add__(self, other: Self) -> "Footprint":
        return Footprint(
            self.cpu_ns + other.cpu_ns,
            self.resident_bytes + other.resident_bytes,
            self.switches + other.switches,
        )

    def __sub__(self, other: Self) -> "Footprint":
        return Footprint(
            self.cpu_ns - other.cpu_ns,
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
        resident = _field(PROC / str(pid) / "smaps_rollup", "Rss:") * 1024
        total += Footprint(resident_bytes=resident)
        for task in (PROC / str(pid) / "task").iterdir():
            ran_ns = int((task / "schedstat").read_text().split()[0])
            status = task / "status"
            switches = _field(status, "voluntary_ctxt_switches:")
            switches += _field(status, "nonvoluntary_ctxt_switches:")
            total += Footprint(cpu_ns=ran_ns, switches=switches)
    return total


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")

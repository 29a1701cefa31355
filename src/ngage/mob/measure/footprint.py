"""What a process costs: memory, descriptors and CPU time, as the kernel counts them (proc(5))."""

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

RSS = re.compile(r"^Rss:\s+(\d+) kB", re.MULTILINE)
# A table of a shard differs from any other in its listener, which is among its first descriptors.
COMPARED = 64


class Footprint(NamedTuple):
    """resident_bytes: in RAM now. descriptors: open now. cpu_seconds: since it was started."""

    resident_bytes: int
    descriptors: int
    cpu_seconds: float


def read_footprint(pid: int) -> Footprint:
    """Raises OSError if there is no such process, or none of ours."""
    return Footprint(_resident_bytes(pid), count_descriptors(pid), read_cpu_seconds(pid))


def own_resident_bytes() -> int:
    """What this process has in RAM, exactly: the counter in statm lags, thread by thread."""
    return _resident_bytes("self")


def _resident_bytes(pid: int | str) -> int:
    match = RSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return int(match[1]) * 1024 if match else 0


def read_cpu_seconds(pid: int) -> float:
    """CPU time of all threads, ended ones too, to the nanosecond."""
    # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED), which is clock_getcpuclockid(3).
    return time.clock_gettime((~pid << 3) | 2)


def count_descriptors(pid: int) -> int:
    """Of all descriptor tables: the threads of an edge have tables of their own, others share one.

    kcmp(2) would say who shares, but needs the right to trace. So tables with the same numbers and
    links are taken for one, and this is exact for a process that is opening nothing meanwhile.
    """
    tables = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        directory = f"/proc/{pid}/task/{thread}/fd"
        try:
            numbers = tuple(sorted(map(int, os.listdir(directory))))
            tables[numbers, _links(directory, numbers[:COMPARED])] = len(numbers)
        except FileNotFoundError:
            continue  # the thread has ended
    return sum(tables.values())


def _links(directory: str, numbers: tuple[int, ...]) -> tuple[str, ...]:
    links = []
    for number in numbers:
        try:
            links.append(os.readlink(f"{directory}/{number}"))
        except FileNotFoundError:
            links.append("")  # closed since it was listed
    return tuple(links)

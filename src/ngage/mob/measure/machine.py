"""The machine a run was made on, in one line: cores, processor, memory, kernel, load."""

import os
from pathlib import Path

GIB = 1 << 30


def machine() -> str:
    system = os.uname()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} x {_processor()}, {memory:.0f} GiB, "
        f"{system.sysname} {system.release}, load {load}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return os.uname().machine

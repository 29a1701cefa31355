"""The table of figures that ends a run of the benches."""

import os
from pathlib import Path

import pytest

from bench.harness import Figure

ROWS: list[tuple[str, str, str, str]] = []
HEAD = ("figure", "measured", "floor", "target")


@pytest.fixture
def figure() -> Figure:
    """figure("what it is", measured, floor="of the bare C", target="what it should be")."""

    def record(name: str, measured: str, *, floor: str = "", target: str = "") -> None:
        ROWS.append((name, measured, floor, target))

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ROWS:
        return
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    system = os.uname()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    write = terminalreporter.write_line
    write(f"\n{os.cpu_count()} x {model}, {system.sysname} {system.release}, load {load}")
    widths = [max(len(row[i]) for row in [HEAD, *ROWS]) for i in range(len(HEAD))]
    for row in [HEAD, tuple("-" * width for width in widths), *ROWS]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write("| " + " | ".join(cells) + " |")

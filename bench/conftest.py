"""Figures: the table that ends a run, and the baselines their ratios are held to."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import baseline
from bench.baseline import Verdict, significant
from bench.turns import Figure, Versus

BASELINES = Path(__file__).parent / "baseline.toml"
HEAD = ("figure", "measured", "compared with", "target", "baseline")
ROWS = pytest.StashKey[list[tuple[str, ...]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store-baseline",
        choices=["add", "anew"],
        help="add this run to those in bench/baseline.toml, or forget them, instead of comparing",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def machine() -> str:
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return f"{os.cpu_count()} x {model}, {os.uname().sysname} {os.uname().release}"


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """figure("what it is", measured, floor="of the bare C", target="what it should be", ratio=R).

    A ratio is held to its baseline: the test fails where it is worse beyond the spread.
    """
    storing = request.config.getoption("--store-baseline")
    rows = request.config.stash[ROWS]

    def record(
        name: str, measured: str, *, floor: str = "", target: str = "", ratio: float | None = None
    ) -> None:
        if ratio is None:
            rows.append((name, measured, floor, target, ""))
            return
        known = baseline.loads(BASELINES.read_text()) if BASELINES.exists() else {}
        mine = known.get(name.strip())
        verdict = baseline.compare(mine, ratio)
        if storing:
            today = time.strftime("%Y-%m-%d")
            earlier = mine if storing == "add" else None
            known[name.strip()] = mine = baseline.with_run(earlier, ratio, machine(), today)
            BASELINES.write_text(baseline.dumps(known))
        stored = f" {significant(mine.ratio)} ± {significant(mine.spread)}" if mine else ""
        rows.append((name, measured, floor, target, verdict + stored))
        if verdict is Verdict.WORSE and mine and not storing:
            pytest.fail(baseline.regression(name.strip(), mine, ratio), pytrace=False)

    return record


@pytest.fixture
def versus(benchmark: BenchmarkFixture, figure: Figure) -> Callable[..., None]:
    return Versus(benchmark, figure)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    write = terminalreporter.write_line
    write(f"\n{machine()}, load {load}")
    widths = [max(len(row[i]) for row in [HEAD, *rows]) for i in range(len(HEAD))]
    for row in [HEAD, tuple("-" * width for width in widths), *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write("| " + " | ".join(cells) + " |")

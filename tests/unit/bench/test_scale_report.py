"""What is written of a run: medians beside the floor's, goals that were missed, the chart."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec

from bench.scale.figures import Connecting, Idle, Restart, Round, Run, Stage, load, store
from bench.scale.report import chart, curves, part, table

CONNECTING = Connecting(
    seconds=2.0,
    server_bytes=140.0,
    mob_bytes=150.0,
    kernel_bytes=8000.0,
    server_cpu_us=20.0,
    mob_cpu_us=30.0,
    threads=3,
)
RESTART = Restart(
    seconds=5.0,
    ready_seconds=0.5,
    recovered=100,
    unrecovered=0,
    received=100,
    attempts_failed=0,
    server_cpu_us=60.0,
    mob_cpu_us=80.0,
    curve=[10, 90],
)


def rounds(*last_ms: float) -> list[Round]:
    names = ("p50", "p90", "p99", "p99.9", "max")
    return [
        Round(size, ms, dict.fromkeys(names, ms / 2), 8.0, 5.0, 10**9)
        for ms in last_ms
        for size in (128, 1024)
    ]


def stage(server: str, *last_ms: float, **others: Any) -> Stage:
    return Stage(server, CONNECTING, rounds(*last_ms), others.pop("incomplete", []), **others)


def run(*last_ms: float, fans: int = 100, **others: Any) -> Run:
    stages = [stage("floor", 900.0), stage("ngage", *last_ms, **others), stage("floor", 1100.0)]
    return Run(fans, "a machine", "2026-11-23", {"net/core/somaxconn": "1\t2"}, stages)


def row(found: Run, title: str) -> list[str]:
    """The cells of the only row with this title."""
    (line,) = [line for line in table(found).splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_time_is_a_median_with_its_ratio_to_the_floor_before_and_after() -> None:
    found = run(1000.0, 1100.0, 5000.0)
    assert row(found, "128 bytes: s to the last receiver") == [
        "1.10 = 1.10x",
        "0.90 / 1.10",
        "<= 1.15x",
    ]


def test_a_goal_that_is_missed_is_said() -> None:
    found = run(1200.0, idle=Idle(60.0, 0.06, 0.01, 7), restart=RESTART)
    assert row(found, "128 bytes: s to the last receiver")[2] == "<= 1.15x, missed"
    assert row(found, "idle: cores of the server")[2] == "<= 0.05, missed"
    title = "restart: s until all are back; the floor's connecting"
    assert row(found, title) == ["5.0 = 2.50x", "2.0 / 2.0", "<= 2x, missed"]
    assert row(found, "restart: not recovered, and told so")[2] == "<= 0"


def test_the_memory_of_the_server_is_the_larger_one() -> None:
    found = run(1000.0, bytes_after=201.0)
    assert row(found, "user bytes of a connection, server") == ["201", "", "<= 200, missed"]


def test_a_run_with_faults_is_not_complete() -> None:
    assert run(1.0).complete
    assert not run(1.0, incomplete=["1 gaps"]).complete


def test_what_was_not_measured_after_a_fault_is_left_out() -> None:
    found = run(1.0, incomplete=["1 gaps"])
    edge = msgspec.structs.replace(found.stages[1], rounds=found.stages[1].rounds[:1])
    found = msgspec.structs.replace(found, stages=[found.stages[0], edge, found.stages[2]])
    assert "| 128 bytes: s to p50 |" in table(found)
    assert "| 1,024 bytes" not in table(found)
    assert row(found, "lost, doubled, out of order, altered")[0] == "1 rounds"


def test_the_part_holds_every_size_with_settings_and_curve(tmp_path: Path) -> None:
    for found in (run(1.0, fans=2_000_000), run(1.0, restart=RESTART)):
        store(found, tmp_path)
    store(run(2.0, fans=2_000_000), tmp_path)
    runs = load(tmp_path)
    assert [found.fans for found in runs] == [100, 2_000_000]
    text = part(runs)
    assert "#### 100 subscribers" in text
    assert "#### 2,000,000 subscribers" in text
    assert "(scale.svg)" in text
    assert "`net.core.somaxconn = 1 2`" in text
    assert "restart on: 10, 90." in text


def test_a_part_without_figures_says_so() -> None:
    text = part([])
    assert "Not measured yet" in text
    assert ".svg" not in text


def test_the_chart_has_a_curve_for_each_server_and_size() -> None:
    found = list(curves([run(1000.0), run(3000.0, fans=200)]))
    assert [curve.name for curve in found] == [
        "ngage, 100",
        "floor, 100",
        "ngage, 200",
        "floor, 200",
    ]
    assert found[0].points[0] == (50.0, 0.5)
    paths = [e for e in ET.fromstring(chart("<T>", found)).iter() if e.tag.endswith("path")]
    assert len(paths) == 2 * len(found)  # with the line of its name
    assert [bool(path.get("stroke-dasharray")) for path in paths] == [False, False, True, True] * 2

"""What is said of levers: medians, ratios of neighbours, and what could not be tried."""

from pathlib import Path

import msgspec
import pytest

from bench.levers.figures import Entry, Found, Report, Turn, store
from bench.levers.report import ratio, text
from bench.scale.figures import Round


def turn(side: str, cpu_us: float, last_ms: float = 100.0, drops: int = 0) -> Turn:
    names = ("p50", "p90", "p99", "p99.9", "max")
    return Turn(side, Round(128, last_ms, dict.fromkeys(names, last_ms), cpu_us, 4.0, 10**9), drops)


def found(lever: str = "ring", fans: int = 100, **others: object) -> Found:
    return msgspec.structs.replace(Found(lever, "send()", "io_uring", fans), **others)


def report(*levers: Found) -> Report:
    return Report("loopback", 100, "a machine", "2026-11-26", list(levers))


def cells(said: str, start: str) -> list[str]:
    """Of the only row that begins so."""
    (line,) = [line for line in said.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_ratio_is_that_of_neighbours() -> None:
    # Both grow threefold meanwhile: the ratio does not.
    assert ratio([10.0, 20.0, 30.0], [9.0, 18.0, 27.0]) == pytest.approx(0.9)
    assert ratio([0.0], [5.0]) == 1.0


def test_a_row_has_the_medians_of_both_sides() -> None:
    turns = [turn("A", 10.0), turn("B", 8.0, 50.0), turn("A", 12.0), turn("B", 9.0, 50.0, 3)]
    row = cells(text(report(found(turns=turns, load=1.25))), "ring: send() / io_uring")
    assert row[:7] == ["128", "11.00", "8.50", "0.775x", "0.100", "0.050", "0.500x"]
    assert row[-3:] == ["0", "3", "1.2"]


def test_connecting_is_compared_where_it_was_done_anew() -> None:
    entries = [Entry("A", 10_000.0, 30.0), Entry("B", 20_000.0, 15.0)]
    said = text(report(found(turns=[turn("A", 10.0), turn("B", 10.0)], entries=entries)))
    row = cells(said.partition("connects/s")[2], "ring")
    assert row == ["10,000", "20,000", "2.000x", "30.0", "15.0", "0.500x"]


def test_what_is_not_there_or_wrong_is_said_in_words() -> None:
    said = text(
        report(
            found(absent="this kernel has no conntrack"),
            found("fixed", fans=50, wrong=["2 gaps"], copied=1000),
        )
    )
    assert "ring: not tried: this kernel has no conntrack" in said
    assert "fixed: with 50 fans" in said
    assert "fixed: the kernel copied after all for 1,000 sends" in said
    assert "fixed: WRONG: 2 gaps" in said


def test_a_run_of_some_levers_keeps_the_others(tmp_path: Path) -> None:
    store(report(found("ring", load=1.0), found("fixed")), tmp_path)
    file = store(report(found("ring", load=2.0)), tmp_path)
    kept = msgspec.json.decode(file.read_bytes(), type=Report).levers
    assert {one.lever: one.load for one in kept} == {"fixed": 0.0, "ring": 2.0}
    assert file.name == "loopback-100.json"

"""The rule by which a bench fails: worse than its baseline by more than the spread of its runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.baseline import (
    RUNS_KEPT,
    Baseline,
    Verdict,
    compare,
    dumps,
    loads,
    regression,
    with_run,
)

WHERE, WHEN = "2 x a processor, Linux 6.18", "2026-11-23"
RATIOS = st.floats(0.001, 1000.0)


def of(*runs: float) -> Baseline:
    return Baseline.of(runs, WHERE, WHEN)


def test_the_ratio_is_the_median_of_the_runs() -> None:
    assert of(1.0, 3.0, 1.1).ratio == 1.1


@pytest.mark.parametrize(
    ("runs", "spread"),
    [
        ((2.0,), 0.3),  # nothing is known: 15 %
        ((2.0, 2.2), 0.315),
        ((2.0, 2.0, 2.0), 0.06),  # at least 3 %
        ((2.0, 2.1, 1.9), 0.4),  # twice the range
    ],
)
def test_the_spread_is_measured_by_the_runs(runs: tuple[float, ...], spread: float) -> None:
    assert of(*runs).spread == pytest.approx(spread)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (2.41, Verdict.WORSE),
        (2.39, Verdict.HOLDS),
        (1.61, Verdict.HOLDS),
        (1.59, Verdict.BETTER),
    ],
)
def test_a_run_is_judged_by_the_spread(ratio: float, verdict: Verdict) -> None:
    assert compare(of(2.0, 2.1, 1.9), ratio) is verdict


def test_without_a_baseline_nothing_is_judged() -> None:
    assert compare(None, 1e9) is Verdict.NEW


def test_a_regression_names_the_figure_the_numbers_and_the_way_out() -> None:
    line = regression("accept key", of(2.0, 2.1, 1.9), 2.5)
    for part in ["accept key", "2.5x", "2x", "0.4", "3 runs", WHEN, WHERE, "make bench STORE=anew"]:
        assert part in line
    assert "\n" not in line


def test_a_run_joins_the_others() -> None:
    """However far it lies from them: what a figure does from run to run is its spread."""
    assert with_run(of(1.0, 1.01), 2.0, WHERE, WHEN) == of(1.0, 1.01, 2.0)


def test_the_oldest_run_is_forgotten() -> None:
    known: Baseline | None = None
    for number in range(RUNS_KEPT + 2):
        known = with_run(known, 1 + number / 1000, WHERE, WHEN)
    assert known is not None
    assert known.runs == tuple(1 + number / 1000 for number in range(2, RUNS_KEPT + 2))


@given(st.lists(RATIOS, min_size=1, max_size=RUNS_KEPT))
def test_no_run_of_a_baseline_is_worse_than_it(runs: list[float]) -> None:
    """As long as there are enough of them to have a spread."""
    baseline = of(*runs, *runs, *runs)
    assert {compare(baseline, ratio) for ratio in runs} == {Verdict.HOLDS}


@given(st.lists(RATIOS, min_size=1, max_size=RUNS_KEPT), st.floats(1.001, 10.0))
def test_a_worse_ratio_never_gets_a_better_verdict(runs: list[float], factor: float) -> None:
    order = [Verdict.BETTER, Verdict.HOLDS, Verdict.WORSE]
    baseline, ratio = of(*runs), runs[0]
    assert order.index(compare(baseline, ratio)) <= order.index(compare(baseline, ratio * factor))


def test_what_is_stored_is_read_back() -> None:
    known = {
        'unmask 4,096 bytes: "us"': of(1.0, 1.25, 1.5),
        "a browser's upgrade": of(0.125),
    }
    assert loads(dumps(known)) == known


def test_figures_are_stored_by_name() -> None:
    assert dumps({"b": of(1.0), "a": of(2.0)}) == dumps({"a": of(2.0), "b": of(1.0)})

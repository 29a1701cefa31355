"""Verdicts: what outweighs what, and what a run without figures is worth."""

import pytest

from ngage.mob.measure import judge
from ngage.mob.measure.metrics import Counter, Gauge, Measured, Trend
from ngage.mob.measure.results import ThresholdResult, Verdict
from ngage.mob.model import Phase, Scenario, Threshold

SCENARIO = Scenario(
    name="s", targets=("ws://127.0.0.1:1/",), fans=1, phases=(Phase(name="p", duration=1.0),)
)
NOTHING = Trend(lambda _: 0.0, 0.0, 0)
LATE = Trend(lambda _: 251.0, 251.0, 9)
GOOD = ThresholdResult(metric="gaps", expr="count==0", value=0.0, ok=True)
MISSED = ThresholdResult(metric="gaps", expr="count==0", value=3.0, ok=False)


def measured(**values: Measured) -> dict[str, Measured]:
    return {"lag_ms": NOTHING, "publish_lag_ms": NOTHING, **values}


@pytest.mark.parametrize(
    ("figures", "checked", "kinds", "verdict", "reason"),
    [
        (measured(), [GOOD], {}, Verdict.PASS, None),
        (measured(), [GOOD, MISSED], {}, Verdict.THRESHOLD, "gaps count==0: it was 3"),
        (measured(lag_ms=LATE), [MISSED], {}, Verdict.SATURATED, "the crowd was late by 251 ms"),
        (measured(publish_lag_ms=LATE), [], {}, Verdict.SATURATED, "the publisher was late"),
        (measured(lag_ms=LATE), [MISSED], {"gap": 1200}, Verdict.INVARIANT, "gap: 1,200"),
    ],
)
def test_the_worst_is_the_verdict(
    figures: dict[str, Measured],
    checked: list[ThresholdResult],
    kinds: dict[str, int],
    verdict: Verdict,
    reason: str | None,
) -> None:
    found, reasons = judge.verdict(SCENARIO, figures, checked, kinds)
    assert found == verdict
    assert len(reasons) == (reason is not None)
    assert reasons == [] or reasons[0].startswith(str(reason))


@pytest.mark.parametrize(("count", "missed"), [(0, False), (1, True)])
def test_what_is_not_measured_yet_is_not_missed_yet(count: int, missed: bool) -> None:
    """But at the end it is."""
    wanted = [Threshold(metric="deliver_ms", expr="p(99)<1", abort_on_fail=True)]
    figures = measured(deliver_ms=Trend(lambda _: 5.0, 5.0, count), fans=Gauge(1))
    assert [one.metric for one in judge.missed(wanted, figures)] == ["deliver_ms"] * missed
    assert [one.ok for one in judge.check_at_end(wanted, figures)] == [False]


def test_counters_are_missed_at_once() -> None:
    wanted = [
        Threshold(metric="gaps", expr="count==0"),
        Threshold(metric="lost", expr="rate<0.5"),
    ]
    figures = measured(gaps=Counter(1, 0), lost=Counter(1, 4))
    assert [(one.metric, one.value) for one in judge.missed(wanted, figures)] == [("gaps", 1.0)]


@pytest.mark.parametrize(("fans", "added"), [(0, ["fans"]), (1, [])])
def test_a_run_without_fans_has_not_passed(fans: int, added: list[str]) -> None:
    assert [one.metric for one in judge.check_at_end([], measured(fans=Gauge(fans)))] == added


def test_what_was_expected_is_what_came_once_and_what_did_not() -> None:
    counters = dict.fromkeys(("gaps", "duplicates", "reordered", "corrupt", "bytes"), 0)
    counters |= {"received": 20, "untimed": 5, "duplicates": 2, "gaps": 1, "told": 3, "skipped": 4}
    found = judge.messages(counters)
    assert (found.received, found.expected) == (15, 21)


@pytest.mark.parametrize(
    ("entered", "closes", "advised"),
    [(0, {"404": 9}, True), (0, {"503": 9}, False), (1, {"404": 8}, False), (0, {}, False)],
)
def test_a_crowd_that_finds_no_channel_is_told_how_there_is_one(
    entered: int, closes: dict[str, int], advised: bool
) -> None:
    said = judge.advice({"entered": entered}, closes)
    assert [("--publish" in line) for line in said] == [True] * advised

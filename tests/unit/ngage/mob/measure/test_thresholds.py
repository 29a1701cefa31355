import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.measure.metrics import METRICS, Counter, Gauge, Kind, Measured, Trend
from ngage.mob.measure.thresholds import Condition, Outcome, evaluate, parse

# In the obvious order: the k-th smallest of 1, 2, ... 1000 ms is k
TREND = Trend(percentile=lambda percent: max(1.0, percent * 10), mean=500.5, count=1000)


@pytest.mark.parametrize(
    ("metric", "expression", "measured", "value", "ok"),
    [
        ("deliver_ms", "p(99)<250", TREND, 990.0, False),
        ("deliver_ms", "p(99.9)<=999", TREND, 999.0, True),
        ("deliver_ms", " p( 50 ) == 500 ", TREND, 500.0, True),
        ("deliver_ms", "med!=500", TREND, 500.0, False),
        ("deliver_ms", "avg>500", TREND, 500.5, True),
        ("deliver_ms", "min>=1", TREND, 1.0, True),
        ("deliver_ms", "max<1000", TREND, 1000.0, False),
        ("gaps", "count==0", Counter(0, 100), 0.0, True),
        ("gaps", "count<=3", Counter(4, 100), 4.0, False),
        ("gaps", "rate<0.05", Counter(4, 100), 0.04, True),
        ("failed", "rate<0.001", Counter(0, 0), 0.0, True),
        ("fans", "value>=1500", Gauge(1499), 1499.0, False),
        ("fans", "value>-1.5", Gauge(0), 0.0, True),
    ],
)
def test_expressions(
    metric: str, expression: str, measured: Measured, value: float, ok: bool
) -> None:
    assert evaluate(parse(metric, expression), measured) == Outcome(value, ok)


def test_what_was_not_measured_has_not_passed() -> None:
    nothing = Trend(percentile=lambda percent: 0.0, mean=0.0, count=0)
    assert evaluate(parse("deliver_ms", "p(99)<250"), nothing) == Outcome(0.0, False)


@pytest.mark.parametrize(
    ("metric", "expression", "reason"),
    [
        ("delivery_ms", "p(99)<1", "unknown metric; did you mean deliver_ms"),
        ("gaps", "", "is no threshold such as"),
        ("gaps", "count", "is no threshold such as"),
        ("gaps", "count=0", "is no threshold such as"),
        ("gaps", "count==0 and rate<1", "is no threshold such as"),
        ("gaps", "count==1e3", "is no threshold such as"),
        ("gaps", "p(99)<1", "gaps is a counter, it has no p; there are count, rate"),
        ("gaps", "counts==0", "it has no counts; did you mean count"),
        ("fans", "count>1", "fans is a gauge, it has no count"),
        ("deliver_ms", "p<1", "a percentile is written"),
        ("deliver_ms", "avg(3)<1", "a percentile is written"),
        ("deliver_ms", "p(101)<1", "at most 100"),
    ],
)
def test_what_is_no_threshold(metric: str, expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(metric, expression)


ORACLE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "<=": lambda a, b: not a > b,
    ">=": lambda a, b: not a < b,
    "!=": lambda a, b: a < b or a > b,
}


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=50),
    st.sampled_from(["min", "med", "max", "avg", "p(25)", "p(90)", "p(100)"]),
    st.sampled_from(sorted(ORACLE)),
    st.integers(0, 20),
)
def test_against_a_sorted_list(times: list[int], aggregate: str, symbol: str, limit: int) -> None:
    """Percentiles by nearest rank, each operator said in another way."""
    ranked = sorted(times)
    percents = {"min": 0, "med": 50, "max": 100, "p(25)": 25, "p(90)": 90, "p(100)": 100}

    def percentile(percent: float) -> float:
        return float(ranked[max(0, -(-int(percent) * len(ranked) // 100) - 1)])

    mean = sum(times) / len(times)
    value = mean if aggregate == "avg" else percentile(percents[aggregate])
    outcome = evaluate(
        parse("connect_ms", f"{aggregate}{symbol}{limit}"), Trend(percentile, mean, len(times))
    )
    assert outcome == Outcome(value, ORACLE[symbol](value, limit))


def test_every_kind_of_metric_can_be_asked_for() -> None:
    first = {Kind.TREND: "p(99)", Kind.COUNTER: "count", Kind.GAUGE: "value"}
    for name, metric in METRICS.items():
        condition = parse(name, f"{first[metric.kind]}<1")
        assert isinstance(condition, Condition)
        assert condition.limit == 1.0

"""Thresholds in k6's expressions: `p(99)<250`, `count==0`, `rate<0.001`.

What was not measured has not passed: a trend without a single value fails every threshold.
"""

import operator
import re
from typing import NamedTuple

from ngage.mob.hints import did_you_mean
from ngage.mob.measure.metrics import METRICS, Counter, Gauge, Kind, Measured, Trend, unknown

EXPRESSION = re.compile(
    r"\s*(?P<aggregate>[a-z]+)\s*(?:\(\s*(?P<percent>[0-9]+(?:\.[0-9]+)?)\s*\))?"
    r"\s*(?P<operator><=|>=|==|!=|<|>)"
    r"\s*(?P<limit>-?[0-9]+(?:\.[0-9]+)?)\s*"
)
OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
PERCENTILE = "p"
PERCENTS = {"min": 0.0, "med": 50.0, "max": 100.0}
AGGREGATES = {
    Kind.TREND: (PERCENTILE, "avg", *PERCENTS),
    Kind.COUNTER: ("count", "rate"),
    Kind.GAUGE: ("value",),
}


class Condition(NamedTuple):
    """An expression taken apart. percent: from 0 to 100, where the aggregate is one."""

    aggregate: str
    percent: float
    operator: str
    limit: float


class Outcome(NamedTuple):
    """value: what was measured; 0 if nothing was, and then it is not ok."""

    value: float
    ok: bool


def parse(metric: str, expression: str) -> Condition:
    """Raises ValueError: no such metric, no expression, or one that the metric does not have."""
    if metric not in METRICS:
        raise ValueError(unknown(metric))
    match = EXPRESSION.fullmatch(expression)
    if not match:
        raise ValueError(f'{expression!r} is no threshold such as "p(99)<250" or "count==0"')
    aggregate, percent = match["aggregate"], match["percent"]
    kind = METRICS[metric].kind
    if aggregate not in AGGREGATES[kind]:
        near = did_you_mean(aggregate, AGGREGATES[kind])
        raise ValueError(f"{metric} is a {kind}, it has no {aggregate}{near}")
    if (percent is not None) != (aggregate == PERCENTILE):
        raise ValueError("a percentile is written p(99), and nothing else has a number")
    percent = float(percent) if percent else PERCENTS.get(aggregate, 0.0)
    if percent > 100:
        raise ValueError("a percentile is at most 100")
    return Condition(aggregate, percent, match["operator"], float(match["limit"]))


def evaluate(condition: Condition, measured: Measured) -> Outcome:
    """measured: of the kind of the metric that the condition was parsed for."""
    match measured:
        case Trend(count=0):
            return Outcome(0.0, False)
        case Trend():
            average = condition.aggregate == "avg"
            value = measured.mean if average else measured.percentile(condition.percent)
        case Counter(count, chances) if condition.aggregate == "rate":
            value = count / chances if chances else 0.0
        case Counter(count):
            value = float(count)
        case Gauge():
            value = measured.value
    return Outcome(value, OPERATORS[condition.operator](value, condition.limit))

"""From what was counted to the result: the metrics, the thresholds and the verdict.

An invariant that was violated outweighs everything: it happened, however late the generator was.
A generator that was late outweighs thresholds: the figures are its own.
"""

from collections.abc import Mapping, Sequence

from ngage.mob.measure import thresholds
from ngage.mob.measure.metrics import Counter, Gauge, Measured, Trend
from ngage.mob.measure.percentiles import Histogram
from ngage.mob.measure.results import Messages, ThresholdResult, Verdict, Votes
from ngage.mob.measure.tallies import Finding
from ngage.mob.measure.totals import Counted
from ngage.mob.model import Scenario, Threshold

SOMEBODY = Threshold(metric="fans", expr="value>0")


def messages(counters: Mapping[str, int]) -> Messages:
    """Only timed publications count: others have no number that could be missing."""
    timed = counters["received"] - counters["untimed"]
    missing = counters["gaps"] + counters["told"] + counters["skipped"]
    return Messages(
        expected=timed - counters["duplicates"] + missing,
        received=timed,
        gaps=counters["gaps"],
        duplicates=counters["duplicates"],
        reordered=counters["reordered"],
        corrupt=counters["corrupt"],
        told=counters["told"],
        skipped=counters["skipped"],
        bytes=counters["bytes"],
    )


def votes(counters: Mapping[str, int], found: Finding) -> Votes:
    return Votes(
        sent=counters["votes_sent"],
        acknowledged=counters["votes_acknowledged"],
        counted=found.voters,
        lost=found.lost,
        doubled=found.doubled,
    )


def measure(
    counted: Counted,
    *,
    publish_lag: Trend,
    connects_per_second: float,
    violations: int,
    cast: Votes,
) -> dict[str, Measured]:
    """Every metric of metrics.py."""
    counters = counted.counters
    expected = messages(counters).expected
    attempts = counters["opened"] + counters["failed"]
    resumes = counters["recovered"] + counters["unrecovered"]
    unanswered = cast.sent - cast.acknowledged - counters["votes_refused"]
    return {
        "deliver_ms": _trend(counted.latency),
        "connect_ms": _trend(counted.connect),
        "lag_ms": _trend(counted.lag),
        "publish_lag_ms": publish_lag,
        **{
            name: Counter(counters[name], expected)
            for name in ("gaps", "duplicates", "reordered", "corrupt", "told", "skipped")
        },
        "violations": Counter(violations, expected),
        **{name: Counter(counters[name], attempts) for name in ("failed", "refused")},
        **{name: Counter(counters[name], counters["opened"]) for name in ("closed", "lost")},
        "unrecovered": Counter(counters["unrecovered"], resumes),
        "vote_ms": _trend(counted.voting),
        "votes_unanswered": Counter(max(0, unanswered), cast.sent),
        "votes_refused": Counter(counters["votes_refused"], cast.sent),
        "votes_lost": Counter(cast.lost, cast.sent),
        "votes_doubled": Counter(cast.doubled, cast.sent),
        "votes": Gauge(cast.sent),
        "reactions": Gauge(counters["reactions"]),
        "lines": Gauge(counters["lines"]),
        "fans": Gauge(counters["entered"]),
        "received": Gauge(counters["received"]),
        "connects_per_second": Gauge(connects_per_second),
    }


def check(wanted: Sequence[Threshold], measured: Mapping[str, Measured]) -> list[ThresholdResult]:
    results = []
    for threshold in wanted:
        condition = thresholds.parse(threshold.metric, threshold.expr)
        outcome = thresholds.evaluate(condition, measured[threshold.metric])
        results.append(
            ThresholdResult(
                metric=threshold.metric, expr=threshold.expr, value=outcome.value, ok=outcome.ok
            )
        )
    return results


def missed(wanted: Sequence[Threshold], measured: Mapping[str, Measured]) -> list[ThresholdResult]:
    """In the middle of a run: what has not been measured yet is not missed yet."""
    begun = [
        threshold
        for threshold in wanted
        if not isinstance(trend := measured[threshold.metric], Trend) or trend.count
    ]
    return [result for result in check(begun, measured) if not result.ok]


def check_at_end(
    wanted: Sequence[Threshold], measured: Mapping[str, Measured]
) -> list[ThresholdResult]:
    """check(), and a run without fans has not passed, whatever was wanted."""
    somebody = check([SOMEBODY], measured)
    return check(wanted, measured) + [result for result in somebody if not result.ok]


def verdict(
    scenario: Scenario,
    measured: Mapping[str, Measured],
    checked: Sequence[ThresholdResult],
    kinds: Mapping[str, int],
) -> tuple[Verdict, list[str]]:
    """With the reasons, one sentence each. kinds: violations, how many of each kind."""
    if kinds:
        return Verdict.INVARIANT, [f"{kind}: {count:,}" for kind, count in kinds.items()]
    limit = scenario.max_lag * 1000
    reasons = []
    for metric, who in (("lag_ms", "the crowd"), ("publish_lag_ms", "the publisher")):
        lag = measured[metric]
        if isinstance(lag, Trend) and lag.count and lag.percentile(99) > limit:
            reasons.append(
                f"{who} was late by {lag.percentile(99):,.0f} ms (p99), more than {limit:,.0f} ms; "
                "use fewer fans, more machines, or max_lag"
            )
    if reasons:
        return Verdict.SATURATED, reasons
    missed = [
        f"{threshold.metric} {threshold.expr}: it was {threshold.value:,.5g}"
        for threshold in checked
        if not threshold.ok
    ]
    return (Verdict.THRESHOLD, missed) if missed else (Verdict.PASS, [])


def advice(counters: Mapping[str, int], closes: Mapping[str, int]) -> list[str]:
    """What to do about a crowd that was not let in."""
    if counters["entered"] or not closes.get("404"):
        return []
    return [
        "the target answers 404, no such channel: let something be published there first "
        "(--publish does), or declare it"
    ]


def _trend(histogram: Histogram) -> Trend:
    return Trend(histogram.percentile, histogram.mean, histogram.count)

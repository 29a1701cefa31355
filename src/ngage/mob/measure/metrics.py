"""What a run measures, as thresholds and reports name it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ngage.mob.hints import did_you_mean


class Kind(StrEnum):
    TREND = "trend"  # many times, of which percentiles are asked
    COUNTER = "counter"  # how often, and how often for each chance to
    GAUGE = "gauge"  # one number


class Metric(NamedTuple):
    kind: Kind
    unit: str  # of a counter: what its rate is per
    meaning: str


@dataclass(frozen=True, slots=True)
class Trend:
    """percentile(p) is the least value that p percent, from 0 to 100, do not exceed."""

    percentile: Callable[[float], float]
    mean: float
    count: int


@dataclass(frozen=True, slots=True)
class Counter:
    """chances: what the rate is per; see METRICS."""

    count: int
    chances: int


@dataclass(frozen=True, slots=True)
class Gauge:
    value: float


Measured = Trend | Counter | Gauge

MESSAGE = "message expected"
ATTEMPT = "attempt to connect"
CONNECTION = "connection"
RESUME = "resume"
VOTE = "vote sent"

METRICS = {
    "deliver_ms": Metric(Kind.TREND, "ms", "from the intended send to the fan"),
    "connect_ms": Metric(Kind.TREND, "ms", "from the connect to the 101"),
    "lag_ms": Metric(Kind.TREND, "ms", "how late the generator itself was"),
    "publish_lag_ms": Metric(Kind.TREND, "ms", "how late the publisher itself was"),
    "gaps": Metric(Kind.COUNTER, MESSAGE, "messages missing without a word"),
    "duplicates": Metric(Kind.COUNTER, MESSAGE, "messages that came again"),
    "reordered": Metric(Kind.COUNTER, MESSAGE, "messages that came after a later one"),
    "corrupt": Metric(Kind.COUNTER, MESSAGE, "messages whose bytes were altered"),
    "told": Metric(Kind.COUNTER, MESSAGE, "messages missing, as the server said"),
    "skipped": Metric(Kind.COUNTER, MESSAGE, "messages missing, as the channel's policy may"),
    "violations": Metric(Kind.COUNTER, MESSAGE, "rules of the oracle that were broken"),
    "failed": Metric(Kind.COUNTER, ATTEMPT, "attempts to connect that ended without a 101"),
    "refused": Metric(Kind.COUNTER, ATTEMPT, "of these, those answered with another status"),
    "closed": Metric(Kind.COUNTER, CONNECTION, "connections that ended"),
    "lost": Metric(Kind.COUNTER, CONNECTION, "of these, by the server without a close frame"),
    "unrecovered": Metric(Kind.COUNTER, RESUME, "resumes after which something was missing"),
    "vote_ms": Metric(Kind.TREND, "ms", "from a vote's first send to its acknowledgement"),
    "votes_unanswered": Metric(Kind.COUNTER, VOTE, "votes neither acknowledged nor refused"),
    "votes_refused": Metric(Kind.COUNTER, VOTE, "votes that were refused"),
    "votes_lost": Metric(Kind.COUNTER, VOTE, "acknowledged votes that are not in the tally"),
    "votes_doubled": Metric(Kind.COUNTER, VOTE, "votes that were counted twice"),
    "fans": Metric(Kind.GAUGE, "fans", "fans that were ever connected"),
    "votes": Metric(Kind.GAUGE, "votes", "votes sent, without repetitions"),
    "reactions": Metric(Kind.GAUGE, "reactions", "reactions sent"),
    "lines": Metric(Kind.GAUGE, "lines", "lines of chat sent"),
    "received": Metric(Kind.GAUGE, "messages", "messages received by all fans"),
    "connects_per_second": Metric(Kind.GAUGE, "1/s", "connections opened in the busiest second"),
}


def unknown(name: str) -> str:
    """Why a metric of this name cannot be asked for."""
    return f"unknown metric{did_you_mean(name, METRICS)}"

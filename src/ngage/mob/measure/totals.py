"""What a run has counted so far, for those who show it while it goes on."""

from collections.abc import Mapping
from typing import NamedTuple

from ngage.mob.measure.percentiles import Histogram
from ngage.mob.measure.results import Percentiles

NOTHING = Percentiles()


class Totals(NamedTuple):
    """counters: those of Swarm.progress(). latency, voting: of the run so far. closes: as in
    Result."""

    counters: Mapping[str, int]
    latency: Percentiles
    closes: Mapping[str, int]
    voting: Percentiles = NOTHING


class Counted(NamedTuple):
    """A snapshot. counters: those of Swarm.progress()."""

    at_ns: int
    counters: dict[str, int]
    latency: Histogram
    connect: Histogram
    lag: Histogram
    voting: Histogram

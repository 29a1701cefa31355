"""What a run has counted so far, for those who show it while it goes on."""

from collections.abc import Mapping
from typing import NamedTuple

from ngage.mob.results import Percentiles


class Totals(NamedTuple):
    """counters: those of Swarm.progress(). latency: of the run so far. closes: as in Result."""

    counters: Mapping[str, int]
    latency: Percentiles
    closes: Mapping[str, int]

"""Percentiles from a log-linear histogram of the core (histogram.pxd).

A bucket counts the times from its floor up to the next one's. A percentile is told as the middle
of its bucket, so it is off by at most 1/128 of its value; the maximum as the top of its bucket,
so that it is never told smaller than it was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ngage.mob.measure.results import Percentiles

NANOSECONDS = 1e6  # of a millisecond


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """counts and floors: uint64, equally long; floors in ns, ascending. Not to be written to."""

    counts: NDArray[np.uint64]
    floors: NDArray[np.uint64]

    @classmethod
    def of(cls, counts: Sequence[int], floors: Sequence[int]) -> Self:
        """A snapshot of Swarm.histogram() over bucket_floors(): the counts are copied."""
        return cls(np.array(counts, dtype=np.uint64), np.asarray(floors, dtype=np.uint64))

    def __sub__(self, earlier: "Histogram") -> "Histogram":
        """What was counted since an earlier snapshot of the same histogram."""
        return Histogram(self.counts - earlier.counts, self.floors)

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts, self.floors)

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    @property
    def tops(self) -> NDArray[np.float64]:
        """What the buckets end at, in ns, exclusive; the last is as wide as the one before it."""
        floors = self.floors.astype(np.float64)
        return np.append(floors[1:], 2 * floors[-1] - floors[-2])

    @property
    def middles(self) -> NDArray[np.float64]:
        return (self.floors + self.tops) / 2

    def percentile(self, percent: float) -> float:
        """Milliseconds that at least `percent` % of the times do not exceed; 0 if there are none.

        percent: from 0, the first time that was counted, to 100, the last one.
        """
        cumulated = np.cumsum(self.counts)
        total = int(cumulated[-1])
        if total == 0:
            return 0.0
        # Rounded, because 99.9 % of 1,000 is 999.0000000000001 in binary, which is not rank 1,000.
        rank = max(1, math.ceil(round(percent * total / 100, 6)))
        return float(self.middles[np.searchsorted(cumulated, rank)]) / NANOSECONDS

    @property
    def mean(self) -> float:
        """Milliseconds; 0 if there are none."""
        count = self.count
        return float(self.middles @ self.counts) / count / NANOSECONDS if count else 0.0

    @property
    def least(self) -> float:
        """The floor of the first time that was counted, in milliseconds; 0 if there are none."""
        used = np.flatnonzero(self.counts)
        return float(self.floors[used[0]]) / NANOSECONDS if used.size else 0.0

    @property
    def most(self) -> float:
        """The top of the last time that was counted, in milliseconds; 0 if there are none."""
        used = np.flatnonzero(self.counts)
        return float(self.tops[used[-1]]) / NANOSECONDS if used.size else 0.0

    def summary(self) -> Percentiles:
        return Percentiles(
            p50=self.percentile(50),
            p90=self.percentile(90),
            p99=self.percentile(99),
            p99_9=self.percentile(99.9),
            max=self.most,
            count=self.count,
        )

"""How old pictures and sound are when an edge publishes them, and where that time went.

made  from entering to message: the studio tells it in CLOCK
link  from there to the publication: the whole, less the median of made
edge  from entering to publication: the whole

t_in is of the studio's clock, the publication of ours. Where the former is ahead, the delay is 0.
"""

import json
import math
from bisect import bisect_left
from collections import deque
from itertools import accumulate
from statistics import median

from ngage.video.message import Message, Type

STAGES = ("made", "link", "edge")
# Of a transcoder (5 ms and more) up to what no viewer takes for live.
BOUNDS_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# What a CLOCK may hold; a studio tells of so many messages at most.
TOLD_MAX = 500
# Of which the medians are: some seconds of a ladder.
_RECENT = 1024


class Histogram:
    """Of seconds. `counts[n]` is how many were at most BOUNDS_SECONDS[n]; the last counts all."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)

    @property
    def counts(self) -> list[int]:
        return list(accumulate(self._counts))

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds


class Delays:
    """Of one channel. `dropped` is how many pictures and sounds the studio says it has lost."""

    def __init__(self) -> None:
        self.histograms = {stage: Histogram() for stage in STAGES}
        self._recent_ms: dict[str, deque[float]] = {
            stage: deque(maxlen=_RECENT) for stage in ("link", "edge")
        }
        self.begin()

    def begin(self) -> None:
        """Another studio, which tells of itself in time."""
        self.dropped = 0
        self._made_ms: float | None = None
        for values in self._recent_ms.values():
            values.clear()

    def clock(self, media: Message) -> None:
        """What the studio tells of its last second. Raises ValueError for what is no CLOCK."""
        try:
            told = json.loads(media.payload)
            made_ms = [float(ms) for ms in told["made_ms"][:TOLD_MAX]]
            dropped = int(told["dropped"])
        except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"CLOCK: {error}") from None
        if not all(map(math.isfinite, made_ms)):
            raise ValueError("CLOCK: a delay that is no number")
        self.dropped = dropped
        for ms in made_ms:
            self.histograms["made"].observe(max(0.0, ms / 1000))
        if made_ms:
            self._made_ms = median(made_ms)

    def published(self, media: Message, now_us: int) -> None:
        """A message is published at this Unix time; only pictures and sound have a delay."""
        if media.type is not Type.MEDIA:
            return
        ms = (now_us - media.t_in_us) / 1000
        self._observe("edge", ms)
        if self._made_ms is not None:
            self._observe("link", ms - self._made_ms)

    def medians(self) -> dict[str, float | None]:
        """Milliseconds by stage, since the last time; None where nothing is known."""
        found = {"made": self._made_ms}
        for stage, values in self._recent_ms.items():
            found[stage] = median(values) if values else None
            values.clear()
        return {stage: None if (ms := found[stage]) is None else round(ms, 1) for stage in STAGES}

    def _observe(self, stage: str, ms: float) -> None:
        ms = max(0.0, ms)
        self._recent_ms[stage].append(ms)
        self.histograms[stage].observe(ms / 1000)

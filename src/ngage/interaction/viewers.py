"""How many watch, for display: the real numbers, or numbers that follow them without jumping."""

import math
from collections.abc import Callable
from typing import NamedTuple


class Count(NamedTuple):
    """Connections, and people behind them."""

    connections: int
    unique: int


class Viewers:
    """The viewer count of one event. read is Channel.viewers; exact tells the real numbers.

    smoothing_seconds: the time constant in which what is shown follows; 0: at once.
    """

    def __init__(
        self, read: Callable[[], tuple[int, int]], *, smoothing_seconds: float = 0.0
    ) -> None:
        self.smoothing_seconds = smoothing_seconds
        self._read = read
        self._shown: Count | None = None
        self._at_ms = 0

    @property
    def exact(self) -> Count:
        """What is true now."""
        return Count(*self._read())

    def tick(self, now_ms: int) -> Count | None:
        """What to show now, None if that is shown already; now_ms is monotonic."""
        shown = self.exact
        if self._shown is not None and self.smoothing_seconds:
            elapsed = (now_ms - self._at_ms) / 1000
            share = -math.expm1(-elapsed / self.smoothing_seconds)
            connections = _nearer(self._shown.connections, shown.connections, share)
            unique = _nearer(self._shown.unique, shown.unique, share)
            shown = Count(connections, min(unique, connections))
        self._at_ms = now_ms
        if shown == self._shown:
            return None
        self._shown = shown
        return shown


def _nearer(shown: int, real: int, share: float) -> int:
    """A share of the way, at least one: it always arrives, and never goes past."""
    way = real - shown
    return shown + int(math.copysign(min(abs(way), math.ceil(abs(way) * share)), way))

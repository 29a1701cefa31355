"""Results of calls that may come again: the second one gets the first one's result."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from ngage.events import Position

KEPT_SECONDS = 300.0
KEPT_MAX = 65536


class _Entry(NamedTuple):
    expires: float
    position: Position


class IdempotencyCache:
    """Position by channel and key, for five minutes; of too many the oldest go first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def find(self, channel: str, key: str) -> Position | None:
        """What was published to `channel` under `key`; None if it is not known."""
        self._expire()
        entry = self._entries.get((channel, key))
        return entry.position if entry else None

    def keep(self, channel: str, key: str, position: Position) -> None:
        """Remember a publication under a key that find() does not know."""
        self._entries[channel, key] = _Entry(self._clock() + KEPT_SECONDS, position)
        if len(self._entries) > KEPT_MAX:
            self._entries.popitem(last=False)

    def _expire(self) -> None:
        now = self._clock()
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest].expires > now:
                return
            del self._entries[oldest]

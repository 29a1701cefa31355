"""Subscriptions that a token opened for a time, in the order in which they end.

Nothing tells that a client is gone; its subscriptions stay until their time and then end nothing.
"""

import heapq
from collections.abc import Iterator

from ngage.limits import EXPIRING_SUBSCRIPTIONS_MAX, EXPIRY_GRACE_SECONDS


class Expiries:
    """When subscriptions end, by client and channel; at most EXPIRING_SUBSCRIPTIONS_MAX."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, str], int] = {}
        # An entry counts if it has what _ends says; refreshed and ended ones are passed over.
        self._heap: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        return len(self._ends)

    def has(self, client: int, channel: str) -> bool:
        """Whether a subscription is known that expires."""
        return (client, channel) in self._ends

    def add(self, client: int, channel: str, expires: int) -> bool:
        """Let a subscription end some time after `expires`, in Unix seconds.

        False: there are too many.
        """
        end = expires + EXPIRY_GRACE_SECONDS
        known = (client, channel) in self._ends
        if not known and len(self._ends) >= EXPIRING_SUBSCRIPTIONS_MAX:
            return False
        self._ends[client, channel] = end
        heapq.heappush(self._heap, (end, client, channel))
        if len(self._heap) > 2 * len(self._ends) + 64:
            self._heap = [(end, *key) for key, end in self._ends.items()]
            heapq.heapify(self._heap)
        return True

    def remove(self, client: int, channel: str) -> None:
        """The subscription has ended, or has become one that does not expire."""
        self._ends.pop((client, channel), None)

    def due(self, now: float) -> Iterator[tuple[int, str]]:
        """Take out what has ended by `now`, in Unix seconds: client and channel."""
        while self._heap and self._heap[0][0] <= now:
            end, client, channel = heapq.heappop(self._heap)
            if self._ends.get((client, channel)) == end:
                del self._ends[client, channel]
                yield client, channel

"""Bans that the core keeps to: it has one list, whatever event somebody was banned from.

So a voter may vote nowhere on this edge while any event bans it.
"""

import asyncio
import logging
from collections import defaultdict

from ngage.interaction.ballots import Ballots

log = logging.getLogger(__name__)


class Bans:
    """Tells the core, in order, without waiting for it."""

    def __init__(self, ballots: Ballots) -> None:
        self._ballots = ballots
        self._events: defaultdict[int, set[str]] = defaultdict(set)
        self._turn = asyncio.Lock()
        self._waiting: set[asyncio.Task[None]] = set()

    def set(self, event: str, voter: int, banned: bool) -> None:
        """An event bans a voter, or no longer."""
        events = self._events[voter]
        before = bool(events)
        if banned:
            events.add(event)
        else:
            events.discard(event)
        if not events:
            del self._events[voter]
        if before is not bool(events):
            task = asyncio.ensure_future(self._tell(voter, banned))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def flush(self) -> None:
        """Return when the core knows all of it."""
        while self._waiting:
            await asyncio.wait(self._waiting)

    async def _tell(self, voter: int, banned: bool) -> None:
        async with self._turn:
            try:
                await asyncio.to_thread(self._ballots.ban, voter, banned)
            except (ValueError, OverflowError) as error:
                log.error("voter %016x is not banned from votes: %s", voter, error)

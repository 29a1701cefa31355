"""Messages of clients on their way to one reader, in a queue with an end."""

import asyncio
from collections import deque
from itertools import islice

from ngage.events import Message

# Messages one reader may be behind; what comes on top is dropped and counted.
INBOX_MESSAGES_MAX = 65536


class Inbox:
    """What one reader has not read yet."""

    def __init__(self) -> None:
        self._pending: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._ended = False

    def put(self, batch: list[Message]) -> int:
        """Append a batch as far as there is room; returns how many messages were dropped."""
        room = INBOX_MESSAGES_MAX - len(self._pending)
        self._pending.extend(islice(batch, room))
        self._arrived.set()
        return max(0, len(batch) - room)

    def end(self) -> None:
        """What is pending can still be taken, then take() returns nothing."""
        self._ended = True
        self._arrived.set()

    async def take(self) -> deque[Message]:
        """Everything pending, waiting for something; empty once the inbox has ended."""
        while not self._pending and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        pending, self._pending = self._pending, deque()
        return pending

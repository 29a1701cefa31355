"""A publication as its consumer sees it: units in order, the last of them `Ended`.

Between the socket and the consumer is one queue. Once it holds QUEUE_BYTES_MAX the socket is not
read until it is half empty, so that a slow consumer slows its publisher down and costs no memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Self

from ngage.video.units import AudioUnit, Ended, Unit, VideoUnit

QUEUE_BYTES_MAX = 8 << 20
# What a unit costs beside its sample, so that many small ones count as well.
_UNIT_BYTES = 256


class Publisher:
    """Iterate it once, from one task, up to and including `Ended`.

    `app` and `name` are those of the stream, `peer` is the address as text.
    """

    def __init__(
        self,
        app: str,
        name: str,
        peer: str,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        close: Callable[[str], None],
    ) -> None:
        self.app, self.name, self.peer = app, name, peer
        self.t_in_us = 0
        """When the unit that was given last came from the network, Unix time in microseconds."""
        self._pause, self._resume, self._close = pause, resume, close
        self._queue: deque[tuple[Unit, int]] = deque()
        self._queued_bytes = 0
        self._paused = self._ended = False
        self._filled = asyncio.Event()

    def close(self, reason: str) -> None:
        """End the publication; the publisher is told the reason. `Ended` follows what is queued."""
        self._close(reason)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Unit:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._filled.clear()
            await self._filled.wait()
        unit, self.t_in_us = self._queue.popleft()
        self._queued_bytes -= _size(unit)
        if self._paused and self._queued_bytes <= QUEUE_BYTES_MAX // 2:
            self._paused = False
            self._resume()
        return unit

    def put(self, units: Iterable[Unit], t_in_us: int) -> None:
        """For the connection: units that came at `t_in_us`."""
        for unit in units:
            self._queue.append((unit, t_in_us))
            self._queued_bytes += _size(unit)
        self._filled.set()
        if self._queued_bytes > QUEUE_BYTES_MAX and not self._paused:
            self._paused = True
            self._pause()

    def end(self, reason: str, t_in_us: int) -> None:
        """For the connection: nothing more comes."""
        if not self._ended:
            self._ended = True
            self.put((Ended(reason),), t_in_us)


def _size(unit: Unit) -> int:
    return _UNIT_BYTES + (len(unit.sample) if isinstance(unit, VideoUnit | AudioUnit) else 0)

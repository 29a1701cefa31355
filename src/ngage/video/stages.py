"""How long each stage of the work on a picture took, for whoever reports on it."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

# Of each stage: some seconds.
HELD_MAX = 512


class Stages:
    """Threads add and another takes; a value may be lost between them, which nobody minds."""

    def __init__(self) -> None:
        self._spent: dict[str, deque[float]] = {}

    def add(self, stage: str, seconds: float) -> None:
        self._spent.setdefault(stage, deque(maxlen=HELD_MAX)).append(seconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - began)

    def take(self) -> dict[str, list[float]]:
        """Seconds by stage since the last time, the stages in the order in which they came."""
        spent, self._spent = self._spent, {}
        return {stage: list(seconds) for stage, seconds in spent.items()}

"""Warnings that anybody on the network can cause: a few lines in each period, then a number."""

import logging
import time
from collections.abc import Callable

LINES_MAX = 5
PERIOD_SECONDS = 10.0


class Complaints:
    """The number of those left out is said with the first one of a later period."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._since = clock()
        self._said = self._unsaid = 0

    def say(self, line: str) -> None:
        now = self._clock()
        if now - self._since >= PERIOD_SECONDS:
            if self._unsaid:
                self._log.warning("and %d more peers were refused", self._unsaid)
            self._since, self._said, self._unsaid = now, 0, 0
        if self._said < LINES_MAX:
            self._said += 1
            self._log.warning("%s", line)
        else:
            self._unsaid += 1

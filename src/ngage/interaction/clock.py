"""The two clocks: Unix time is shown and written down, monotonic time runs the timers.

Somebody may set the system's clock during a show; what is due is due all the same.
"""

import time
from collections.abc import Callable


def system_ms() -> int:
    """The system's Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class Clock:
    """Both, in milliseconds; tests have one of their own.

    unix: where Unix time comes from. For events that is the clock that votes are stamped with, so
    that no vote is before the opening that it answers.
    """

    def __init__(self, unix: Callable[[], int] = system_ms) -> None:
        self._unix = unix

    def unix_ms(self) -> int:
        """Unix time."""
        return self._unix()

    def monotonic_ms(self) -> int:
        """Of no meaning but for differences; never goes back."""
        return time.monotonic_ns() // 1_000_000

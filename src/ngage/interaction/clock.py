"""The two clocks: Unix time is shown and written down, monotonic time runs the timers.

Somebody may set the system's clock during a show; what is due is due all the same.
"""

import time


class Clock:
    """Both, in milliseconds; tests have one of their own."""

    def unix_ms(self) -> int:
        """Unix time."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Of no meaning but for differences; never goes back."""
        return time.monotonic_ns() // 1_000_000

"""A clock that stands still until it is told."""

from ngage.interaction.clock import Clock

START_UNIX_MS = 1_800_000_000_000


class ManualClock(Clock):
    """Both clocks; `ms` is how long the test has lasted."""

    def __init__(self) -> None:
        self.ms = 0

    def unix_ms(self) -> int:
        return START_UNIX_MS + self.ms

    def monotonic_ms(self) -> int:
        return 5_000 + self.ms

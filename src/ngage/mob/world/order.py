"""What a sample fan may see, in slow and obvious Python: the rules of the native crowd.

A timed publication begins with two decimal numbers, a space after each: the intended time and the
sequence, which begins with 1. Anything else is not judged.
"""

import re
from typing import NamedTuple

TIMED = re.compile(rb"(\d{1,20}) (\d{1,20}) ")


class Finding(NamedTuple):
    """kind: gap, duplicate or reordered. `got` came though `expected` was next."""

    kind: str
    expected: int
    got: int
    text: str


class Order:
    """One fan's view of one channel. skips: the channel may leave out publications unannounced."""

    def __init__(self, skips: bool) -> None:
        self._skips = skips
        self._expected = 0  # 0: whatever comes first
        self._missing: set[int] = set()
        self._told = 0  # announced as missing, and not met yet

    def begin(self) -> None:
        """What comes next may be anything: a connection that does not resume."""
        self._expected = 0
        self._missing.clear()
        self._told = 0

    def announce(self, count: int) -> None:
        """The server says that the next `count` publications are missing."""
        self._told += count

    def see(self, message: bytes | str) -> Finding | None:
        """The next message; what is wrong with it."""
        match = TIMED.match(message.encode() if isinstance(message, str) else message)
        if not match:
            return None
        got, expected = int(match[2]), self._expected
        if expected and got < expected:
            late = got in self._missing
            self._missing.discard(got)
            return _finding("reordered" if late else "duplicate", expected, got)
        skipped = got - expected if expected else 0
        forgiven, self._told = min(skipped, self._told), 0
        self._expected = got + 1
        if skipped > forgiven and not self._skips:
            self._missing.update(range(expected + forgiven, got))
            return _finding("gap", expected + forgiven, got)
        return None


def _finding(kind: str, expected: int, got: int) -> Finding:
    return Finding(kind, expected, got, f"{kind}: {got} came though {expected} was next")

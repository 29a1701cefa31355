"""Waiting for a condition that nothing announces: asked again until a deadline, never slept out."""

import asyncio
import time
from collections.abc import Callable

DEADLINE_SECONDS = 20.0
INTERVAL_SECONDS = 0.01


def wait_until(condition: Callable[[], bool], what: str = "the condition") -> None:
    """Return once condition() is true; AssertionError naming `what` after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS:g} s"
        time.sleep(INTERVAL_SECONDS)


async def eventually(condition: Callable[[], bool], what: str = "the condition") -> None:
    """wait_until() for tests that run on the event loop under test."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS:g} s"
        await asyncio.sleep(INTERVAL_SECONDS)

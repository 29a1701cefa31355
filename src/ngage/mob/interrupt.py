"""Ctrl-C: what runs ends in order at the first one, and at once at the second."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until_over(work: Callable[[asyncio.Event], Awaitable[T]]) -> tuple[T, bool]:
    """What `work` returns, and whether it was interrupted (by SIGINT or SIGTERM).

    work is given an event that is set at the first signal, and is cancelled at the second one,
    which raises KeyboardInterrupt here.
    """
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    task = asyncio.current_task()
    assert task

    def stop() -> None:
        if interrupted.is_set():
            task.cancel()
        interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await work(interrupted), interrupted.is_set()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None

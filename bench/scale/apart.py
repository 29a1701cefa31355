"""A job in a process of its own: whatever becomes of it, nothing that it has started is left."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from bench.scale.estimate import ScaleError

ENDED = 130  # as a shell says it of a Ctrl-C


def run_apart(job: Callable[..., int], *arguments: Any) -> int:
    """The exit code that job(*arguments) returns. Nothing that it has started is left behind.

    ENDED if a signal ended it that this process got. Raises ScaleError if it was another's.
    """
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(job, *arguments))
    ended = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        ended = True
        if process.pid:
            _end(process.pid)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    # Inherited: a Ctrl-C that finds the run in the keeper's group yet is for the keeper alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process.start()
    signal.signal(signal.SIGINT, end)
    assert process.pid
    if ended:
        _end(process.pid)
    process.join()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if ended:
        return ENDED
    code = process.exitcode or 0
    if code < 0:
        why = ": no memory left?" if -code == signal.SIGKILL else ""
        raise ScaleError(f"the run was ended by {signal.Signals(-code).name}{why}")
    return code


def _end(pid: int) -> None:
    """The run stops what it has started; before it has a group of its own that is nothing."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT if os.getpgid(pid) == pid else signal.SIGKILL)


def _run(job: Callable[..., int], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # A group of its own: a Ctrl-C reaches the keeper alone, and the servers can be found.
        os.setpgid(0, 0)
        code = job(*arguments)
    except KeyboardInterrupt:
        code = ENDED
    sys.exit(code)

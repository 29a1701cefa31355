"""The keeper of a run: says what fits, sets the host's limits, and puts them back in any case.

The run is a process of its own. It takes all the memory, so it is the one that dies for want of it,
and it moves into another network, where the host's settings cannot be reached.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

from bench import page
from bench.scale import estimate, host
from bench.scale.estimate import ScaleError
from bench.scale.options import Options, options, parser
from bench.scale.report import PART
from bench.scale.run import run
from ngage.errors import NgageError

ENDED = 130  # as a shell says it of a Ctrl-C


def main() -> int:
    """The exit code: that of the run, 2 if it cannot be made."""
    arguments = parser().parse_args()
    try:
        estimate.must_be_root(os.geteuid())
        if arguments.restore:
            for name, value in host.restore().items():
                print(f"{name} = {value}")
            return 0
        chosen = options(arguments)
        if chosen.write:
            page.check(PART)
        host.restore()
        estimate.must_fit(chosen.fans, estimate.capacity())
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * host.PAGE_BYTES
        with host.raised(chosen.fans, memory_bytes) as settings:
            code = _run_apart(chosen, settings)
    except (NgageError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2
    if code == ENDED:
        print("scale: ended before its time; the host is as it was", file=sys.stderr)
    return code


def _run_apart(chosen: Options, settings: Mapping[str, str]) -> int:
    """The run's exit code, whatever becomes of it. Nothing that it has started is left behind."""
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(chosen, settings))
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


def _run(chosen: Options, settings: Mapping[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # A group of its own: a Ctrl-C reaches the keeper alone, and the servers can be found.
        os.setpgid(0, 0)
        code = run(chosen, settings)
    except KeyboardInterrupt:
        code = ENDED
    sys.exit(code)

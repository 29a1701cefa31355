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
from pathlib import Path
from types import FrameType

from bench.scale import estimate, host
from bench.scale.estimate import ScaleError
from bench.scale.figures import load
from bench.scale.options import Options, options, parser
from bench.scale.report import table, write
from bench.scale.run import run
from ngage.errors import NgageError


def main() -> int:
    """The exit code: that of the run, 2 if it cannot be made."""
    arguments = parser().parse_args()
    try:
        if arguments.restore:
            for name, value in host.restore().items():
                print(f"{name} = {value}")
            return 0
        chosen = options(arguments)
        host.restore()
        estimate.must_fit(chosen.fans, estimate.capacity())
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * host.PAGE_BYTES
        with host.raised(chosen.fans, memory_bytes) as settings:
            code = _run_apart(chosen, settings)
    except (NgageError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2
    if chosen.floor and code in {0, 1}:
        _report(chosen)
    return code


def _run_apart(chosen: Options, settings: Mapping[str, str]) -> int:
    """The run's exit code, whatever becomes of it. Nothing that it has started is left behind."""
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(chosen, settings))

    def end(number: int, frame: FrameType | None) -> None:
        if process.pid:
            os.kill(process.pid, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    process.start()
    process.join()
    assert process.pid
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.exitcode is None or process.exitcode < 0:
        raise ScaleError(f"the run was ended by signal {-(process.exitcode or 0)}")
    return process.exitcode


def _run(chosen: Options, settings: Mapping[str, str]) -> None:
    # A group of its own: a Ctrl-C reaches the keeper alone, and the servers can be found.
    os.setpgid(0, 0)
    sys.exit(run(chosen, settings))


def _report(chosen: Options) -> None:
    runs = load(Path(chosen.raw))
    print("\n".join(table(found) for found in runs if found.fans == chosen.fans))
    if chosen.write:
        write(runs)

"""The keeper of a run: says what fits, sets the host's limits, and puts them back in any case.

The run is a process of its own (apart.py). It takes all the memory, so it is the one that dies for
want of it, and it moves into another network, where the host's settings cannot be reached.
"""

import os
import sys
from collections.abc import Callable

from bench import page
from bench.scale import estimate, host
from bench.scale.apart import ENDED, run_apart
from bench.scale.options import options, parser
from bench.scale.report import PART
from bench.scale.run import run
from ngage.errors import NgageError


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
        return run_kept(chosen.fans, run, chosen)
    except (NgageError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2


def run_kept(fans: int, job: Callable[..., int], about: object) -> int:
    """The exit code of job(about, settings), where so many fans fit with these host settings.

    Raises ScaleError, OSError.
    """
    estimate.must_be_root(os.geteuid())
    host.restore()
    estimate.must_fit(fans, estimate.capacity())
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * host.PAGE_BYTES
    with host.raised(fans, memory_bytes) as settings:
        code = run_apart(job, about, settings)
    if code == ENDED:
        print("scale: ended before its time; the host is as it was", file=sys.stderr)
    return code

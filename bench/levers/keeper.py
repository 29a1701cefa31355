"""The keeper of a run of the levers: says what fits, sets the host's limits, puts them back."""

import os
import sys

from bench.levers import catalogue, rules
from bench.levers.options import options, parser
from bench.levers.run import run
from bench.scale import estimate, host
from bench.scale.apart import ENDED, run_apart
from ngage.errors import NgageError


def main() -> int:
    """The exit code: that of the run, 2 if it cannot be made."""
    arguments = parser().parse_args()
    if arguments.list:
        print(catalogue.described())
        return 0
    try:
        chosen = options(arguments)
        levers = catalogue.chosen(chosen.only, veth=chosen.veth)
        estimate.must_be_root(os.geteuid())
        host.restore()
        estimate.must_fit(chosen.fans, estimate.capacity())
        more = rules.minima(chosen.fans) if any(lever.tracks for lever in levers) else {}
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * host.PAGE_BYTES
        with host.raised(chosen.fans, memory_bytes, more=more):
            code = run_apart(run, chosen)
    except (NgageError, OSError) as error:
        print(f"levers: {error}", file=sys.stderr)
        return 2
    if code == ENDED:
        print("levers: ended before its time; the host is as it was", file=sys.stderr)
    return code

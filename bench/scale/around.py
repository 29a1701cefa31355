"""Run a command where so many fans fit: in a network of its own, with the host's limits raised
meanwhile. `python -m bench.scale.around 1000000 mobsim run bench/events/all-come-back.toml`.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from bench.scale.keeper import run_kept
from bench.scale.options import count
from bench.scale.run import enter_network
from ngage.errors import NgageError

END_SECONDS = 60.0  # a million sockets close in half a minute


def main() -> int:
    """The exit code: that of the command, 2 if it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale.around", description=__doc__)
    parser.add_argument("fans", type=count, help="how many fans it has at most")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, with its flags")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("what is to be run?")
    try:
        return run_kept(arguments.fans, run, arguments.command)
    except (NgageError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2


def run(command: list[str], _settings: Mapping[str, str]) -> int:
    try:
        enter_network()
        with subprocess.Popen(command) as running:
            try:
                return running.wait()
            except KeyboardInterrupt:
                running.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    running.wait(END_SECONDS)
                running.kill()
                raise
    except (NgageError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

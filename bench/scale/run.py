"""The stages of a run, inside a network of its own: the floor, ngage-edge, the floor again."""

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from bench import network
from bench.scale.crowd import Say
from bench.scale.estimate import ScaleError
from bench.scale.figures import Run, Stage, load, store
from bench.scale.options import Options
from bench.scale.report import table, write
from bench.scale.stages import edge_stage, floor_stage
from ngage.capacity import raise_descriptor_limit
from ngage.errors import NgageError
from ngage.mob.measure.machine import machine

AS_THEY_ARE = ("tcp_ehash_entries", "tcp_rmem", "tcp_wmem")


def run(options: Options, host_settings: Mapping[str, str]) -> int:
    """The exit code: 0, 1 if fans saw anything wrong, 2 if it did not come to its end."""
    say = teller()
    described = machine()
    try:
        settings = {**host_settings, **enter_network()}
        settings["RLIMIT_NOFILE"] = str(raise_descriptor_limit())
        stages = list(_stages(options, say))
    except (NgageError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2
    found = Run(options.fans, described, date.today().isoformat(), settings, stages)
    for stage in stages:
        for fault in stage.incomplete:
            print(f"scale: {stage.server}: {fault}", file=sys.stderr)
    say("nothing lost, doubled or altered" if found.complete else "NOT COMPLETE")
    if options.floor:
        _report(found, options)
    return 0 if found.complete else 1


def _report(found: Run, options: Options) -> None:
    store(found, Path(options.raw))
    print(table(found))
    if options.write:
        write(load(Path(options.raw)))


def teller() -> Say:
    """Says what happens, with the minutes and seconds since now."""
    started = time.monotonic()

    def say(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        print(f"{minutes:2}:{seconds:02}  {text}", flush=True)

    return say


def enter_network() -> dict[str, str]:
    """Move into a network of its own.

    Returned are its settings; the size of its table of connections shows that the host's was
    inherited. Raises ScaleError where that is refused.
    """
    try:
        network.isolate()
    except OSError as error:
        raise ScaleError(f"no network namespace can be made here: {error.strerror}") from error
    return {
        str(path.relative_to("/proc/sys")): path.read_text().strip()
        for path in (*network.SETTINGS, *(network.SYSCTL / "ipv4" / name for name in AS_THEY_ARE))
    }


def _stages(options: Options, say: Say) -> Iterator[Stage]:
    connect_seconds = 0.0
    if options.floor:
        say("the floor")
        floor = floor_stage(options.fans, options.sizes, say)
        connect_seconds = floor.connecting.seconds
        yield floor
    say("ngage-edge")
    yield edge_stage(
        options.fans,
        options.sizes,
        options.idle_seconds,
        options.restart,
        say,
        connect_seconds=connect_seconds,
        steady=options.steady,
    )
    if options.floor:
        say("the floor again")
        yield floor_stage(options.fans, options.sizes, say)

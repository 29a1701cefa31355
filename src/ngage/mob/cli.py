"""mobsim: arguments to a run, its result to files and an exit code.

0 passed. 2 wrong usage, or it could not be started. 3 an invariant was violated. 4 the generator
was too slow. 99 a threshold was missed. 130 interrupted.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from ngage import __version__
from ngage.capacity import raise_descriptor_limit
from ngage.errors import NgageError, ScenarioError
from ngage.mob import search
from ngage.mob.arguments import OUTPUTS, address, build_parser
from ngage.mob.interrupt import until_over
from ngage.mob.measure.hdr import write_hgrm
from ngage.mob.measure.results import Result, Sampling, read_result
from ngage.mob.measure.totals import Totals
from ngage.mob.model import Persona, Phase, Publish, Scenario
from ngage.mob.run import AT_ONCE, Watchers, run
from ngage.mob.scenario.ready import find_scenario, ready_names, ready_scenario, scaled
from ngage.mob.show.exposition import Exposition
from ngage.mob.show.junit import write_junit
from ngage.mob.show.live import Display, open_display
from ngage.mob.show.report import write_report

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
QUICK = "quick"  # the report knows a run without a scenario by this name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mobsim: the exit code."""
    options = build_parser(__version__).parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": _run,
        "quick": _quick,
        "capacity": lambda options: search.capacity(options, dict(os.environ)),
        "hunt": lambda options: search.hunt(options, dict(os.environ)),
        "report": _report,
        "scenarios": _scenarios,
    }
    try:
        return commands[options.command](options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except NgageError as error:
        print(f"mobsim: {error}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"mobsim: {error.filename or 'file'}: {error.strerror or error}", file=sys.stderr)
        return EXIT_USAGE


def _run(options: argparse.Namespace) -> int:
    scenario = find_scenario(options.scenario)
    if options.fans is not None:
        scenario = scaled(scenario, options.fans)
    if options.seed is not None:
        scenario = replace(scenario, seed=options.seed)
    if options.secret:
        scenario = replace(scenario, secret=options.secret)
    if options.tally:
        if not scenario.poll:
            raise ScenarioError(f"{scenario.name} has no poll, so there is no use for --tally")
        scenario = replace(scenario, poll=replace(scenario.poll, tally=options.tally))
    return _simulate(scenario, options)


def _quick(options: argparse.Namespace) -> int:
    publish = None
    if options.publish:
        publish = Publish(
            urls=(options.publish,),
            api_key=options.api_key,
            rate=options.rate,
            burst=options.burst,
            size=options.size,
        )
    scenario = Scenario(
        name=QUICK,
        targets=(options.target,),
        fans=options.fans,
        phases=(Phase(name="stay", duration=options.duration, arrival_rate=AT_ONCE),),
        seed=options.seed or 0,
        sources=options.sources,
        publish=publish,
        secret=options.secret,
        personas=(Persona(protocol="v1" if options.secret else "raw"),),
    )
    return _simulate(scenario, options)


def _simulate(scenario: Scenario, options: argparse.Namespace) -> int:
    """Run it, show it, write what was asked for."""
    raise_descriptor_limit()
    console = Console()
    metrics: AbstractContextManager[Exposition | None] = nullcontext()
    if options.metrics:
        metrics = Exposition(*address(options.metrics), scenario.fans)
    with metrics as exposition, open_display(console, plain=options.plain) as display:
        watchers = _watchers(scenario, display, exposition)

        async def simulate(interrupted: asyncio.Event) -> Result:
            return await run(
                scenario,
                dict(os.environ),
                watchers,
                threads=options.threads,
                interrupted=interrupted,
            )

        result, interrupted = uvloop.run(until_over(simulate))
        display.end(result)
    _write(result, options)
    return EXIT_INTERRUPTED if interrupted else result.exit_code


def _watchers(scenario: Scenario, display: Display, exposition: Exposition | None) -> Watchers:
    def begin(targets: Sequence[str]) -> None:
        display.begin(scenario.name, " ".join(targets), scenario.fans, scenario.duration)

    def update(sampling: Sampling, totals: Totals) -> None:
        display.update(sampling, totals)
        if exposition:
            exposition.update(sampling, totals)

    return Watchers(begin, update, display.moment)


def _write(result: Result, options: argparse.Namespace) -> None:
    writers: dict[str, Callable[[Result, Path], None]] = {
        "json": Result.write,
        "report": write_report,
        "junit": write_junit,
        "hgrm": write_hgrm,
    }
    for name in OUTPUTS:
        path = getattr(options, name)
        if path is not None:
            writers[name](result, path)


def _report(options: argparse.Namespace) -> int:
    try:
        result = read_result(options.result)
    except msgspec.MsgspecError as error:
        raise ScenarioError(f"{options.result}: no result of mobsim: {error}") from error
    _write(result, options)
    return EXIT_OK


def _scenarios(_: argparse.Namespace) -> int:
    width = max(map(len, ready_names()))
    for name in ready_names():
        scenario = ready_scenario(name)
        print(f"{name:<{width}}  {scenario.fans:,} fans, {scenario.duration:g} s")
    return EXIT_OK

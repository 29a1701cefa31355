"""The commands that run many times: `mobsim capacity` and `mobsim hunt`."""

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import uvloop

from ngage.capacity import raise_descriptor_limit
from ngage.errors import ScenarioError
from ngage.mob.capacity import Capacity, Step, find_capacity, load_of, with_load
from ngage.mob.hunt.corpus import Corpus
from ngage.mob.hunt.execute import execute
from ngage.mob.hunt.fit import small
from ngage.mob.hunt.hunt import Finding, Hunt, Limits, Outcome
from ngage.mob.interrupt import until_over
from ngage.mob.measure.results import EXIT_CODES, Result, Verdict
from ngage.mob.model import Scenario
from ngage.mob.run import run
from ngage.mob.scenario.ready import find_scenario, ready_names
from ngage.mob.show.wording import milliseconds, one_line

EXIT_INTERRUPTED = 130


def capacity(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Search, a line for each run; the exit code."""
    scenario = find_scenario(options.scenario)
    if options.seed is not None:
        scenario = replace(scenario, seed=options.seed)
    if not scenario.thresholds:
        raise ScenarioError(f"{scenario.name}: it has no thresholds, so any load would do")
    first = options.first or load_of(scenario, options.vary)
    if first > options.most:
        raise ScenarioError(f"--from {first:g} is above --to {options.most:g}")
    with_load(scenario, options.vary, first)
    raise_descriptor_limit()
    found = Capacity(scenario=scenario.name, vary=options.vary)

    async def search(interrupted: asyncio.Event) -> Capacity:
        async def measure(load: float) -> Result:
            return await run(
                with_load(scenario, options.vary, load),
                environment,
                threads=options.threads,
                interrupted=interrupted,
            )

        return await find_capacity(
            found,
            measure,
            first=first,
            most=options.most,
            precision=options.precision,
            report=lambda step: print(_step_line(step, options.vary), flush=True),
            interrupted=interrupted,
        )

    _, interrupted = uvloop.run(until_over(search))
    for line in _capacity_lines(found):
        print(line)
    if options.json is not None:
        found.write(options.json)
    return EXIT_INTERRUPTED if interrupted else found.exit_code


def hunt(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Hunt, a line for each run; the exit code."""
    raise_descriptor_limit()
    corpus = Corpus(options.corpus)
    names = [options.scenario] if options.scenario else ready_names()
    parents = [small(find_scenario(name), options.fans) for name in names] + corpus.stored()
    options.output.mkdir(parents=True, exist_ok=True)

    async def search(interrupted: asyncio.Event) -> Hunt:
        async def execute_one(scenario: Scenario) -> Outcome:
            return await execute(scenario, environment, interrupted)

        hunting = Hunt(
            corpus,
            execute_one,
            Limits(options.runs, options.duration, options.fans, options.shrink),
            options.seed or 0,
            report=lambda line: print(one_line(line), flush=True),
            found=lambda finding: _keep(finding, options.output),
            interrupted=interrupted,
        )
        await hunting.run(parents)
        return hunting

    hunted, interrupted = uvloop.run(until_over(search))
    tally = hunted.tally
    print(
        f"{tally.runs} runs and {tally.shrinking} to shrink, {tally.failures} could not be made, "
        f"{len(corpus.scenarios)} in the corpus; {len(hunted.findings)} findings in "
        f"{tally.violations} violations"
    )
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_CODES[Verdict.INVARIANT if hunted.findings else Verdict.PASS]


def _keep(finding: Finding, directory: Path) -> None:
    path = finding.write(directory)
    print(f"{path}:\n{path.read_text(encoding='utf-8')}", flush=True)


def _step_line(step: Step, vary: str) -> str:
    line = f"{step.load:,.10g} {_unit(vary)}: {step.verdict}, p99 {milliseconds(step.p99)}"
    return f"{line}; {'; '.join(map(one_line, step.reasons))}" if step.reasons else line


def _capacity_lines(found: Capacity) -> list[str]:
    """The answer in words."""
    unit = _unit(found.vary)
    lines = []
    if found.largest:
        lines.append(f"Capacity: {found.largest:,.10g} {unit}")
    elif found.steps:
        lines.append("Not even the first load passed")
    if found.verdict == Verdict.SATURATED:
        lines.append(
            f"At {found.failed:,.10g} {unit} the generator cannot follow: the bound is its own, "
            "and says nothing of the server"
        )
    elif found.verdict == Verdict.INVARIANT:
        lines.append(
            f"At {found.failed:,.10g} {unit} an invariant was violated, which must hold at every "
            f"load: {'; '.join(map(one_line, found.steps[-1].reasons))}"
        )
    elif found.largest and not found.failed:
        lines.append("It was not looked for above --to")
    return lines


def _unit(vary: str) -> str:
    return "fans" if vary == "fans" else "bursts/s"

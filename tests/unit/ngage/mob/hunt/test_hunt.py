"""The hunt, against systems that are not there."""

import asyncio
import math
from pathlib import Path

import pytest

from ngage.mob.hunt.corpus import Corpus
from ngage.mob.hunt.fit import small
from ngage.mob.hunt.hunt import Hunt, Limits, Outcome
from ngage.mob.scenario.file import load
from ngage.mob.scenario.ready import ready_names, ready_scenario

PARENTS = [small(ready_scenario(name), 100) for name in ready_names()]


def hunting(execute, runs=200, seconds=math.inf, seed=1, **others):
    async def run():
        limits = Limits(runs=runs, seconds=seconds, fans=100, shrink_runs=500)
        hunt = Hunt(Corpus(), execute, limits, seed, **others)
        await hunt.run(PARENTS)
        return hunt

    return asyncio.run(run())


def features(scenario):
    faults = {f"{fault.do}" for fault in scenario.faults}
    return frozenset({f"fans {scenario.fans.bit_length()}", *faults})


async def upgrade_loses(scenario):
    if any(fault.do == "upgrade" for fault in scenario.faults):
        return Outcome({"gap": "publication 7 is missing"})
    return Outcome(features=features(scenario))


async def nothing(scenario):
    return Outcome(features=features(scenario))


def test_what_the_parents_lack_is_found_and_shrunk_to_what_it_needs():
    found = []
    hunt = hunting(upgrade_loses, found=found.append)
    assert hunt.findings == found
    (finding,) = found
    assert (finding.kind, finding.steady, finding.scenario.fans) == ("gap", True, 1)
    assert [fault.do for fault in finding.scenario.faults] == ["upgrade"]
    assert hunt.tally.violations > 1  # the later ones are the same again
    assert hunt.tally.runs == 200


def test_a_finding_is_a_scenario_with_its_story_at_the_top(tmp_path):
    (finding,) = hunting(upgrade_loses).findings
    path = finding.write(tmp_path)
    assert path.name == finding.name
    head = path.read_text().splitlines()[:3]
    assert head[0] == "# gap: publication 7 is missing"
    assert head[1].endswith(f"with seed {finding.scenario.seed}.")
    assert head[2] == f"# mobsim run {finding.name} replays it: exit code 3."
    assert load(path) == finding.scenario


def test_a_violation_of_another_kind_is_another_finding():
    async def execute(scenario):
        dos = {fault.do for fault in scenario.faults}
        kinds = {"upgrade": "gap", "kill": "duplicate"}
        return Outcome({kinds[do]: do for do in dos & kinds.keys()}, features(scenario))

    assert {finding.kind for finding in hunting(execute).findings} == {"gap", "duplicate"}


def test_a_violation_that_does_not_come_again_is_told_as_such():
    runs = iter(range(10_000))

    async def execute(scenario):
        return Outcome({"tail": "one"}) if next(runs) == 3 else Outcome()

    (finding,) = hunting(execute).findings
    assert (finding.kind, finding.steady) == ("tail", False)


def test_a_run_that_could_not_be_made_does_not_end_the_hunt():
    async def execute(scenario):
        return Outcome(failure="server edge: ended before it was ready")

    lines = []
    hunt = hunting(execute, runs=12, report=lines.append)
    assert (hunt.tally.runs, hunt.tally.failures, hunt.findings) == (12, 12, [])
    assert lines[0] == (
        "run 1: doors-open, 100 fans: no run: server edge: ended before it was ready"
    )


@pytest.mark.parametrize(("runs", "seconds"), [(3, math.inf), (10_000, 0.0)])
def test_it_ends_when_its_runs_or_its_time_is_spent(runs, seconds):
    assert hunting(nothing, runs, seconds).tally.runs == (3 if runs == 3 else 0)


def test_an_interrupted_hunt_keeps_what_it_has_found():
    interrupted = asyncio.Event()

    async def execute(scenario):
        outcome = await upgrade_loses(scenario)
        if outcome.violated:
            interrupted.set()
        return outcome

    hunt = hunting(execute, interrupted=interrupted)
    (finding,) = hunt.findings
    assert [fault.do for fault in finding.scenario.faults] != []
    assert hunt.tally.shrinking == 0


def test_what_reached_something_new_has_descendants():
    """Three kinds of fault in one scenario take several generations."""

    async def execute(scenario):
        if len({fault.do for fault in scenario.faults}) >= 3:
            return Outcome({"gap": "three faults"})
        return Outcome(features=features(scenario))

    (finding,) = hunting(execute, runs=2000).findings
    assert len(finding.scenario.faults) == 3


def test_equal_seeds_hunt_alike():
    def scenarios(seed):
        seen = []

        async def execute(scenario):
            seen.append(scenario)
            return Outcome(features=features(scenario))

        hunting(execute, runs=30, seed=seed)
        return seen

    assert scenarios(1) == scenarios(1)
    assert scenarios(1) != scenarios(2)
    assert all(Path(scenario.directory).is_dir() for scenario in scenarios(1))

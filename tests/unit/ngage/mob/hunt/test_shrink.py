"""Shrinking, against systems that violate under a condition that is known."""

import asyncio
import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.hunt.fit import small
from ngage.mob.hunt.mutate import mutate
from ngage.mob.hunt.shrink import candidates, shrink
from ngage.mob.scenario.file import dump, loads
from ngage.mob.scenario.ready import ready_names, ready_scenario

ENOUGH = 10_000


def mutant(name, seed):
    draw = random.Random(seed)
    scenario = small(ready_scenario(name), 300)
    for _ in range(8):
        scenario = mutate(scenario, draw, 300)
    return scenario


mutants = st.builds(mutant, st.sampled_from(ready_names()), st.integers(0, 1 << 32))


def shrunk(scenario, condition, runs=ENOUGH, tries=1):
    calls = []

    async def violates(candidate):
        calls.append(candidate)
        return condition(candidate)

    return asyncio.run(shrink(scenario, violates, runs, tries)), calls


@given(mutants)
def test_candidates_are_valid_and_none_is_the_scenario_itself(scenario):
    for candidate in candidates(scenario):
        assert candidate != scenario
        assert loads(dump(candidate), "candidate.toml", Path(scenario.directory)) == candidate


@given(mutants)
def test_what_always_fails_shrinks_to_next_to_nothing(scenario):
    least, _ = shrunk(scenario, lambda candidate: True)
    assert (least.fans, least.faults, least.stimuli, least.proxies) == (1, (), (), ())
    assert (len(least.targets), len(least.servers), len(least.personas)) == (1, 1, 1)
    assert (len(least.phases), least.publish.burst, least.publish.rate) == (1, 1, 1)


@given(mutants, st.integers(1, 300), st.data())
def test_what_the_violation_needs_stays(scenario, fans, data):
    """It needs one fault and so many fans; and is found to need nothing else."""
    fans = min(fans, scenario.fans)
    fault = data.draw(st.sampled_from(scenario.faults)) if scenario.faults else None

    def condition(candidate):
        return candidate.fans >= fans and (fault is None or fault in candidate.faults)

    least, _ = shrunk(scenario, condition)
    assert fans <= least.fans < max(2, 2 * fans)
    assert least.faults == (() if fault is None else (fault,))
    assert least.stimuli == ()


@given(mutants, st.integers(0, 30))
def test_no_more_runs_than_allowed(scenario, runs):
    _, calls = shrunk(scenario, lambda candidate: candidate.fans % 2, runs)
    assert len(calls) <= runs


def test_what_fails_only_now_and_then_gets_more_than_one_try():
    scenario = mutant("tunnel", 1)
    shown = random.Random(1)
    least, _ = shrunk(scenario, lambda candidate: shown.random() < 0.5, tries=12)
    assert least.fans == 1

"""The search for a capacity, against systems whose capacity is known."""

import asyncio
import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import ScenarioError
from ngage.mob.capacity import Capacity, find_capacity, load_of, with_load
from ngage.mob.measure.results import Verdict
from ngage.mob.scenario.ready import ready_scenario
from tests.helpers.mob import empty_result

MOST = 1_000_000


class System:
    """Passes up to `server`; the generator follows up to `generator`; `broken` breaks its word."""

    def __init__(self, server, generator=math.inf, broken=math.inf):
        self.server, self.generator, self.broken = server, generator, broken
        self.loads = []

    async def measure(self, load):
        self.loads.append(load)
        result = empty_result()
        if load >= self.broken:
            result.verdict, result.reasons = Verdict.INVARIANT, ["gap: 1"]
        elif load > self.generator:
            result.verdict = Verdict.SATURATED
        elif load > self.server:
            result.verdict = Verdict.THRESHOLD
        return result


def search(system, vary="fans", first=1, most=MOST, precision=0.05, **others):
    capacity = Capacity(scenario="cup", vary=vary)
    return asyncio.run(
        find_capacity(
            capacity, system.measure, first=first, most=most, precision=precision, **others
        )
    )


loads = st.integers(1, MOST - 1)


@given(server=loads, generator=loads, first=loads, precision=st.floats(0.001, 1))
def test_largest_is_as_near_to_the_bound_as_asked(server, generator, first, precision):
    bound = min(server, generator)
    found = search(System(server, generator), first=min(first, bound), precision=precision)
    assert found.largest <= bound < found.failed
    assert found.failed - found.largest <= max(1, precision * found.largest)


@given(server=st.floats(0.5, 1e5), precision=st.floats(0.001, 1))
def test_a_rate_need_not_be_whole(server, precision):
    found = search(System(server), vary="rate", first=0.5, precision=precision)
    assert found.largest <= server < found.failed
    assert found.failed - found.largest <= precision * found.largest


@given(server=loads, generator=loads)
def test_it_says_whose_bound_was_found(server, generator):
    found = search(System(server, generator))
    # The two may be nearer to each other than the interval that is left
    assert found.verdict == (Verdict.SATURATED if found.failed > generator else Verdict.PASS)
    assert found.exit_code == (4 if found.failed > generator else 0)


@given(server=loads)
def test_few_runs_are_needed(server):
    system = System(server)
    search(system)
    assert len(system.loads) <= 2 * math.log2(MOST) + 1
    assert len(set(system.loads)) == len(system.loads)


def test_no_load_above_the_last_is_tried():
    system = System(MOST)
    found = search(system, first=300, most=1000)
    assert system.loads == [300, 600, 1000]
    assert (found.largest, found.failed, found.exit_code) == (1000, 0, 0)


@pytest.mark.parametrize(
    ("system", "code"), [(System(10), 99), (System(MOST, generator=10), 4), (System(0, 0, 0), 3)]
)
def test_where_not_even_the_first_load_passes(system, code):
    found = search(system, first=11)
    assert (found.largest, found.failed, found.exit_code) == (0, 11, code)
    assert system.loads == [11]


def test_a_violated_invariant_ends_the_search():
    found = search(System(MOST, broken=50))
    assert [step.load for step in found.steps] == [1, 2, 4, 8, 16, 32, 64]
    assert (found.exit_code, found.steps[-1].reasons) == (3, ["gap: 1"])


def test_a_crowd_that_cannot_be_is_a_bound_of_the_generator():
    async def measure(load):
        if load > 100:
            raise ScenarioError("too many fans for this machine")
        return empty_result()

    system = System(0)
    system.measure = measure
    found = search(system)
    assert (found.exit_code, 95 <= found.largest <= 100) == (4, True)
    with pytest.raises(ScenarioError, match="too many fans"):
        search(system, first=101)


def test_an_interrupted_run_is_not_counted():
    interrupted = asyncio.Event()

    def report(step):
        if step.load == 4:
            interrupted.set()

    found = search(System(MOST), interrupted=interrupted, report=report)
    assert [step.load for step in found.steps] == [1, 2, 4]


def test_the_steps_as_json(tmp_path):
    found = search(System(5))
    found.write(tmp_path / "steps.json")
    assert msgspec.json.decode((tmp_path / "steps.json").read_bytes(), type=Capacity) == found


def test_the_load_of_a_scenario():
    scenario = ready_scenario("tunnel")
    assert (load_of(scenario, "fans"), load_of(scenario, "rate")) == (1500, 20)
    fewer = with_load(scenario, "fans", 150.0)
    assert (fewer.fans, fewer.phases[0].arrival_rate) == (150, 50)
    assert with_load(scenario, "rate", 2.5).publish.rate == 2.5
    with pytest.raises(ScenarioError, match="no rate to vary"):
        with_load(replace(scenario, publish=None), "rate", 2)

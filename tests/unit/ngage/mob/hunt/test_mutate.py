"""Whatever mutations come together, the scenario is valid and its faults make sense."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.hunt.fit import RECOVERY_SECONDS, SECONDS_MOST, fitted, small
from ngage.mob.hunt.mutate import DELIVERED_BYTES_MOST, DELIVERIES_MOST, OPERATORS, mutate
from ngage.mob.model import Fault
from ngage.mob.scenario.file import SERVER_FAULTS, dump, loads
from ngage.mob.scenario.ready import ready_names, ready_scenario
from ngage.settings import load as load_settings

FANS = 300
READY = {name: small(ready_scenario(name), FANS) for name in ready_names()}

names = st.sampled_from(sorted(READY))
seeds = st.integers(0, 1 << 32)


def descendant(name, seed, generations):
    draw = random.Random(seed)
    scenario = READY[name]
    for _ in range(generations):
        scenario = mutate(scenario, draw, FANS)
    return scenario


descendants = st.builds(descendant, names, seeds, st.integers(1, 12))


@given(descendants)
def test_a_mutant_is_read_back_as_it_was_written(scenario):
    assert loads(dump(scenario), "mutant.toml", Path(scenario.directory)) == scenario


@given(descendants)
def test_the_edges_accept_their_settings(tmp_path_factory, scenario):
    path = tmp_path_factory.mktemp("config") / "edge.toml"
    for server in scenario.servers:
        path.write_text(server.config)
        load_settings([], {}, str(path))


@given(descendants)
def test_a_mutant_is_small(scenario):
    publish = scenario.publish
    assert scenario.fans <= FANS
    assert scenario.duration <= SECONDS_MOST + 0.01
    deliveries = scenario.fans * publish.burst * publish.rate
    assert deliveries <= DELIVERIES_MOST
    # One publication a second there may be, however large
    assert publish.rate == 1 or deliveries * publish.size <= DELIVERED_BYTES_MOST


@given(descendants)
def test_a_server_suffers_one_fault_after_the_other(scenario):
    free = {}
    for fault in scenario.faults:
        if fault.do in SERVER_FAULTS:
            assert fault.at >= free.get(fault.what, 0)
            lasts = fault.duration + (fault.restart_after or 0)
            free[fault.what] = fault.at + lasts + RECOVERY_SECONDS
        assert fault.do != "kill" or fault.restart_after is not None


@given(descendants)
def test_what_fits_stays(scenario):
    assert fitted(scenario) == scenario


@given(names, seeds)
def test_equal_seeds_give_equal_mutants(name, seed):
    assert descendant(name, seed, 5) == descendant(name, seed, 5)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_every_operator_changes_something(operator):
    draw = random.Random(1)
    parent = READY["tunnel"]
    assert any(operator(parent, draw) != parent for _ in range(20))


def test_nothing_happens_to_a_server_that_was_killed_for_good():
    kill = Fault(at=1.0, do="kill", what="edge")
    later = Fault(at=3.0, do="upgrade", what="edge")
    scenario = replace(READY["tunnel"], faults=(later, kill))
    assert fitted(scenario).faults == (kill,)


def test_who_has_no_part_is_left_out():
    scenario = READY["rolling-restart"]
    alone = fitted(replace(scenario, targets=scenario.targets[:1]))
    assert [server.name for server in alone.servers] == ["first"]
    assert alone.publish.urls == ("http://{first.admin}",)
    assert {fault.what for fault in alone.faults} == {"first"}


def test_a_small_scenario_keeps_its_shape():
    long = ready_scenario("tunnel")
    short = READY["tunnel"]
    factor = SECONDS_MOST / long.duration
    assert short.fans == FANS
    assert short.duration == pytest.approx(SECONDS_MOST, abs=0.01)
    assert short.stimuli[0].at == pytest.approx(long.stimuli[0].at * factor, abs=0.001)
    arrive = [phase.arrival_rate * phase.duration for phase in short.phases]
    assert arrive == pytest.approx([400, 120], rel=0.001)
    assert short.thresholds == ()

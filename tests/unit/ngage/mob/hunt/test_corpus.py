"""What is kept: scenarios that reached something new."""

import random
from dataclasses import replace

import pytest

from ngage.errors import ScenarioError
from ngage.mob.hunt.corpus import Corpus, digest, reached
from ngage.mob.scenario.ready import ready_scenario
from tests.helpers.mob import bad_result, empty_result

TUNNEL = replace(ready_scenario("tunnel"), thresholds=())


def test_a_counter_is_reached_by_powers_of_two():
    assert reached(empty_result(), [{"ngage_sends_total": 0.0}]) == frozenset()
    four = reached(empty_result(), [{"ngage_sends_total": 4.0}])
    assert four == {"server ngage_sends_total 3"}
    assert reached(empty_result(), [{"ngage_sends_total": 7.0}]) == four
    assert reached(empty_result(), [{"ngage_sends_total": 8.0}]) != four


def test_only_the_counters_of_the_edge_count():
    assert reached(empty_result(), [{"process_open_fds": 9.0}]) == frozenset()


def test_close_codes_and_outcomes_are_reached_too():
    features = reached(bad_result(), [])
    assert {"close 1012", "close 503", "fans recovered 4", "messages told 17"} <= features


def test_only_what_is_new_is_kept():
    corpus = Corpus()
    assert corpus.offer(TUNNEL, frozenset({"a", "b"})) == 2
    assert corpus.offer(replace(TUNNEL, seed=8), frozenset({"a"})) == 0
    assert corpus.offer(replace(TUNNEL, seed=9), frozenset({"a", "c"})) == 1
    assert [scenario.seed for scenario in corpus.scenarios] == [3, 9]


def test_a_corpus_outlives_its_hunt(tmp_path):
    directory = tmp_path / "corpus"
    corpus = Corpus(directory)
    assert corpus.stored() == []
    corpus.offer(TUNNEL, frozenset({"a"}))
    assert Corpus(directory).stored() == [TUNNEL]
    (directory / "zzz.toml").write_text("[mob]\n")
    with pytest.raises(ScenarioError, match=r"zzz\.toml"):
        Corpus(directory).stored()


def test_every_scenario_is_picked_now_and_then():
    corpus = Corpus()
    for seed in range(20):
        corpus.offer(replace(TUNNEL, seed=seed), frozenset({str(seed)}))
    draw = random.Random(1)
    assert {corpus.pick(draw).seed for _ in range(1000)} == set(range(20))


def test_equal_scenarios_have_equal_digests():
    assert digest(TUNNEL) == digest(replace(TUNNEL, directory="elsewhere"))
    assert digest(TUNNEL) != digest(replace(TUNNEL, seed=4))

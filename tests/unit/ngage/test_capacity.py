from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.capacity import RESERVED_DESCRIPTORS, RESERVED_FILES, Host, plan_shards, read_host
from ngage.errors import StartError

HOST = Host(
    cores=2, descriptors=20_000, files=10_000_000, shards_max=1024, shard_connections_max=4_194_304
)


def test_a_million_on_twenty_thousand_descriptors() -> None:
    plan = plan_shards(HOST, wanted=1_000_000, shards=0)
    assert plan.shards == 56  # ceil(1,100,000 / 19,872)
    assert (plan.connections, plan.limited_by) == (1_000_000, "")


def test_never_fewer_shards_than_cores() -> None:
    assert plan_shards(replace(HOST, cores=16), wanted=100, shards=0).shards == 16


def test_what_fits_fills_the_cores() -> None:
    plan = plan_shards(HOST, wanted=0, shards=0)
    assert (plan.shards, plan.connections_per_shard) == (2, 20_000 - RESERVED_DESCRIPTORS)


def test_one_shard_holds_exactly_what_is_wanted() -> None:
    plan = plan_shards(HOST, wanted=1000, shards=1)
    assert (plan.connections_per_shard, plan.connections) == (1000, 1000)


def test_given_shards_limit_what_is_held() -> None:
    plan = plan_shards(HOST, wanted=100_000, shards=2)
    assert plan.shards == 2
    assert plan.connections == 2 * 19_872 * 10 // 11
    assert "RLIMIT_NOFILE 20000" in plan.limited_by


def test_open_files_of_the_machine_limit_what_is_held() -> None:
    plan = plan_shards(replace(HOST, files=50_000), wanted=100_000, shards=0)
    assert plan.connections == 50_000 - RESERVED_FILES
    assert "fs.file-max" in plan.limited_by


@pytest.mark.parametrize("scarce", [{"descriptors": 128}, {"files": 1024}])
def test_a_host_without_room_for_one_connection(scarce: dict[str, int]) -> None:
    with pytest.raises(StartError, match="no connection fits"):
        plan_shards(replace(HOST, **scarce), wanted=0, shards=0)


@given(
    wanted=st.integers(1, 10_000_000),
    cores=st.integers(1, 256),
    descriptors=st.integers(256, 2_000_000),
)
def test_a_plan_stays_inside_the_limits(wanted: int, cores: int, descriptors: int) -> None:
    host = replace(HOST, cores=cores, descriptors=descriptors)
    plan = plan_shards(host, wanted=wanted, shards=0)
    assert 1 <= plan.shards <= host.shards_max
    assert plan.connections_per_shard <= descriptors - RESERVED_DESCRIPTORS
    assert plan.connections <= min(wanted, plan.shards * plan.connections_per_shard)
    assert (plan.connections < wanted) == bool(plan.limited_by)


def test_this_host_can_be_read() -> None:
    host = read_host(shards_max=1024, shard_connections_max=4_194_304)
    assert host.cores >= 1
    assert host.descriptors > 0
    assert host.files > 0

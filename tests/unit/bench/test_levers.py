"""The catalogue of levers, what their orders say, and what fits."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.levers.catalogue import LEVERS, chosen, described
from bench.levers.lever import LARGE, Absent, Lever, Side, filled, option
from bench.levers.networks import drops
from bench.levers.options import FANS, ROUNDS, options, parser
from bench.levers.rules import NOTRACK, TRACK
from bench.levers.run import fitting
from bench.levers.turns import wake_as
from bench.scale.estimate import ScaleError
from bench.scale.servers import floor_threads

ROOT = Path(__file__).parents[3]
GB = 10**9
LARGER = Lever("larger", "", Side("a"), Side("b"), sizes=(LARGE,), fans_most=100_000)


def by_name(name: str) -> Lever:
    (lever,) = chosen(name, veth=False)
    return lever


def test_names_are_unique_and_every_lever_says_why() -> None:
    assert len({lever.name for lever in LEVERS}) == len(LEVERS)
    assert all(lever.why for lever in LEVERS)
    assert all(lever.a != lever.b for lever in LEVERS)


def test_each_lever_is_listed_with_both_sides() -> None:
    text = described()
    assert all(lever.name in text and lever.b.what in text for lever in LEVERS)


def test_named_ones_come_in_the_order_of_the_catalogue() -> None:
    assert [lever.name for lever in chosen("steer,ring", veth=False)] == ["ring", "steer"]


def test_without_names_each_network_has_those_it_is_for() -> None:
    assert {lever.name for lever in chosen("", veth=True)} >= {"ring", "fixed", "zerocopy"}
    assert "pin" not in {lever.name for lever in chosen("", veth=True)}
    assert list(chosen("", veth=False)) == list(LEVERS)


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(ScaleError, match="no such lever: crowbar; see --list"):
        chosen("ring,crowbar", veth=False)


def test_ways_are_those_of_the_c_program() -> None:
    source = (ROOT / "bench/floor/levers.c").read_text()
    for lever in LEVERS:
        for _, side in lever.sides:
            assert f'{{"{side.way}", ' in source


def test_an_option_is_told_in_numbers() -> None:
    told = option("IPPROTO_TCP", "TCP_NOTSENT_LOWAT", 16_384)
    assert told == f"option 6 {socket.TCP_NOTSENT_LOWAT} 16384"
    assert option("SOL_SOCKET", "SO_ZEROCOPY", 1) == f"option {socket.SOL_SOCKET} 60 1"


def test_braces_are_filled_and_a_sweep_takes_some_time() -> None:
    orders = [order for lever in LEVERS for _, side in lever.sides for order in side.orders]
    told = [filled(order, fans=400_000, cores=2, threads=24) for order in orders]
    assert {"at_once 2", "at_once 24", "stagger 1000"} <= set(told)
    assert filled("stagger {sweep_ms}", fans=1, cores=2, threads=2) == "stagger 1"


def test_only_what_cannot_be_changed_on_open_sockets_connects_anew() -> None:
    assert {lever.name for lever in LEVERS if lever.anew} == {"steer", "conntrack", "notrack"}


def test_sides_say_whether_their_connections_are_tracked() -> None:
    assert Side("", rules=TRACK).tracked
    assert not Side("", rules=NOTRACK).tracked
    assert not Side("").tracked
    assert by_name("notrack").tracks
    assert not by_name("ring").tracks


def test_large_frames_have_fewer_fans_where_memory_is_short() -> None:
    assert fitting(by_name("ring"), 500_000, GB) == 500_000
    assert fitting(LARGER, 500_000, 100 * GB) == LARGER.fans_most
    assert 10_000 < fitting(LARGER, 100_000, 4 * GB) < 100_000
    with pytest.raises(Absent, match="no room for 65,535 bytes"):
        fitting(LARGER, 100_000, 0)


def test_threads_are_as_many_for_each_core() -> None:
    assert floor_threads(500, 20_000, 2) == 2
    assert floor_threads(100_000, 20_000, 2) == 6
    assert floor_threads(1_000_000, 20_000, 2) == 56


def test_drops_are_summed_over_cpus(tmp_path: Path) -> None:
    file = tmp_path / "softnet_stat"
    file.write_text("0000aaaa 00000010 00000001\n0000bbbb 00000001 00000000\n")
    assert drops(file) == 17


def test_threads_of_fans_wake_as_told_and_the_first_as_ever() -> None:
    done = threading.Event()
    fan = threading.Thread(target=done.wait)
    fan.start()
    assert fan.native_id
    try:
        for policy in (os.SCHED_BATCH, os.SCHED_OTHER):
            wake_as(policy)
            assert os.sched_getscheduler(fan.native_id) == policy
            assert os.sched_getscheduler(os.getpid()) == os.SCHED_OTHER
    finally:
        done.set()
        fan.join()


def test_flags_have_defaults() -> None:
    found = options(parser().parse_args(["--veth"]))
    assert (found.fans, found.rounds, found.only, found.veth) == (FANS, ROUNDS, "", True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--list"], 0, "shuffled"),
        (["--only", "crowbar"], 2, "levers: no such lever: crowbar"),
    ],
)
def test_the_command_line_needs_nothing_to_say_so(words: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "bench.levers", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert said in ended.stdout + ended.stderr

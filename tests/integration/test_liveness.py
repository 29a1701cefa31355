"""Whoever answers its pings stays, however soon it answers; the kernel asks only if told to."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngage_core import engine as core
from ngage_core.behaviour import Target
from ngage_core.swarm import Swarm
from tests.helpers.wait import wait_until

FANS = 200
ROUNDS = 3


@contextlib.contextmanager
def idle_crowd(pings_per_second: int = 0) -> Iterator[tuple[core.Engine, Swarm]]:
    engine = core.Engine(
        host="127.0.0.1",
        port=0,
        shards=1,
        connections_per_shard=2 * FANS,
        ping_interval_ms=200,
        pings_per_second=pings_per_second,
        pong_timeout_ms=200,
    )
    engine.channel("stage", lag=core.LAG_RING, ring_frames=2, ring_bytes=1 << 16)
    swarm = Swarm([Target(*engine.start(), "/ws/stage")], fans=FANS)
    try:
        assert swarm.connect(10) == FANS
        yield engine, swarm
    finally:
        swarm.stop()
        engine.stop()


def wait_for_pings(engine: core.Engine, rounds: int) -> None:
    def enough() -> bool:
        counters = engine.counters()
        return counters["pings_sent"] >= rounds * FANS or counters["no_pong_closed"] > 0

    wait_until(enough, f"{rounds} pings to each")


def test_a_pong_within_the_tick_of_its_ping_counts() -> None:
    with idle_crowd() as (engine, swarm):
        wait_for_pings(engine, ROUNDS)
        assert engine.counters()["no_pong_closed"] == 0
        assert swarm.progress()["open"] == FANS


def test_a_large_crowd_is_pinged_less_often() -> None:
    """At 2 pings a second 200 clients have an interval of 100 s, at any rate one of 0.2 s."""
    with idle_crowd(pings_per_second=2) as (spared, _), idle_crowd() as (pinged, _):
        wait_for_pings(pinged, ROUNDS)
        assert spared.counters()["pings_sent"] == 0


# proc_net_tcp.txt of the kernel: local and remote address, state, queues, the timer that is active
ESTABLISHED = re.compile(r"^ *\d+: \w+:(\w{4}) \w+:(\w{4}) 01 \w+:\w+ (\w\w):", re.MULTILINE)
NO_TIMER, KEEPALIVE_TIMER = "00", "02"


@pytest.mark.parametrize(("seconds", "timer"), [(0, NO_TIMER), (60, KEEPALIVE_TIMER)])
def test_the_kernel_probes_idle_connections_only_if_it_is_to(seconds: int, timer: str) -> None:
    engine = core.Engine(
        host="127.0.0.1", port=0, shards=1, connections_per_shard=4, keepalive_seconds=seconds
    )
    host, port = engine.start()
    try:
        with socket.create_connection((host, port)) as client:
            ends = (f"{port:04X}", f"{client.getsockname()[1]:04X}")

            def timers() -> list[str]:
                found = ESTABLISHED.findall(Path("/proc/net/tcp").read_text())
                return [active for *between, active in found if tuple(between) == ends]

            # The handshake's own timer may run a moment longer.
            wait_until(lambda: timers() == [timer], f"timer {timer}")
    finally:
        engine.stop()

"""Whoever answers its pings stays, however soon it answers."""

import contextlib
from collections.abc import Iterator

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

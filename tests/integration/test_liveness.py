"""Whoever answers its pings stays, however soon it answers."""

from collections.abc import Iterator

import pytest

from ngage_core import engine as core
from ngage_core.behaviour import Target
from ngage_core.swarm import Swarm
from tests.helpers.wait import wait_until

FANS = 200
ROUNDS = 3


@pytest.fixture
def engine() -> Iterator[core.Engine]:
    engine = core.Engine(
        host="127.0.0.1",
        port=0,
        shards=1,
        connections_per_shard=2 * FANS,
        ping_interval_ms=200,
        pong_timeout_ms=200,
    )
    engine.channel("stage", lag=core.LAG_RING, ring_frames=2, ring_bytes=1 << 16)
    yield engine
    engine.stop()


def test_a_pong_within_the_tick_of_its_ping_counts(engine: core.Engine) -> None:
    host, port = engine.start()
    swarm = Swarm([Target(host, port, "/ws/stage")], fans=FANS)
    try:
        assert swarm.connect(10) == FANS
        wait_until(
            lambda: (
                engine.counters()["pings_sent"] >= ROUNDS * FANS
                or engine.counters()["no_pong_closed"] > 0
            ),
            f"{ROUNDS} pings to each",
        )
        assert engine.counters()["no_pong_closed"] == 0
        assert swarm.progress()["open"] == FANS
    finally:
        swarm.stop()

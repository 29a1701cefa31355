"""A publisher that laps its readers: whatever the policy skips, no frame is torn, doubled or late.

The ring is as small as it can be, so payloads leave it, and are freed, while shards are sending
them. Run on a sanitizer build, this is the test of reclamation.
"""

import random
import time
from collections.abc import Iterator

import pytest

from ngage_core import engine as core
from ngage_core.behaviour import LURKER, Persona, Target
from ngage_core.swarm import Swarm, publication
from tests.helpers.backends import BACKENDS
from tests.helpers.crowd import read_again, staller, stop_reading
from tests.helpers.wait import wait_until

FANS = 60
PUBLICATIONS = 6000
LAPPING = {"ring": core.LAG_RING, "latest": core.LAG_LATEST, "keyframe": core.LAG_KEYFRAME}
TORN = ["duplicates", "reordered", "corrupt", "untimed", "malformed", "closed"]


@pytest.fixture(params=BACKENDS)
def engine(request: pytest.FixtureRequest) -> Iterator[core.Engine]:
    engine = core.Engine(
        host="127.0.0.1",
        port=0,
        shards=2,
        connections_per_shard=200,
        send_buffer_bytes=8192,
        backend=request.param,
    )
    yield engine
    engine.stop()


@pytest.mark.parametrize("lag", LAPPING)
def test_nothing_is_torn(engine: core.Engine, lag: str) -> None:
    host, port = engine.start()
    channel = engine.channel("stage", lag=LAPPING[lag], ring_frames=2, ring_bytes=1 << 20)
    sizes = random.Random(lag)
    swarms = [
        Swarm([Target(host, port, "/ws/stage")], fans=FANS, check_padding=True, personas=personas)
        for personas in ([LURKER], [Persona(receive_buffer=2048), staller(receive_buffer=2048)])
    ]
    try:
        for swarm in swarms:
            assert swarm.connect(30) == FANS
        stop_reading(swarms[1], persona=1)
        for sequence in range(1, PUBLICATIONS + 1):
            size = sizes.choice([48, 130, 5000, 70_000])
            data = publication(time.monotonic_ns(), sequence, size)
            engine.publish(channel, data, core.OPCODE_BINARY, sync=sequence % 5 == 0)
        read_again(swarms[1], persona=1)
        wait_until(lambda: engine.counters()["blocked"] == 0, "everybody has caught up")
        for swarm in swarms:
            seen = swarm.progress()
            assert {name: seen[name] for name in TORN} == dict.fromkeys(TORN, 0)
            assert seen["received"] > FANS
        skipped = engine.counters()
        assert skipped["skipped_latest"] + skipped["skipped_keyframe"] + skipped["skipped_ring"]
    finally:
        for swarm in swarms:
            swarm.stop()

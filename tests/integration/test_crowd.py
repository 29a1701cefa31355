"""Every subscriber of one channel gets each publication once and in order, in crowds."""

import contextlib
import time
from collections.abc import Iterator

import httpx

from ngage_core.swarm import Swarm, publication
from tests.helpers.daemon import Daemon

FAULTS = ["gaps", "duplicates", "reordered", "corrupt", "untimed", "malformed", "closed"]


@contextlib.contextmanager
def crowd(daemon: Daemon, fans: int, **options: int) -> Iterator[Swarm]:
    """Fans in front of /ws/stage, all connected, who await the publication numbered 1."""
    swarm = Swarm(
        *daemon.public,
        "/ws/stage",
        fans=fans,
        source="127.0.0.0/8",
        check_padding=True,
        **options,  # type: ignore[arg-type]
    )
    try:
        assert swarm.connect(30) == fans, swarm.progress()
        swarm.reset(1)
        yield swarm
    finally:
        swarm.stop()


def publish(daemon: Daemon, sizes: list[int], first: int = 1) -> None:
    with httpx.Client(base_url=daemon.admin, trust_env=False) as client:
        for sequence, size in enumerate(sizes, first):
            body = publication(time.monotonic_ns(), sequence, size)
            answer = client.post("/api/publish_raw", params={"channel": "stage"}, content=body)
            assert answer.status_code == 200, answer.text


def test_twenty_thousand_miss_nothing() -> None:
    sizes = [48, 125, 126, 128, 1000] * 4
    with Daemon("--shards", "2") as daemon, crowd(daemon, 20_000) as swarm:
        publish(daemon, sizes)
        assert swarm.wait_received(len(sizes), 30), swarm.progress()
        counters = swarm.progress()
        assert counters["received"] == 20_000 * len(sizes)
        assert {name: counters[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)


def test_the_stalled_are_skipped_and_the_others_miss_nothing() -> None:
    """The ring is overrun by those who stop reading; none gets a torn or repeated publication."""
    ring = {"NGAGE_CHANNEL_HISTORY": "64"}
    sizes = [20_000] * 500
    with (
        Daemon(env=ring) as daemon,
        crowd(daemon, 20) as readers,
        crowd(daemon, 20, receive_buffer=4096) as stalled,
    ):
        assert stalled.pause(1) == 20
        for first in range(0, len(sizes), 10):
            publish(daemon, sizes[first : first + 10], first + 1)
            assert readers.wait_received(first + 10, 30), readers.progress()
        stalled.resume()
        publish(daemon, [48], len(sizes) + 1)
        assert readers.wait_received(len(sizes) + 1, 30)
        seen = readers.progress()
        assert {name: seen[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)
        assert stalled.wait_received(1, 30)
        behind = stalled.progress()
        assert behind["gaps"] > 0
        assert [behind[name] for name in FAULTS[1:]] == [0] * len(FAULTS[1:])

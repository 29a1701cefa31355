"""Every subscriber of one channel gets each publication once and in order, in crowds."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngage_core.behaviour import Target
from ngage_core.swarm import Swarm, publication
from tests.helpers.backends import BACKENDS
from tests.helpers.crowd import read_again, staller, stop_reading
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Publisher
from tests.helpers.wait import wait_until

HISTORY = 64
FAULTS = ["gaps", "duplicates", "reordered", "corrupt", "untimed", "malformed", "closed"]


@pytest.fixture(params=BACKENDS)
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    config = tmp_path / "edge.toml"
    config.write_text(f'[channels.stage]\nlag = "ring"\nhistory = {HISTORY}\n')
    arguments = ["--config", str(config), "--shards", "2", "--backend", request.param]
    with Daemon(*arguments) as daemon:
        yield daemon


@contextlib.contextmanager
def crowd(daemon: Daemon, fans: int, *, receive_buffer: int = 0) -> Iterator[Swarm]:
    """Fans in front of /ws/stage, all connected, who await the publication numbered 1."""
    swarm = Swarm(
        [Target(*daemon.public, "/ws/stage")],
        fans=fans,
        source="127.0.0.0/8",
        personas=[staller(receive_buffer=receive_buffer)],
        check_padding=True,
    )
    try:
        assert swarm.connect(30) == fans, swarm.close_codes()
        swarm.reset(1)
        yield swarm
    finally:
        swarm.stop()


def publish(daemon: Daemon, sizes: list[int], first: int = 1) -> None:
    with Publisher(daemon) as publisher:
        for sequence, size in enumerate(sizes, first):
            publisher.publish("stage", publication(time.monotonic_ns(), sequence, size))


def accounted(swarm: Swarm) -> int:
    counters = swarm.progress()
    return counters["received"] + counters["told"]


@pytest.mark.alone
def test_twenty_thousand_miss_nothing(daemon: Daemon) -> None:
    sizes = [48, 125, 126, 128, 1000] * 4
    with crowd(daemon, 20_000) as swarm:
        publish(daemon, sizes)
        assert swarm.wait_received(len(sizes), 30), swarm.progress()
        counters = swarm.progress()
    assert counters["received"] == 20_000 * len(sizes)
    assert {name: counters[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)


def test_the_stalled_are_skipped_and_the_others_miss_nothing(daemon: Daemon) -> None:
    """The ring is overrun by those who stop reading; none gets a torn or repeated publication."""
    sizes = [20_000] * 500
    burst = HISTORY // 8
    with crowd(daemon, 20) as readers, crowd(daemon, 20, receive_buffer=4096) as stalled:
        assert stop_reading(stalled) == 20
        for first in range(0, len(sizes), burst):
            publish(daemon, sizes[first : first + burst], first + 1)
            assert readers.wait_received(min(first + burst, len(sizes)), 30), readers.progress()
        read_again(stalled)
        publish(daemon, [48], len(sizes) + 1)
        assert readers.wait_received(len(sizes) + 1, 30), readers.progress()
        seen = readers.progress()
        assert {name: seen[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)
        everything = 20 * (len(sizes) + 1)
        wait_until(lambda: accounted(stalled) >= everything, "the stalled to catch up")
        behind = stalled.progress()
    assert behind["told"] > 0
    assert behind["received"] + behind["told"] == everything
    assert {name: behind[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)

"""What a viewer who reads too slowly gets, by the channel's policy; on real sockets.

The slow one has a receive buffer of 4 KiB and reads nothing while 600 publications of 8 KiB go
past it, over a ring of 8, or for longer than it may be behind. A witness beside it reads
everything: it shows that nothing is lost for those who keep up, and that the edge has sent what the
slow one could have had.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.backends import BACKENDS
from tests.helpers.counters import disconnected, skipped
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Publisher, Raw, settings
from tests.oracle import frames

LAG_MS = 20
BOUNDS = {"log": "history = 8", "time": f"lag_ms = {LAG_MS}"}
COUNT = 600
SYNC_EVERY = 50
PADDING = bytes(8192)
POLICIES = ("latest", "keyframe", "ring", "reliable")


@pytest.fixture(scope="module", params=BOUNDS)
def bound(request: pytest.FixtureRequest) -> str:
    return BOUNDS[request.param]


@pytest.fixture(scope="module", params=BACKENDS)
def edge(
    request: pytest.FixtureRequest, bound: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    config: Path = tmp_path_factory.mktemp("lag") / "edge.toml"
    config.write_text("".join(f'[channels.{lag}]\nlag = "{lag}"\n{bound}\n' for lag in POLICIES))
    numbers = settings(send_buffer_bytes=16384, close_timeout_seconds=60)
    with Daemon("--config", str(config), *numbers, "--backend", request.param) as daemon:
        yield daemon


def overrun(edge: Daemon, channel: str, slow: Raw) -> None:
    """Publish past the slow reader; each publication starts with its number."""
    slow.upgrade(f"/ws/{channel}")
    with Publisher(edge) as publisher, Raw(edge.public) as witness:
        witness.upgrade(f"/ws/{channel}")
        for i in range(COUNT):
            data = b"%05d" % i + PADDING
            publisher.publish(channel, data, sync=i % SYNC_EVERY == 0)
            assert witness.read_message() == data


def read_until_last(slow: Raw) -> tuple[list[int], list[str]]:
    """Numbers received, and the pings that tell of gaps, until the last publication is in one."""
    numbers: list[int] = []
    gaps: list[str] = []
    while COUNT - 1 not in numbers[-1:] and not any(gap.endswith(f"-{COUNT}") for gap in gaps):
        frame = slow.read_frame()
        if frame.opcode == frames.BINARY:
            assert frame.data[5:] == PADDING
            numbers.append(int(frame.data[:5]))
        elif frame.opcode == frames.PING and frame.data.startswith(b"gap "):
            gaps.append(frame.data.decode())
    return numbers, gaps


@pytest.fixture
def slow(edge: Daemon) -> Iterator[Raw]:
    with Raw(edge.public, receive_bytes=4096) as client:
        yield client


def test_ring_tells_each_gap(edge: Daemon, slow: Raw) -> None:
    overrun(edge, "ring", slow)
    numbers, gaps = read_until_last(slow)
    missing = sorted(set(range(COUNT)) - set(numbers))
    assert missing
    assert numbers == sorted(set(numbers))
    told: list[int] = []
    for gap in gaps:
        first, _, last = gap.removeprefix("gap ").partition("-")
        told += range(int(first) - 1, int(last))  # publication 0 has offset 1
    assert told == missing
    assert skipped(edge, "ring") == len(missing)


def test_latest_jumps_to_the_newest(edge: Daemon, slow: Raw) -> None:
    overrun(edge, "latest", slow)
    numbers, gaps = read_until_last(slow)
    assert numbers == sorted(set(numbers))
    assert len(numbers) < COUNT
    assert gaps == []
    assert skipped(edge, "latest") == COUNT - len(numbers)


def test_keyframe_jumps_to_a_sync_point(edge: Daemon, slow: Raw) -> None:
    overrun(edge, "keyframe", slow)
    numbers: list[int] = []
    with Publisher(edge) as publisher:
        publisher.publish("keyframe", b"%05d" % COUNT + PADDING, sync=True)
    while not numbers or numbers[-1] != COUNT:
        numbers.append(int(slow.read_message()[:5]))
    jumps = [b for a, b in zip([-1, *numbers], numbers, strict=False) if b != a + 1]
    assert jumps
    assert all(number % SYNC_EVERY == 0 for number in jumps)
    assert numbers == sorted(set(numbers))


def test_reliable_sends_the_slow_away(edge: Daemon, slow: Raw) -> None:
    overrun(edge, "reliable", slow)
    numbers: list[int] = []
    while (frame := slow.read_frame()).opcode == frames.BINARY:
        numbers.append(int(frame.data[:5]))
    assert numbers == list(range(len(numbers)))
    assert (frame.opcode, int.from_bytes(frame.data[:2], "big")) == (frames.CLOSE, 3008)
    assert disconnected(edge, "slow") == 1


@pytest.mark.parametrize("lag", POLICIES)
def test_who_resumes_from_something_old_is_not_slow(edge: Daemon, lag: str) -> None:
    with Publisher(edge) as publisher, Raw(edge.public) as viewer:
        seen = publisher.publish(lag, b"seen")
        missed = [b"%d" % n for n in range(4)]
        for data in missed:
            publisher.publish(lag, data)
        time.sleep(2 * LAG_MS / 1000)  # nothing tells that a publication has aged
        assert viewer.upgrade(f"/ws/{lag}?since={seen}").headers["ngage-recovered"] == "true"
        assert [viewer.read_message() for _ in missed] == missed

"""Restoring a log in the core: which options it takes."""

from typing import Any

import pytest

from ngage_core import engine as core

OPTIONS: dict[str, Any] = {"lag": core.LAG_RING, "ring_frames": 4, "ring_bytes": 4096}


@pytest.fixture
def engine() -> core.Engine:
    return core.Engine(host="127.0.0.1", port=0, shards=1, connections_per_shard=10)


@pytest.mark.parametrize("epoch", [1, 0xFFFFFFFF])
@pytest.mark.parametrize("first", [1, 5, 2**53])
def test_a_log_begins_where_it_is_told(engine: core.Engine, epoch: int, first: int) -> None:
    channel = engine.channel("stage", **OPTIONS, epoch=epoch, first=first)
    assert engine.position(channel) == (f"{epoch:08x}", first - 1)
    assert engine.log(channel) == (epoch, first, [], None)
    assert engine.history(channel) == []
    about = {"sync": True, "group": 2**64 - 1, "independent": True}
    assert engine.publish(channel, b"abc", core.OPCODE_BINARY, **about) == first
    assert engine.history(channel) == [(first, core.OPCODE_BINARY, b"abc")]
    held = (3, core.OPCODE_BINARY, True, 2**64 - 1, True)
    assert engine.log(channel) == (epoch, first, [held], None)


def test_a_log_of_a_wrapped_ring(engine: core.Engine) -> None:
    channel = engine.channel("stage", **OPTIONS, epoch=7, first=100)
    engine.preamble(channel, b"init", core.OPCODE_TEXT)
    for size in range(10):
        engine.publish(channel, bytes(size), core.OPCODE_TEXT)
    held = [(size, core.OPCODE_TEXT, False, 0, False) for size in range(6, 10)]
    assert engine.log(channel) == (7, 106, held, (core.OPCODE_TEXT, b"init"))


@pytest.mark.parametrize(
    ("epoch", "first"),
    [(-1, 1), (1 << 32, 1), (1, 0), (1, -1), (1, 2**53 + 1), (0, 2), ("1", 1), (1, "1")],
)
def test_what_is_no_position_is_refused(engine: core.Engine, epoch: Any, first: Any) -> None:
    with pytest.raises(ValueError, match=r"epoch|first"):
        engine.channel("stage", **OPTIONS, epoch=epoch, first=first)
    assert engine.channel("stage", **OPTIONS) == 0


def test_a_channel_that_exists_keeps_its_log(engine: core.Engine) -> None:
    channel = engine.channel("stage", **OPTIONS)
    before = engine.log(channel)
    with pytest.raises(ValueError, match="'stage' has a log"):
        engine.channel("stage", **OPTIONS, epoch=7, first=9)
    assert engine.log(channel) == before
    assert engine.channel("stage", **OPTIONS) == channel


def test_no_such_channel_has_no_log(engine: core.Engine) -> None:
    with pytest.raises(ValueError, match="no such channel"):
        engine.log(0)

"""The parts the benches time do what they are timed for: the engine's half and its floor alike."""

import socket
from collections.abc import Iterator

import pytest

from bench.native import parts
from ngage_core.protocol import encode_frame
from tests.helpers.pairs import socket_pairs

PAIRS = 3
PAYLOAD = b"x" * 128
FRAME = encode_frame(PAYLOAD, 2)


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with socket_pairs(PAIRS) as pairs:
        yield pairs


def test_a_sweep_and_its_floor_send_the_same_bytes(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    flush = parts().Flush([(mine.fileno(), reader.fileno()) for mine, reader in pairs], kernel=True)
    flush.publish(PAYLOAD, 2)
    flush.sweep()
    assert [reader.recv(4096) for _mine, reader in pairs] == [FRAME * 2] * PAIRS
    assert flush.deliveries == 2 * PAIRS
    flush.bare(FRAME * 2)
    assert [reader.recv(4096) for _mine, reader in pairs] == [FRAME * 2] * PAIRS
    flush.bare(FRAME)
    assert flush.drain() == len(FRAME) * PAIRS


def test_without_the_kernel_every_delivery_is_counted_and_nothing_sent() -> None:
    flush = parts().Flush([(-1, -1)] * PAIRS, kernel=False)
    flush.publish(PAYLOAD, 8)
    flush.sweep()
    assert flush.deliveries == 8 * PAIRS


def test_the_bare_log_takes_more_than_its_ring_holds() -> None:
    log = parts().BareLog()
    for _ in range(3000):
        log.append(PAYLOAD)

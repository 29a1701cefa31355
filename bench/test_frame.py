"""What do frames cost: reading a batch of a client's, writing one of a server's?

The peer is websockets' Sans-I/O protocol (its masking is in C, its parser in Python).
"""

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from ngage_core.protocol import FrameParser, encode_frame

BATCH = 100
SIZES = [16, 128, 4096]


@pytest.fixture(params=SIZES)
def payload(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> bytes:
    what = f"read {BATCH}" if "read" in request.node.name else "write 1"
    benchmark.group = f"{what} of {request.param} bytes"
    return os.urandom(request.param)


@pytest.fixture
def stream(payload: bytes) -> bytes:
    return b"".join(Frame(Opcode.BINARY, payload).serialize(mask=True) for _ in range(BATCH))


def test_read_ngage(benchmark: BenchmarkFixture, stream: bytes, payload: bytes) -> None:
    parser = FrameParser()
    assert benchmark(parser.feed, stream) == [("message", Opcode.BINARY, payload)] * BATCH


def test_read_websockets(benchmark: BenchmarkFixture, stream: bytes) -> None:
    protocol = Protocol(Side.SERVER)

    def read() -> int:
        protocol.receive_data(stream)
        return len(protocol.events_received())

    assert benchmark(read) == BATCH


def test_write_ngage(benchmark: BenchmarkFixture, payload: bytes) -> None:
    assert benchmark(encode_frame, payload, 2).endswith(payload)


def test_write_websockets(benchmark: BenchmarkFixture, payload: bytes) -> None:
    benchmark(lambda: Frame(Opcode.BINARY, payload).serialize(mask=False))

"""What does unmasking cost? The peer is websockets' C loop.

The function returns bytes and so copies twice, which the shards, who unmask in place, do not: the
floor is those two copies.
"""

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from websockets.speedups import apply_mask

from ngage_core.protocol import mask

SIZES = [16, 128, 4096, 65536]
KEY = b"\x12\x34\x56\x78"


@pytest.fixture(params=SIZES)
def payload(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> bytes:
    benchmark.group = f"unmask {request.param} bytes"
    return os.urandom(request.param)


def test_ngage(benchmark: BenchmarkFixture, payload: bytes) -> None:
    assert benchmark(mask, payload, KEY) == apply_mask(payload, KEY)


def test_websockets(benchmark: BenchmarkFixture, payload: bytes) -> None:
    benchmark(apply_mask, payload, KEY)


def test_floor_copies(benchmark: BenchmarkFixture, payload: bytes) -> None:
    benchmark(lambda: bytes(bytearray(payload)))

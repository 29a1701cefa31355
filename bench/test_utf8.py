"""What does the UTF-8 check of inbound text cost? The floor is CPython's decoder, which copies."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from ngage_core.protocol import utf8_check

TEXTS = {
    "ascii 64": "a" * 64,
    "ascii 4096": "a" * 4096,
    "german 4096": "Größe für alle, " * 240,
    "hindi 4096": "नमस्ते " * 215,
    "emoji 4096": "🎉" * 1024,
}


@pytest.fixture(params=TEXTS)
def text(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> bytes:
    benchmark.group = f"UTF-8 {request.param}"
    return TEXTS[request.param].encode()


def test_ngage(benchmark: BenchmarkFixture, text: bytes) -> None:
    assert benchmark(utf8_check, text) == 0


def test_floor_decode(benchmark: BenchmarkFixture, text: bytes) -> None:
    benchmark(text.decode)

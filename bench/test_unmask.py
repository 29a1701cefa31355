"""What does unmasking cost? The peer is websockets' C loop.

The function returns bytes and so copies twice, which the shards, who unmask in place, do not: the
floor is those two copies.
"""

import os
from functools import partial

import pytest
from websockets.speedups import apply_mask

from bench.turns import Versus
from ngage_core.protocol import mask

KEY = b"\x12\x34\x56\x78"


@pytest.mark.parametrize("size", [16, 128, 4096, 65536])
def test_unmask(versus: Versus, size: int) -> None:
    payload = os.urandom(size)
    assert mask(payload, KEY) == apply_mask(payload, KEY)
    versus(
        f"unmask {size:,} bytes",
        partial(mask, payload, KEY),
        {
            "two copies": lambda: bytes(bytearray(payload)),
            "websockets": partial(apply_mask, payload, KEY),
        },
    )

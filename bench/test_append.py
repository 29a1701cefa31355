"""What does publishing cost the publisher, when there is nobody to send it to?

The floor is a log of bare C called from Python as the engine is: the frame encoded into memory of
its own, kept in a ring of as many, and what it displaces freed. So both pay for one call, one
malloc, one copy and one free; what the engine adds is the channel's bookkeeping, the fence and the
look at every shard. A deque of encoded frames is what plain Python would do.
"""

from collections import deque
from functools import partial

import pytest

from bench.harness import crowd
from bench.native import parts
from bench.turns import Versus
from ngage_core.engine import LAG_RING, OPCODE_BINARY, Engine
from ngage_core.protocol import encode_frame

FRAMES = 1024  # the ring of parts.BareLog
FANS = 1_000


@pytest.mark.parametrize("fans", [0, FANS], ids=["alone", "fans elsewhere"])
@pytest.mark.parametrize("size", [128, 4096])
def test_append(versus: Versus, size: int, fans: int) -> None:
    payload = b"x" * size
    engine = Engine(host="127.0.0.1", port=0, shards=1, connections_per_shard=2 * FANS)
    options = {"lag": LAG_RING, "ring_frames": FRAMES, "ring_bytes": 1 << 24, "deflate": False}
    quiet = engine.channel("quiet", **options)
    engine.channel("stage", **options)
    port = engine.start()[1]
    frames: deque[bytes] = deque(maxlen=FRAMES)
    others = {
        "bare log": partial(parts().BareLog().append, payload),
        "deque": lambda: frames.append(encode_frame(payload, OPCODE_BINARY)),
    }
    publish = partial(engine.publish, quiet, payload, OPCODE_BINARY)
    try:
        if fans:
            with crowd(port, fans):
                versus(f"append {size:,} bytes, {fans:,} fans of another channel", publish, others)
        else:
            versus(f"append {size:,} bytes, nobody there", publish, others)
    finally:
        engine.stop()

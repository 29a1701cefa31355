"""What do frames cost: reading a batch of a client's, writing one of a server's?

The peer is websockets' Sans-I/O protocol (its masking is in C, its parser in Python). Less than a
copy of header and payload into new bytes nobody can write a frame with: that is the floor there.
"""

import os
from functools import partial

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from bench.turns import Versus
from ngage_core.protocol import FrameParser, encode_frame

BATCH = 100
SIZES = [16, 128, 4096]


@pytest.mark.parametrize("size", SIZES)
def test_read(versus: Versus, size: int) -> None:
    payload = os.urandom(size)
    stream = b"".join(Frame(Opcode.BINARY, payload).serialize(mask=True) for _ in range(BATCH))
    parser, protocol = FrameParser(), Protocol(Side.SERVER)
    assert parser.feed(stream) == [("message", Opcode.BINARY, payload)] * BATCH

    def read_of_websockets() -> int:
        protocol.receive_data(stream)
        return len(protocol.events_received())

    assert read_of_websockets() == BATCH
    versus(
        f"read {BATCH} masked frames of {size:,} bytes",
        partial(parser.feed, stream),
        {"websockets": read_of_websockets},
    )


@pytest.mark.parametrize("size", SIZES)
def test_write(versus: Versus, size: int) -> None:
    payload = os.urandom(size)
    frame = encode_frame(payload, Opcode.BINARY)
    header = frame[:-size]
    assert frame == Frame(Opcode.BINARY, payload).serialize(mask=False)
    versus(
        f"encode a frame of {size:,} bytes",
        partial(encode_frame, payload, 2),
        {
            "one copy": lambda: header + payload,
            "websockets": lambda: Frame(Opcode.BINARY, payload).serialize(mask=False),
        },
    )

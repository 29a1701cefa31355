"""What does a shard's sweep add to the sends it makes?

Over unix socketpairs, the cheapest sockets there are, and over none at all, where the send is an
empty function and what is left is user mode. The floor sends the same bytes to the same sockets in
the same order through the same table, with eight frames joined beforehand, and remembers nothing.
"""

from collections.abc import Iterator

import pytest

from bench.native import parts
from bench.turns import Versus
from ngage_core.protocol import encode_frame
from tests.helpers.pairs import socket_pairs

PAIRS = 2_000
MEMBERS = 15_000  # as many as the broadcast has: more than a core's own cache holds
PAYLOAD = b"x" * 128
FRAME = encode_frame(PAYLOAD, 2)


@pytest.fixture
def pairs() -> Iterator[list[tuple[int, int]]]:
    """Of each pair the shard's end, and the one that reads."""
    with socket_pairs(PAIRS) as pairs:
        yield [(mine.fileno(), reader.fileno()) for mine, reader in pairs]


@pytest.mark.parametrize("frames", [1, 8])
def test_over_socketpairs(versus: Versus, pairs: list[tuple[int, int]], frames: int) -> None:
    flush = parts().Flush(pairs, kernel=True)
    joined = FRAME * frames

    def sweep() -> None:
        flush.publish(PAYLOAD, frames)
        flush.sweep()

    def everything_arrived() -> None:
        assert flush.drain() == len(joined) * PAIRS

    versus(
        f"flush {frames} x {len(PAYLOAD)} bytes over a socketpair",
        sweep,
        {"send loop": lambda: flush.bare(joined)},
        units=PAIRS,
        between=everything_arrived,
    )


@pytest.mark.parametrize("frames", [1, 8])
def test_in_user_mode(versus: Versus, frames: int) -> None:
    flush = parts().Flush([(-1, -1)] * MEMBERS, kernel=False)
    joined = FRAME * frames

    def sweep() -> None:
        flush.publish(PAYLOAD, frames)
        flush.sweep()

    sweep()
    assert flush.deliveries == frames * MEMBERS
    versus(
        f"flush {frames} x {len(PAYLOAD)} bytes, user mode alone",
        sweep,
        {"empty loop": lambda: flush.bare(joined)},
        units=MEMBERS,
        between=lambda: None,
    )

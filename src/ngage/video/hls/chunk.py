"""What renditions are made of: the chunks of one track, with their times in microseconds."""

from typing import NamedTuple

# Walls of t_in differ from the timeline by some milliseconds of lateness each; more is a change.
DRIFT_US = 100_000
# What comes later than this after its last, or before it, is on another timeline.
_JUMP_US = 10_000_000


class Chunk(NamedTuple):
    """`start_us` and `end_us` in decode order. `breaks`: it does not follow the one before."""

    data: bytes
    start_us: int
    end_us: int
    pts_us: int
    t_in_us: int
    key: bool
    breaks: bool


def is_jump(end_us: int, start_us: int) -> bool:
    """Whether what starts there cannot follow what ended there."""
    return not -DRIFT_US < start_us - end_us < _JUMP_US

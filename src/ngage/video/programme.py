"""What a source can encode: pictures and sound on one timeline that starts at 0 and never ends."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

TIMESCALE = 90_000
SAMPLE_RATE = 48_000

I420 = NDArray[np.uint8]
"""A picture as one array (height * 3 / 2, width): luma, then both chroma planes at half size."""
Sound = NDArray[np.float32]
"""Stereo samples (2, n) between -1 and 1 at 48 kHz."""


class Picture(NamedTuple):
    """One frame; pts and duration in 1/90000 s. It is drawn only if there is time to encode it."""

    pts: int
    duration: int
    draw: Callable[[], I420]


class Programme(Protocol):
    """Called from one thread only; both methods move forward on the same timeline."""

    width: int
    height: int
    fps: float

    def pictures(self) -> Iterator[Picture]:
        """In order of time, without overlap. Time 0 is when the first is asked for."""

    def sound(self, position: int, count: int) -> Sound:
        """`count` samples from sample `position` on; positions only grow."""

    def close(self) -> None: ...

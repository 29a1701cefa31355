"""When fans arrive and leave: Poisson processes whose rate changes, open loop.

The cumulative rate of the phases maps times to a process of rate 1, whose gaps are exponential, so
its inverse maps such a process to arrivals. Random bits come from Philox, which is counter-based:
numpy promises (NEP 19) the same bits for ever, but not the same numbers from Generator's methods.
So the numbers are made here, and a seed means the same crowd on every machine.
"""

import math
from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ngage.mob.model import Phase

Floats = npt.NDArray[np.float64]

NEVER = 0xFFFFFFFF
LATEST_SECONDS = (NEVER - 1) // 1_000_000  # what 32 bits of microseconds hold: 71 minutes
ARRIVING, LEAVING = 0, 1  # independent streams of one seed


def arrivals(phases: Sequence[Phase], fans: int, seed: int) -> "array[int]":
    """When each of `fans` arrives, in microseconds ("I"), ascending; NEVER if phases end first.

    The phases with arrivals end within LATEST_SECONDS.
    """
    ends = [p.arrival_rate if p.ramp_to is None else p.ramp_to for p in phases]
    rates = [(phase.arrival_rate, end) for phase, end in zip(phases, ends, strict=True)]
    times = _times(phases, rates, _unit_process(fans, seed, ARRIVING))
    delays = np.full(fans, NEVER, np.uint32)
    delays[: len(times)] = np.floor(times * 1e6)
    return array("I", delays.tobytes())


def departures(phases: Sequence[Phase], seed: int) -> list[float]:
    """The times in seconds, ascending, at each of which one fan leaves."""
    rates = [(phase.leave_rate, phase.leave_rate) for phase in phases]
    expected = sum(phase.leave_rate * phase.duration for phase in phases)
    # 12 standard deviations above the mean: that there were more does not happen
    enough = math.ceil(expected + 12 * math.sqrt(expected)) + 24 if expected else 0
    return list(map(float, _times(phases, rates, _unit_process(enough, seed, LEAVING))))


def _unit_process(count: int, seed: int, stream: int) -> Floats:
    """The first `count` times of a Poisson process of rate 1."""
    bits = np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(count)
    uniform = (bits >> np.uint64(11)) * 2.0**-53  # below 1
    return np.cumsum(-np.log1p(-uniform))


def _times(
    phases: Sequence[Phase], rates: Sequence[tuple[float, float]], process: Floats
) -> Floats:
    """The times at which the cumulative rate reaches those of `process`, as far as it does.

    rates: at the begin and the end of each phase. In a phase whose rate goes from r by s per second
    the cumulative rate is r t + s t^2 / 2; the form of the root below is exact for s near 0 too.
    """
    times = []
    begin = 0.0
    reached = 0.0
    for phase, (first, last) in zip(phases, rates, strict=True):
        total = (first + last) / 2 * phase.duration
        here = process[(process >= reached) & (process < reached + total)] - reached
        slope = (last - first) / phase.duration
        root = np.sqrt(np.maximum(first * first + 2 * slope * here, 0.0))
        # A ramp from 0 has a divisor of 0 only for an arrival at its very begin
        divisor = np.maximum(first + root, np.finfo(np.float64).tiny)
        times.append(begin + np.minimum(2 * here / divisor, phase.duration))
        begin += phase.duration
        reached += total
    return np.concatenate(times) if times else np.empty(0)

"""Axes: from figures to places between 0 and 1, with ticks at figures that people count in."""

import math
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

TICKS_WANTED = 5
TIMES_WANTED = 4  # so that 1:30:00 has room beside its neighbours on a phone
NINES_MAX = 6  # what is rarer than one in a million is told as the maximum
# Of a power of ten; for times, what a clock shows, in seconds.
DECIMAL_STEPS = (1.0, 2.0, 5.0, 10.0)
CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
LOG_RATIO = 20.0  # below it a logarithmic axis says less than a linear one


class Scale(NamedTuple):
    least: float
    most: float
    logarithmic: bool
    ticks: tuple[float, ...]
    write: Callable[[float], str]

    def place(self, value: float) -> float:
        """From 0 at `least` to 1 at `most`; what lies beyond is held at the edge."""
        least, most = self.least, self.most
        value = min(max(value, least), most)
        if self.logarithmic:
            value, least, most = math.log(value), math.log(least), math.log(most)
        return (value - least) / (most - least)


def from_zero(values: Iterable[float], write: Callable[[float], str]) -> Scale:
    """Linear, from 0 to the round figure above the largest of `values`."""
    most = max((value for value in values if math.isfinite(value)), default=0.0)
    most = most if most > 0 else 1.0
    step = _step(most)
    count = math.ceil(most / step - 1e-9)
    return Scale(0.0, count * step, False, tuple(step * n for n in range(count + 1)), write)


def spread(values: Iterable[float], write: Callable[[float], str]) -> Scale:
    """Logarithmic if the positive ones among `values` differ much, else from_zero()."""
    positive = [value for value in values if math.isfinite(value) and value > 0]
    if not positive or max(positive) < LOG_RATIO * min(positive):
        return from_zero(positive, write)
    first = math.floor(math.log10(min(positive)) + 1e-9)
    last = math.ceil(math.log10(max(positive)) - 1e-9)
    stride = math.ceil((last - first) / TICKS_WANTED)
    ticks = tuple(10.0**power for power in range(first, last + 1, stride))
    return Scale(10.0**first, 10.0**last, True, ticks, write)


def timeline(seconds: float, write: Callable[[float], str]) -> Scale:
    """From 0 to `seconds`, which need not be round."""
    most = seconds if seconds > 0 and math.isfinite(seconds) else 1.0
    step = next((s for s in CLOCK_STEPS if most / s <= TIMES_WANTED), _step(most))
    ticks = tuple(float(step * n) for n in range(math.floor(most / step) + 1))
    return Scale(0.0, most, False, ticks, write)


def nines(most: float) -> Scale:
    """Of 1 / (1 - p) for the share p, up to `most`: equal distances are equally many more nines."""
    most = min(max(most, 10.0), 10.0**NINES_MAX)
    last = math.floor(math.log10(most) + 1e-9)
    ticks = tuple(10.0**power for power in range(0, last + 1, 1 if last < 4 else 2))
    return Scale(1.0, most, True, ticks, _share)


def _share(inverse: float) -> str:
    digits = max(0, round(math.log10(inverse)) - 2)
    return f"{100 - 100 / inverse:.{digits}f} %"


def _step(most: float) -> float:
    raw = max(most / TICKS_WANTED, sys.float_info.min)  # a smaller one has no logarithm
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in DECIMAL_STEPS if step * power >= raw * (1 - 1e-9))

"""Functions timed in turns, A B C A B C: what disturbs the machine disturbs all of them.

pytest-benchmark drives the rounds and times ngage's function; at the end of each of its rounds the
others have theirs, in a loop of the same shape as its own, so that a call costs everybody the same.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

Figure = Callable[..., None]  # of the fixture in conftest.py
Function = Callable[..., object]

ROUNDS = 200
WARM_UP_ROUNDS = 5
ROUND_SECONDS = 0.001


def ratio_of(measured: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the rounds' ratios: neighbours in time had the same machine."""
    return median(ours / theirs for ours, theirs in zip(measured, floor, strict=True))


def timed(function: Function, calls: int) -> float:
    """Seconds for each call."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = time.perf_counter()
        for _ in range(calls):
            function(*args, **kwargs)
        return (time.perf_counter() - started) / calls
    finally:
        if collecting:
            gc.enable()


def calls_in_a_round(function: Function) -> int:
    function()
    return max(1, round(ROUND_SECONDS / min(timed(function, 3) for _ in range(5))))


def nothing() -> None:
    pass


def in_us(seconds: Sequence[float], units: int) -> str:
    return f"{1e6 * median(seconds) / units:.3g}"


class Versus:
    """The fixture `versus`: time ngage's function against others, of which the first is the one
    its ratio is held to. Figures are us for each call, divided by `units`.

    between: runs untimed after each contender's round, which then is a single call.
    """

    def __init__(self, benchmark: BenchmarkFixture, figure: Figure) -> None:
        self.benchmark = benchmark
        self.figure = figure

    def __call__(
        self,
        name: str,
        ngage: Function,
        others: Mapping[str, Function],
        *,
        units: int = 1,
        between: Function | None = None,
        target: str = "",
    ) -> None:
        pause = between or nothing
        calls = {
            label: 1 if between else calls_in_a_round(function)
            for label, function in {"ngage": ngage, **others}.items()
        }
        seconds: dict[str, list[float]] = {label: [] for label in others}

        def rounds_of_the_others() -> None:
            pause()
            for label, function in others.items():
                seconds[label].append(timed(function, calls[label]))
                pause()

        self.benchmark.pedantic(
            ngage,
            rounds=ROUNDS,
            warmup_rounds=WARM_UP_ROUNDS,
            iterations=calls["ngage"],
            teardown=rounds_of_the_others,
        )
        ours = self.benchmark.stats.stats.data
        timings = {
            label: taken[WARM_UP_ROUNDS : WARM_UP_ROUNDS + ROUNDS]
            for label, taken in seconds.items()
        }
        ratio = ratio_of(ours, next(iter(timings.values())))
        self.figure(
            f"{name}: us",
            f"{in_us(ours, units)} = {ratio:.3g}x",
            floor=", ".join(f"{in_us(taken, units)} {label}" for label, taken in timings.items()),
            target=target,
            ratio=ratio,
        )

"""The largest load that a scenario's thresholds are met at, by bisection.

The load doubles until it fails, then the interval between the largest that passed and the least
that failed is halved until it is narrow. The failure at its upper end says whose bound it is: the
server's if a threshold was missed, the generator's if that was late. A violated invariant ends the
search, for it must hold at every load.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from ngage.errors import ScenarioError
from ngage.mob.measure.results import EXIT_CODES, Result, Verdict
from ngage.mob.model import Scenario
from ngage.mob.scenario.ready import scaled

FANS, RATE = "fans", "rate"


class Step(msgspec.Struct, kw_only=True):
    """One run. load: fans, or bursts per second; p99 is of the latency, in ms."""

    load: float
    verdict: Verdict
    p99: float = 0.0
    reasons: list[str] = []


class Capacity(msgspec.Struct, kw_only=True):
    """largest: the largest load that passed, 0 if none did; failed: the least above it that did
    not, 0 if none."""

    scenario: str
    vary: str
    largest: float = 0.0
    failed: float = 0.0
    verdict: Verdict = Verdict.PASS
    steps: list[Step] = msgspec.field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


Measure = Callable[[float], Awaitable[Result]]


async def find_capacity(
    capacity: Capacity,
    measure: Measure,
    *,
    first: float,
    most: float,
    precision: float,
    report: Callable[[Step], None] = lambda step: None,
    interrupted: asyncio.Event | None = None,
) -> Capacity:
    """Fill in `capacity`, from loads between `first` and `most`.

    precision: how wide the interval may stay, as a share of the load. An interrupted run is not
    counted. A load that cannot even be started, as the generator's limits forbid it, counts as one
    at which it was late; the first load raises its ScenarioError instead.
    """
    interrupted = interrupted or asyncio.Event()
    load = first
    while True:
        step = await _measured(measure, load, started=bool(capacity.steps))
        if interrupted.is_set():
            return capacity
        capacity.steps.append(step)
        report(step)
        if step.verdict == Verdict.PASS:
            capacity.largest = load
        else:
            capacity.failed = load
            # Where a load passed, a missed threshold is no failure of the search: it is its answer
            found = capacity.largest > 0 and step.verdict == Verdict.THRESHOLD
            capacity.verdict = Verdict.PASS if found else step.verdict
        if step.verdict == Verdict.INVARIANT:
            return capacity
        following = _next(capacity, most, precision)
        if following is None:
            return capacity
        load = following


def with_load(scenario: Scenario, vary: str, load: float) -> Scenario:
    """The scenario with so many fans, or so many bursts per second. Raises ScenarioError."""
    if vary == FANS:
        return scaled(scenario, round(load))
    if scenario.publish is None:
        raise ScenarioError(f"{scenario.name}: it publishes nothing, so there is no rate to vary")
    return replace(scenario, publish=replace(scenario.publish, rate=load))


def load_of(scenario: Scenario, vary: str) -> float:
    """The load that the scenario has by itself."""
    if vary == FANS:
        return scenario.fans
    return scenario.publish.rate if scenario.publish else 0.0


async def _measured(measure: Measure, load: float, *, started: bool) -> Step:
    try:
        result = await measure(load)
    except ScenarioError as error:
        if not started:
            raise
        return Step(load=load, verdict=Verdict.SATURATED, reasons=[str(error)])
    return Step(
        load=load, verdict=result.verdict, p99=result.latency_ms.p99, reasons=result.reasons
    )


def _next(capacity: Capacity, most: float, precision: float) -> float | None:
    """The next load to try; None if there is no need for any."""
    low, high = capacity.largest, capacity.failed
    whole = capacity.vary == FANS
    if low == 0 or low >= most:
        return None
    if high == 0:
        return min(2 * low, most)
    middle = (low + high) / 2
    if whole:
        middle = int(middle)
    if high - low <= precision * low or middle in (low, high):
        return None
    return middle

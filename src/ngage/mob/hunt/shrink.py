"""From a scenario that violates an invariant to a small one that still does.

Greedy: the first smaller candidate that still violates takes its place, until none does or the
runs are spent. Candidates that take away most come first.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from ngage.mob.hunt.fit import fitted
from ngage.mob.model import Scenario
from ngage.mob.scenario.ready import scaled

T = TypeVar("T")

SIZE_LEAST = 64
DURATION_LEAST = 1.0
FANS_LEAST = 1
RATE_LEAST = 1.0

Violates = Callable[[Scenario], Awaitable[bool]]


async def shrink(scenario: Scenario, violates: Violates, runs: int, tries: int = 1) -> Scenario:
    """The smallest found with at most so many calls of `violates`; each candidate gets `tries`."""
    while True:
        for candidate in candidates(scenario):
            for _ in range(tries):
                if runs == 0:
                    return scenario
                runs -= 1
                if await violates(candidate):
                    break
            else:
                continue
            scenario = candidate
            break
        else:
            return scenario


def candidates(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios that are smaller in one respect each, all of them valid."""
    for smaller in _smaller(scenario):
        fitting = fitted(smaller)
        if fitting != scenario:
            yield fitting


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    yield from (replace(scenario, faults=fewer) for fewer in _fewer(scenario.faults))
    yield from (replace(scenario, stimuli=fewer) for fewer in _fewer(scenario.stimuli))
    yield from _without_proxies(scenario)
    yield from _fewer_targets(scenario)
    yield from _fewer_personas(scenario)
    if scenario.fans > FANS_LEAST:
        yield scaled(scenario, max(FANS_LEAST, scenario.fans // 2))
    yield from _shorter(scenario)
    publish = scenario.publish
    if publish:
        if publish.burst > 1:
            yield replace(scenario, publish=replace(publish, burst=publish.burst // 2))
        if publish.rate > RATE_LEAST:
            rate = max(RATE_LEAST, float(publish.rate // 2))
            yield replace(scenario, publish=replace(publish, rate=rate))
        if publish.size > SIZE_LEAST:
            size = max(SIZE_LEAST, publish.size // 2)
            yield replace(scenario, publish=replace(publish, size=size))


def _fewer(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """None of them, each half, all but one."""
    if items:
        yield ()
    if len(items) > 3:
        yield items[len(items) // 2 :]
        yield items[: len(items) // 2]
    if len(items) > 1:
        yield from (items[:i] + items[i + 1 :] for i in range(len(items)))


def _without_proxies(scenario: Scenario) -> Iterator[Scenario]:
    """Fans come to the server itself; faults of the proxy have nothing to happen to."""
    for proxy in scenario.proxies:
        yield replace(
            scenario,
            targets=tuple(
                url.replace(f"{{{proxy.name}}}", f"{{{proxy.server}}}") for url in scenario.targets
            ),
            proxies=tuple(other for other in scenario.proxies if other is not proxy),
            faults=tuple(fault for fault in scenario.faults if fault.what != proxy.name),
        )


def _fewer_targets(scenario: Scenario) -> Iterator[Scenario]:
    """What only the target that has gone needed goes with it: see fitted()."""
    if len(scenario.targets) > 1:
        for fewer in _fewer(scenario.targets):
            if fewer:
                yield replace(scenario, targets=fewer)


def _fewer_personas(scenario: Scenario) -> Iterator[Scenario]:
    for gone, persona in enumerate(scenario.personas):
        personas = scenario.personas[:gone] + scenario.personas[gone + 1 :]
        if any(other.weight for other in personas):
            yield replace(
                scenario,
                personas=personas,
                step_names=scenario.step_names[:gone] + scenario.step_names[gone + 1 :],
                stimuli=tuple(one for one in scenario.stimuli if one.persona != persona.name),
            )


def _shorter(scenario: Scenario) -> Iterator[Scenario]:
    if len(scenario.phases) > 1:
        yield replace(scenario, phases=scenario.phases[:-1])
    last = scenario.phases[-1]
    if last.duration / 2 >= DURATION_LEAST:
        shorter = replace(last, duration=round(last.duration / 2, 3))
        yield replace(scenario, phases=(*scenario.phases[:-1], shorter))

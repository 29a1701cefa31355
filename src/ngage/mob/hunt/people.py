"""Mutations of the crowd: how many there are, who they are, when they come and what they do."""

import random
from dataclasses import replace
from pathlib import Path

from ngage.mob.hunt.fit import short
from ngage.mob.model import Delay, Persona, Phase, Scenario
from ngage.mob.scenario.nodes import parse
from ngage.mob.scenario.personas import read_people
from ngage.mob.scenario.ready import scaled
from ngage_core.behaviour import Distribution

FANS_LEAST = 4
PERSONAS = ("lurker", "flapper", "slow_reader", "zapper", "idle_zombie", "late_joiner")
PERSONAS_MOST = 4


def change_size(scenario: Scenario, draw: random.Random) -> Scenario:
    return scaled(scenario, max(FANS_LEAST, round(scenario.fans * draw.uniform(0.2, 2))))


def change_seed(scenario: Scenario, draw: random.Random) -> Scenario:
    return replace(scenario, seed=draw.getrandbits(32))


def change_arrivals(scenario: Scenario, draw: random.Random) -> Scenario:
    """All at once, evenly, or faster and faster, over the time there is."""
    seconds = scenario.duration
    share = draw.choice((0.02, 0.2, 0.6))
    coming = max(0.001, short(seconds * share))
    rate = scenario.fans / coming
    first, last = draw.choice(((rate, None), (0.0, 2 * rate), (2 * rate, 0.0)))
    return replace(
        scenario,
        phases=(
            Phase(name="arrivals", duration=coming, arrival_rate=first, ramp_to=last),
            Phase(name="stay", duration=short(seconds - coming), arrival_rate=rate / 10),
        ),
    )


def change_departures(scenario: Scenario, draw: random.Random) -> Scenario:
    number = draw.randrange(len(scenario.phases))
    rate = draw.choice((0.0, 0.1, 0.5)) * scenario.fans
    phases = list(scenario.phases)
    phases[number] = replace(phases[number], leave_rate=rate)
    return replace(scenario, phases=tuple(phases))


def add_persona(scenario: Scenario, draw: random.Random) -> Scenario:
    """One more kind of fan."""
    newcomer, steps = _ready_persona(draw.choice(PERSONAS))
    taken = {persona.name for persona in scenario.personas}
    if len(scenario.personas) >= PERSONAS_MOST or newcomer.name in taken:
        return change_weight(scenario, draw)
    return replace(
        scenario,
        personas=(*scenario.personas, replace(newcomer, weight=_share(scenario, draw))),
        step_names=(*scenario.step_names, steps),
    )


def _ready_persona(name: str) -> tuple[Persona, tuple[str, ...]]:
    """With the names of its steps."""
    people = read_people(parse(f"[{name}]", name, Path()))
    return people.personas[0], people.step_names[0]


def change_weight(scenario: Scenario, draw: random.Random) -> Scenario:
    number = draw.randrange(len(scenario.personas))
    changed = replace(scenario.personas[number], weight=_share(scenario, draw))
    return _with_persona(scenario, number, changed)


def _share(scenario: Scenario, draw: random.Random) -> float:
    heaviest = max(persona.weight for persona in scenario.personas)
    return heaviest * draw.choice((0.1, 0.3, 1.0, 3.0))


def change_think(scenario: Scenario, draw: random.Random) -> Scenario:
    """Somebody acts at another time: sooner mostly, since a run is short."""
    number = draw.randrange(len(scenario.personas))
    persona = scenario.personas[number]
    busy = [i for i, step in enumerate(persona.steps) if step.next]
    if not busy:
        return scenario
    changed = draw.choice(busy)
    steps = tuple(
        step._replace(think=any_delay(draw)) if i == changed else step
        for i, step in enumerate(persona.steps)
    )
    return _with_persona(scenario, number, replace(persona, steps=steps))


def any_delay(draw: random.Random) -> Delay:
    seconds = draw.choice((0.01, 0.1, 0.5, 1.0, 3.0))
    return draw.choice(
        (
            Delay(Distribution.CONSTANT, seconds),
            Delay(Distribution.UNIFORM, 0.0, seconds),
            Delay(Distribution.EXPONENTIAL, seconds),
            Delay(Distribution.LOGNORMAL, seconds, 1.0),
        )
    )


def _with_persona(scenario: Scenario, number: int, persona: Persona) -> Scenario:
    personas = list(scenario.personas)
    personas[number] = persona
    return replace(scenario, personas=tuple(personas))

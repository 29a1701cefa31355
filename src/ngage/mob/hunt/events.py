"""Mutations of what happens: stimuli, faults, a proxy for the faults of a network.

Faults are such that a server can stand them: who is killed is started again, and each has an end.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ngage.mob.hunt.fit import short
from ngage.mob.hunt.people import any_delay
from ngage.mob.model import Delay, Fault, Proxy, Scenario, Stimulus
from ngage.mob.scenario.file import LEAVE
from ngage_core.behaviour import Distribution

T = TypeVar("T")

EVENTS_MOST = 4
FAULT_SECONDS = (0.05, 0.2, 0.5, 1.0, 1.5)
DELAYS_MS = (1.0, 20.0, 100.0, 400.0)
BYTES_PER_SECOND = (500.0, 5_000.0, 50_000.0)


def change_stimuli(scenario: Scenario, draw: random.Random) -> Scenario:
    if scenario.stimuli and draw.random() < 0.3:
        return replace(scenario, stimuli=_without_one(scenario.stimuli, draw))
    number = draw.randrange(len(scenario.personas))
    stimulus = Stimulus(
        at=_moment(scenario, draw),
        event="mutation",
        persona=scenario.personas[number].name,
        p=draw.choice((0.1, 0.5, 1.0)),
        delay=draw.choice((Delay(Distribution.CONSTANT, 0.0), any_delay(draw))),
        do=draw.choice((*scenario.step_names[number], LEAVE)),
    )
    return replace(scenario, stimuli=(*scenario.stimuli[-EVENTS_MOST + 1 :], stimulus))


def change_faults(scenario: Scenario, draw: random.Random) -> Scenario:
    if scenario.faults and draw.random() < 0.3:
        return replace(scenario, faults=_without_one(scenario.faults, draw))
    makers = [
        *((_server_fault, server.name) for server in scenario.servers),
        *((_proxy_fault, proxy.name) for proxy in scenario.proxies),
    ]
    if not makers:
        return scenario
    make, what = draw.choice(makers)
    fault = make(what, _moment(scenario, draw), draw)
    return replace(scenario, faults=(*scenario.faults[-EVENTS_MOST + 1 :], fault))


def _server_fault(what: str, at: float, draw: random.Random) -> Fault:
    seconds = draw.choice(FAULT_SECONDS)
    match draw.choice(("kill", "stop", "restart", "upgrade")):
        case "kill":
            return Fault(at=at, do="kill", what=what, restart_after=seconds)
        case "stop":
            return Fault(at=at, do="stop", what=what, duration=seconds)
        case do:
            return Fault(at=at, do=do, what=what)


def _proxy_fault(what: str, at: float, draw: random.Random) -> Fault:
    do = draw.choice(("delay", "throttle", "stall", "blackhole", "reset"))
    amounts = {"delay": DELAYS_MS, "throttle": BYTES_PER_SECOND}
    return Fault(
        at=at,
        do=do,
        what=what,
        duration=0.0 if do == "reset" else draw.choice(FAULT_SECONDS),
        amount=draw.choice(amounts[do]) if do in amounts else 0.0,
    )


def add_proxy(scenario: Scenario, draw: random.Random) -> Scenario:
    """A proxy in front of a server that has none; a fault for it at once."""
    bare = [
        server.name
        for server in scenario.servers
        if any(f"{{{server.name}}}" in url for url in scenario.targets)
    ]
    if not bare:
        return change_faults(scenario, draw)
    server = draw.choice(bare)
    name = f"{server}-proxy"
    if any(proxy.name == name for proxy in scenario.proxies):
        return change_faults(scenario, draw)
    return replace(
        scenario,
        targets=tuple(url.replace(f"{{{server}}}", f"{{{name}}}") for url in scenario.targets),
        proxies=(*scenario.proxies, Proxy(name=name, server=server)),
        faults=(*scenario.faults, _proxy_fault(name, _moment(scenario, draw), draw)),
    )


def _moment(scenario: Scenario, draw: random.Random) -> float:
    return short(draw.uniform(0, scenario.duration * 0.9))


def _without_one(items: Sequence[T], draw: random.Random) -> tuple[T, ...]:
    gone = draw.randrange(len(items))
    return (*items[:gone], *items[gone + 1 :])

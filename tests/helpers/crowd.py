"""Fans that stop reading and read again when the test says so."""

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step
from ngage_core.swarm import Swarm
from tests.helpers.wait import wait_until

NOW = Delay(Distribution.CONSTANT, 0.0)
WATCH, STOP, READ = range(3)


def staller(*, receive_buffer: int = 0, weight: float = 1.0) -> Persona:
    steps = (Step(), Step(Action.PAUSE), Step(Action.READ))
    return Persona("staller", weight, steps, receive_buffer=receive_buffer)


def stop_reading(swarm: Swarm, persona: int = 0) -> int:
    """All of this persona; returns when they have, with how many they are."""
    fans = swarm.population()[persona]
    swarm.stimulate(persona, 1.0, NOW, STOP)
    wait_until(lambda: swarm.progress()["paused"] == fans, f"{fans} fans to stop reading")
    return fans


def read_again(swarm: Swarm, persona: int = 0) -> None:
    swarm.stimulate(persona, 1.0, NOW, READ)

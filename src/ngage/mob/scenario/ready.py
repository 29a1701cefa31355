"""The scenarios that come with mobsim, and a scenario at another size."""

from dataclasses import replace
from pathlib import Path

from ngage.errors import ScenarioError
from ngage.mob.hints import did_you_mean
from ngage.mob.model import Scenario
from ngage.mob.scenario.file import load

DIRECTORY = Path(__file__).parent / "ready_made"


def ready_names() -> list[str]:
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def ready_scenario(name: str) -> Scenario:
    """A ready scenario by name. Raises ScenarioError if there is none."""
    if name not in ready_names():
        raise ScenarioError(f"no ready scenario {name!r}{did_you_mean(name, ready_names())}")
    return load(DIRECTORY / f"{name}.toml")


def find_scenario(name: str) -> Scenario:
    """A scenario by its file, else by the name of a ready one. Raises ScenarioError."""
    path = Path(name)
    return load(path) if path.suffix or path.exists() else ready_scenario(name)


def scaled(scenario: Scenario, fans: int) -> Scenario:
    """The same scenario for so many fans: rates of arrival and leave change alike, times do not.

    Sample fans stay as many as they are.
    """
    factor = fans / scenario.fans
    phases = tuple(
        replace(
            phase,
            arrival_rate=phase.arrival_rate * factor,
            ramp_to=None if phase.ramp_to is None else phase.ramp_to * factor,
            leave_rate=phase.leave_rate * factor,
        )
        for phase in scenario.phases
    )
    return replace(scenario, fans=fans, phases=phases)

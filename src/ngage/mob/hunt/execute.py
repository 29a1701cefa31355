"""A run as a hunt sees it: kinds of violations, and what the servers' counters have reached."""

import asyncio
import traceback
from collections.abc import Mapping

from ngage.errors import NgageError, ServerError
from ngage.mob.hunt.corpus import reached
from ngage.mob.hunt.hunt import Outcome
from ngage.mob.measure.results import Result
from ngage.mob.model import Scenario
from ngage.mob.run import Run, Watchers
from ngage.mob.world.built import World, built
from ngage.mob.world.health import read_metrics

# Starting, settling, leaving and draining, each with time limits of its own
BESIDES_SECONDS = 120.0


async def execute(
    scenario: Scenario, environment: Mapping[str, str], interrupted: asyncio.Event
) -> Outcome:
    """Whatever ends a run ends only this one, and is the outcome's failure."""
    try:
        async with asyncio.timeout(scenario.duration + BESIDES_SECONDS):
            async with built(scenario, environment) as world:
                result = await Run(scenario, world, Watchers(), 0, interrupted).result()
                metrics = await _metrics(world)
    except TimeoutError:
        return Outcome(failure="it did not end in time")
    except NgageError as error:
        return Outcome(failure=str(error))
    except Exception as error:
        traceback.print_exception(error)  # a bug of mobsim's own, which needs more than a line
        return Outcome(failure=f"mobsim failed: {type(error).__name__}: {error}")
    return Outcome(_violated(result), reached(result, metrics))


async def _metrics(world: World) -> list[Mapping[str, float]]:
    found: list[Mapping[str, float]] = []
    for server in world.servers.values():
        if server.admin and server.running:
            try:
                found.append(await read_metrics(*server.admin))
            except ServerError:
                continue  # a server of another kind has no metrics
    return found


def _violated(result: Result) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for violation in result.violations:
        kinds.setdefault(violation.kind, violation.text)
    return kinds

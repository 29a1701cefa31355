"""A scenario that differs from its parent in one to four random respects, and is valid.

Loads stay so small that a run takes seconds and the generator is not late.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from ngage.mob.hunt.edges import with_channel_options, with_settings
from ngage.mob.hunt.events import add_proxy, change_faults, change_stimuli
from ngage.mob.hunt.fit import fitted
from ngage.mob.hunt.people import (
    add_persona,
    change_arrivals,
    change_departures,
    change_seed,
    change_size,
    change_think,
    change_weight,
)
from ngage.mob.model import Scenario
from ngage.mob.scenario.ready import scaled

ONE_MORE = 0.4  # the probability of each further change
CHANGES_MOST = 4
RATES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
BURSTS = (1, 2, 3, 8, 20)
# Around the sizes at which the length of a frame takes more bytes (RFC 6455 section 5.2)
SIZES = (48, 125, 126, 127, 128, 1000, 4096, 16_384, 65_535, 65_536)
# A second, of all fans
DELIVERIES_MOST = 60_000.0
DELIVERED_BYTES_MOST = 20e6
CHANNEL_OPTIONS: dict[str, tuple[object, ...]] = {
    "lag": ("ring", "reliable", "latest", "keyframe"),
    "history": (2, 16, 256, 1024),
    "ring_bytes": (1 << 18, 1 << 24),
    "tick_ms": (0, 1, 20, 200),
    "deflate": (True, False),
}
SKIPPING = ("latest", "keyframe")
SETTINGS: dict[str, tuple[object, ...]] = {
    "shards": (1, 2, 3),
    "send_buffer_bytes": (0, 4608, 65_536),
    "notsent_lowat_bytes": (0, 1024, 65_536),
    "ping_interval_seconds": (1.0, 25.0),
    "pong_timeout_seconds": (0.5, 10.0),
    "drain_seconds": (0.0, 0.2, 1.0),
}

Operator = Callable[[Scenario, random.Random], Scenario]


def mutate(parent: Scenario, draw: random.Random, fans_most: int) -> Scenario:
    """A valid scenario of at most so many fans; now and then equal to its parent."""
    child = parent
    for _ in range(CHANGES_MOST):
        child = fitted(draw.choice(OPERATORS)(child, draw))
        if draw.random() > ONE_MORE:
            break
    return bearable(child, fans_most)


def bearable(scenario: Scenario, fans_most: int) -> Scenario:
    """With so few fans and publications that neither mobsim nor the machine is the limit."""
    if scenario.fans > fans_most:
        scenario = scaled(scenario, fans_most)
    publish = scenario.publish
    if publish is None:
        return scenario
    deliveries = DELIVERIES_MOST / (scenario.fans * publish.burst)
    octets = DELIVERED_BYTES_MOST / (scenario.fans * publish.burst * publish.size)
    rate = min(publish.rate, max(1.0, float(int(min(deliveries, octets)))))
    return replace(scenario, publish=replace(publish, rate=rate))


def _publish(scenario: Scenario, draw: random.Random) -> Scenario:
    if scenario.publish is None:
        return scenario
    change = draw.choice(
        ({"rate": draw.choice(RATES)}, {"burst": draw.choice(BURSTS)}, {"size": draw.choice(SIZES)})
    )
    return replace(scenario, publish=replace(scenario.publish, **change))


def _channel_option(scenario: Scenario, draw: random.Random) -> Scenario:
    name = draw.choice(list(CHANNEL_OPTIONS))
    value = draw.choice(CHANNEL_OPTIONS[name])
    changed = with_channel_options(scenario, **{name: value})
    if name == "lag" and changed.servers:
        changed = replace(changed, skips=value in SKIPPING)
    return changed


def _setting(scenario: Scenario, draw: random.Random) -> Scenario:
    name = draw.choice(list(SETTINGS))
    return with_settings(scenario, **{name: draw.choice(SETTINGS[name])})


OPERATORS: tuple[Operator, ...] = (
    change_size,
    change_seed,
    change_arrivals,
    change_departures,
    add_persona,
    change_weight,
    change_think,
    change_stimuli,
    # Where the bugs are
    change_faults,
    change_faults,
    add_proxy,
    _publish,
    _channel_option,
    _setting,
)

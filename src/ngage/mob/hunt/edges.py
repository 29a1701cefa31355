"""The settings of a scenario's own edges, changed in the text of their configs.

Only servers that are an ngage-edge with a config: of others a hunt does not know the settings.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ngage.mob.model import Scenario, Server
from ngage.mob.scenario.kinds import bare_or_quoted

EDGE = "ngage-edge"
CHANNELS = "channels"
Table = dict[str, Any]


def is_edge(server: Server) -> bool:
    return PurePath(server.command[0]).name == EDGE and bool(server.config)


def with_settings(scenario: Scenario, **settings: object) -> Scenario:
    """All edges with these settings."""
    return _changed(scenario, lambda table: {**table, **settings})


def with_channel_options(scenario: Scenario, **options: object) -> Scenario:
    """All channels that the edges declare with these options."""

    def change(table: Table) -> Table:
        channels = {name: {**old, **options} for name, old in table.get(CHANNELS, {}).items()}
        return {**table, CHANNELS: channels}

    return _changed(scenario, change)


def _changed(scenario: Scenario, change: Callable[[Table], Table]) -> Scenario:
    servers = tuple(
        replace(server, config=_text(change(tomllib.loads(server.config))))
        if is_edge(server)
        else server
        for server in scenario.servers
    )
    return replace(scenario, servers=servers)


def _text(table: Table) -> str:
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = _pairs(plain)
    for name, options in table.get(CHANNELS, {}).items():
        lines += [f"[{CHANNELS}.{bare_or_quoted(name)}]", *_pairs(options)]
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, object]) -> list[str]:
    # Numbers, strings, flags and lists of them, which JSON spells as TOML does
    return [f"{bare_or_quoted(name)} = {json.dumps(value)}" for name, value in table.items()]

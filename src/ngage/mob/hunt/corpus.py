"""Scenarios worth mutating: those whose run made the servers or the fans do something new.

What a run reached is a set of words: each counter that is not zero with its power of two, each
close code, each kind of outcome that fans had.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from ngage.mob.measure.results import Result
from ngage.mob.model import Scenario
from ngage.mob.scenario.file import dump, load

Features = frozenset[str]
PREFIX = "ngage_"  # an edge tells of its Python process too, which is no news
NEWEST_SHARE = 0.5
NEWEST = 8


def reached(result: Result, metrics: Iterable[Mapping[str, float]]) -> Features:
    """metrics: of each server, as world/health.py reads them."""
    words = {f"close {code}" for code in result.closes}
    words |= _sizes("fans", result.connections)
    told = {"told": result.messages.told, "skipped": result.messages.skipped}
    words |= _sizes("messages", told)
    for counters in metrics:
        own = {name: value for name, value in counters.items() if name.startswith(PREFIX)}
        words |= _sizes("server", own)
    return frozenset(words)


def digest(scenario: Scenario) -> str:
    """Equal for equal scenarios, short enough for the name of a file."""
    return hashlib.sha256(dump(scenario).encode()).hexdigest()[:12]


class Corpus:
    """Kept in memory, and in `directory` if there is one. Raises OSError, ScenarioError."""

    def __init__(self, directory: Path | None = None) -> None:
        self.scenarios: list[Scenario] = []
        self.features: set[str] = set()
        self._directory = directory

    def stored(self) -> list[Scenario]:
        """What earlier hunts have kept in the directory; not in the corpus until it is offered."""
        if self._directory is None:
            return []
        self._directory.mkdir(parents=True, exist_ok=True)
        return [load(path) for path in sorted(self._directory.glob("*.toml"))]

    def offer(self, scenario: Scenario, features: Features) -> int:
        """Keep it if it reached something new; how many features were."""
        new = features - self.features
        if new:
            self.features |= new
            self.scenarios.append(scenario)
            if self._directory is not None:
                path = self._directory / f"{digest(scenario)}.toml"
                path.write_text(dump(scenario), encoding="utf-8")
        return len(new)

    def pick(self, draw: random.Random) -> Scenario:
        """A parent; often one of the newest, for where they came from there may be more."""
        if draw.random() < NEWEST_SHARE:
            return draw.choice(self.scenarios[-NEWEST:])
        return draw.choice(self.scenarios)


def _sizes(kind: str, counters: Mapping[str, float]) -> set[str]:
    return {
        f"{kind} {name} {int(value).bit_length()}" for name, value in counters.items() if value >= 1
    }

"""A place in a TOML file: its value, its path, and how to complain about it.

Every complaint reads `cup.toml:12: phases[0].arrival_rat: unknown key; did you mean arrival_rate?`.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ngage.errors import ScenarioError
from ngage.mob.hints import did_you_mean
from ngage.mob.scenario import lines

T = TypeVar("T")

AT_LINE = re.compile(r" \(at line ([0-9]+), column [0-9]+\)")


@dataclass(frozen=True, slots=True)
class Source:
    """A TOML text. Paths in it are relative to `directory`."""

    name: str
    directory: Path
    lines: lines.Lines


@dataclass(frozen=True, slots=True)
class Node:
    source: Source
    path: lines.Path
    value: object

    def error(self, reason: str) -> ScenarioError:
        line = self.source.lines.line(self.path)
        return ScenarioError(f"{self.source.name}:{line}: {_path_text(self.path)}{reason}")

    def read(self, read: Callable[[object], T]) -> T:
        """read(value), its ValueError with the place."""
        try:
            return read(self.value)
        except ValueError as error:
            raise self.error(f"{error}, not {shown(self.value)}") from None

    def table(self, known: Iterable[str] | None = None) -> dict[str, object]:
        """The value as a table, which has no other keys than those known."""
        if not isinstance(self.value, dict):
            raise self.error(f"it must be a table, not {shown(self.value)}")
        allowed = self.value.keys() if known is None else list(known)
        for key in self.value:
            if key not in allowed:
                raise self.child(key).error(f"unknown key{did_you_mean(key, allowed)}")
        return self.value

    def child(self, key: str) -> "Node":
        """What is at a key; its value is None if there is nothing, as TOML has no null."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(self.source, (*self.path, key), value)

    def children(self) -> list["Node"]:
        """The elements of an array, none if there is none."""
        if not isinstance(self.value, list | None):
            raise self.error(f"it must be an array, not {shown(self.value)}")
        return [
            Node(self.source, (*self.path, index), value)
            for index, value in enumerate(self.value or [])
        ]


def parse(text: str, name: str, directory: Path) -> Node:
    """The whole of a TOML text. Raises ScenarioError where it is none."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = AT_LINE.search(str(error))
        line = match[1] if match else len(text.splitlines())
        raise ScenarioError(f"{name}:{line}: {AT_LINE.sub('', str(error))}") from None
    return Node(Source(name, directory, lines.Lines(text)), (), value)


def shown(value: object) -> str:
    """A value in a complaint, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _path_text(path: lines.Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{text[1:]}: " if text else ""

"""What may stand at a key, in both directions: from TOML to a value, and from a value to TOML.

A Record says once which keys a table has. Defaults are those of the class that it fills, so that
they are in one place; what has none is required. Keys at their default are not written.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ngage.mob.hints import did_you_mean
from ngage.mob.scenario import units
from ngage.mob.scenario.nodes import Node, shown

T = TypeVar("T")

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Kind(NamedTuple):
    """read(node) raises ScenarioError; write(value) gives TOML on one line."""

    read: Callable[[Node], Any]
    write: Callable[[Any], str]


class Key(NamedTuple):
    """A key of a table and the field it fills; "": the field of the same name."""

    name: str
    kind: Kind
    field: str = ""
    required: bool | None = None  # None: if the field has no default


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """A table that fills the fields of `make`, or some of them."""

    make: Callable[..., T]
    keys: tuple[Key, ...]

    def read(self, node: Node, besides: Iterable[str] = (), **given: Any) -> T:
        """besides: other keys, which somebody else reads. given: fields that come from there."""
        return self.make(**self.fields(node, besides), **given)

    def fields(self, node: Node, besides: Iterable[str] = ()) -> dict[str, Any]:
        table = node.table([*(key.name for key in self.keys), *besides])
        parameters = inspect.signature(self.make).parameters
        values = {}
        for key in self.keys:
            field = key.field or key.name
            if key.name in table:
                values[field] = key.kind.read(node.child(key.name))
                continue
            has_default = parameters[field].default is not inspect.Parameter.empty
            if not has_default if key.required is None else key.required:
                raise node.child(key.name).error("missing")
        return values

    def write(self, value: T) -> list[str]:
        """A `key = value` for each key that is not at its default."""
        parameters = inspect.signature(self.make).parameters
        pairs = []
        for key in self.keys:
            field = key.field or key.name
            current = getattr(value, field)
            if current != parameters[field].default:
                pairs.append(f"{key.name} = {key.kind.write(current)}")
        return pairs


def string(text: str) -> str:
    """A basic string. JSON's escapes are TOML's, but TOML also forbids DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def long_string(text: str) -> str:
    """A literal string over several lines, where it can hold the text."""
    plain = all(letter.isprintable() or letter in "\n\t" for letter in text)
    if "\n" not in text or not plain or "'''" in text or text.endswith("'"):
        return string(text)
    return f"'''\n{text}'''"


def bare_or_quoted(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else string(key)


def inline_table(pairs: Iterable[str]) -> str:
    return f"{{ {', '.join(pairs)} }}"


def inline_array(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be a string")
    return value


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it must be true or false")
    return value


def _read_positive_seconds(value: object) -> float:
    seconds = units.read_seconds(value)
    if seconds == 0:
        raise ValueError("it must be longer than 0s")
    return seconds


def _scalar(read: Callable[[object], Any], write: Callable[[Any], str]) -> Kind:
    return Kind(lambda node: node.read(read), write)


TEXT = _scalar(read_text, string)
LONG_TEXT = _scalar(read_text, long_string)
FLAG = _scalar(_read_flag, lambda value: "true" if value else "false")
SECONDS = _scalar(units.read_seconds, lambda value: string(units.seconds_text(value)))
POSITIVE_SECONDS = _scalar(_read_positive_seconds, SECONDS.write)
MILLISECONDS = _scalar(
    units.read_milliseconds, lambda value: string(units.milliseconds_text(value))
)
SIZE = _scalar(units.read_size, str)


def whole(least: int, most: int) -> Kind:
    """An int between two bounds, both included."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return value

    return _scalar(read, str)


def number(least: float = 0.0, most: float = math.inf, *, above: bool = False) -> Kind:
    """A float between two bounds, both included; above: the least one is not."""
    bounds = f"above {least:g}" if above else f"of {least:g} or more"
    if most < math.inf:
        bounds += f", at most {most:g}"

    def read(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            inside = least < value if above else least <= value
            if inside and value <= most and math.isfinite(value):
                return float(value)
        raise ValueError(f"it must be a number {bounds}")

    return _scalar(read, repr)


def choice(words: Sequence[str]) -> Kind:
    """One of a few words."""

    def read(node: Node) -> str:
        word = node.read(read_text)
        if word not in words:
            raise node.error(f"{shown(word)} is not known{did_you_mean(word, words)}")
        return word

    return Kind(read, string)


def listing(kind: Kind) -> Kind:
    """A tuple, from an array of one or more."""

    def read(node: Node) -> tuple[Any, ...]:
        values = tuple(kind.read(child) for child in node.children())
        if not values:
            raise node.error("it must not be empty")
        return values

    return Kind(read, lambda values: inline_array(kind.write(value) for value in values))


def one_or_more(kind: Kind) -> Kind:
    """A tuple, from one value or an array of them."""
    several = listing(kind)
    return Kind(
        lambda node: several.read(node) if isinstance(node.value, list) else (kind.read(node),),
        lambda values: kind.write(values[0]) if len(values) == 1 else several.write(values),
    )

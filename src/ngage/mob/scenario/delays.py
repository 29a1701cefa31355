"""Random times, as tables: { dist = "lognormal", median = "4s", sigma = 1.0 }."""

from typing import NamedTuple

from ngage.mob.scenario import units
from ngage.mob.scenario.kinds import (
    POSITIVE_SECONDS,
    SECONDS,
    TEXT,
    Key,
    Kind,
    Record,
    choice,
    inline_array,
    inline_table,
    number,
    string,
)
from ngage.mob.scenario.nodes import Node
from ngage_core.behaviour import Delay, Distribution


class _Shape(NamedTuple):
    """A distribution's keys, in the order of a Delay's parameters."""

    distribution: Distribution
    record: Record[Delay]


def _shape(distribution: Distribution, *keys: tuple[str, Kind]) -> _Shape:
    parameters = (
        Key(name, kind, field, required=True)
        for (name, kind), field in zip(keys, "ab", strict=False)
    )
    return _Shape(distribution, Record(Delay, tuple(parameters)))


POSITIVE = number(above=True)

SHAPES = {
    "constant": _shape(Distribution.CONSTANT, ("value", SECONDS)),
    "uniform": _shape(Distribution.UNIFORM, ("low", SECONDS), ("high", SECONDS)),
    "exponential": _shape(Distribution.EXPONENTIAL, ("mean", POSITIVE_SECONDS)),
    "lognormal": _shape(Distribution.LOGNORMAL, ("median", POSITIVE_SECONDS), ("sigma", POSITIVE)),
    "pareto": _shape(Distribution.PARETO, ("least", POSITIVE_SECONDS), ("shape", POSITIVE)),
}
EMPIRICAL = "empirical"
NAMES = {shape.distribution: name for name, shape in SHAPES.items()}
DIST = choice([*SHAPES, EMPIRICAL])


def _read(node: Node) -> Delay:
    if "dist" not in node.table():
        raise node.child("dist").error("missing")
    name = DIST.read(node.child("dist"))
    if name == EMPIRICAL:
        node.table(["dist", "csv", "values"])
        return Delay(Distribution.EMPIRICAL, values=_values(node))
    shape = SHAPES[name]
    delay = shape.record.read(node, ["dist"], distribution=shape.distribution)
    if delay.distribution == Distribution.UNIFORM and delay.a > delay.b:
        raise node.child("high").error("it must not be less than low")
    return delay


def _values(node: Node) -> tuple[float, ...]:
    csv, values = node.child("csv"), node.child("values")
    if (csv.value is None) == (values.value is None):
        raise node.error("an empirical delay has either csv or values")
    times = (
        tuple(SECONDS.read(child) for child in values.children())
        if csv.value is None
        else _csv_values(csv)
    )
    if not times:
        raise node.error("an empirical delay needs at least one time")
    return times


def _csv_values(node: Node) -> tuple[float, ...]:
    """One time in seconds on each line."""
    path = node.source.directory / TEXT.read(node)
    try:
        rows = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise node.error(f"cannot read {path}: {error}") from None
    times = []
    for line, row in enumerate(rows, 1):
        try:
            times.append(units.read_seconds(float(row)))
        except ValueError:
            raise node.error(f"{path}:{line}: {row!r} is no time in seconds") from None
    return tuple(times)


def _write(delay: Delay) -> str:
    if delay.distribution == Distribution.EMPIRICAL:
        values = inline_array(map(SECONDS.write, delay.values))
        return inline_table([f"dist = {string(EMPIRICAL)}", f"values = {values}"])
    name = NAMES[delay.distribution]
    parameters = zip(SHAPES[name].record.keys, (delay.a, delay.b), strict=False)
    pairs = [f"{key.name} = {key.kind.write(value)}" for key, value in parameters]
    return inline_table([f"dist = {string(name)}", *pairs])


DELAY = Kind(_read, _write)

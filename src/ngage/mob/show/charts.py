"""Charts as inline SVG, sharp and legible at any width without a script.

The <svg> is the plotting area alone and has no viewBox: its width is the page's, its text keeps
its size, and what is placed in per cent moves along. Lines live in a nested <svg> that is
stretched, with strokes that are not. Labels hang over the edge, into margins of the style sheet
(report.html), which also gives the colours by class.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from ngage.mob.show.scales import Scale
from ngage.mob.show.wording import one_line

UNITS = 1000  # of the stretched area, in both directions
POINTS_MAX = 600  # of a line: twice what the widest chart can show
MARKS_APART = 0.045  # of the width: numbers closer than this would cover each other

Point = tuple[float, float | None]


class Line(NamedTuple):
    """points: (x, y) by x; None or no finite y is a gap. style: a class of the style sheet."""

    name: str
    style: str
    points: Sequence[Point]


class Mark(NamedTuple):
    """A vertical line with its number in the list beside the chart."""

    at: float
    number: int
    style: str
    text: str


def chart(
    name: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    *,
    x: Scale,
    y: Scale,
    marks: Sequence[Mark] = (),
) -> Markup:
    """name: unique in the page, a letter first. The others are text, escaped here."""
    drawn = any(_is_number(value) for line in lines for _, value in line.points)
    parts = [
        Markup('<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>').format(
            name, one_line(title), one_line(description)
        ),
        *_grid(x, y),
        *(_marks(marks, x) if drawn else ()),
        Markup('<svg viewBox="0 0 {0} {0}" preserveAspectRatio="none">').format(UNITS),
        *(_path(line, x, y) for line in lines),
        Markup("</svg>"),
    ]
    if not drawn:
        parts.append(Markup('<text class="none" x="50%" y="50%">nothing to show</text>'))
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
        'aria-labelledby="{0}-title {0}-desc">{1}</svg>'
    ).format(escape(name), Markup("").join(parts))


def _grid(x: Scale, y: Scale) -> Iterable[Markup]:
    for tick in y.ticks:
        place = _percent(1 - y.place(tick))
        yield Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
            '<text class="y" x="-8" y="{0}" dy="0.32em">{1}</text>'
        ).format(place, y.write(tick))
    for tick in x.ticks:
        yield Markup(
            '<line class="tick" x1="{0}" x2="{0}" y1="0" y2="100%"/>'
            '<text class="x" x="{0}" y="100%" dy="1.5em">{1}</text>'
        ).format(_percent(x.place(tick)), x.write(tick))


def _marks(marks: Sequence[Mark], x: Scale) -> Iterable[Markup]:
    labelled = -math.inf
    for mark in marks:
        place = x.place(mark.at)
        number = Markup("")
        if place - labelled >= MARKS_APART:
            labelled = place
            number = Markup('<text x="{}" y="-6">{}</text>').format(_percent(place), mark.number)
        yield Markup(
            '<g class="mark {0}"><title>{1}</title>'
            '<line x1="{2}" x2="{2}" y1="0" y2="100%"/>{3}</g>'
        ).format(mark.style, one_line(mark.text), _percent(place), number)


def _path(line: Line, x: Scale, y: Scale) -> Markup:
    """One subpath for each run without a gap; a run of one point is a dot, by its round cap."""
    commands = []
    joined = False
    for at, value in thinned(line.points):
        if value is None or not _is_number(value) or (y.logarithmic and value <= 0):
            joined = False
            continue
        place = f"{x.place(at) * UNITS:.1f} {(1 - y.place(value)) * UNITS:.1f}"
        commands.append(f"L{place}" if joined else f"M{place}h0")
        joined = True
    return Markup('<path class="{}" d="{}"><title>{}</title></path>').format(
        line.style, "".join(commands), one_line(line.name)
    )


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most about POINTS_MAX of them; the least and the most of those left out stay."""
    if len(points) <= POINTS_MAX:
        return points
    kept: list[Point] = []
    together = math.ceil(2 * len(points) / POINTS_MAX)
    for first in range(0, len(points), together):
        group = points[first : first + together]
        gap = next((point for point in group if not _is_number(point[1])), None)
        known = [(at, value) for at, value in group if value is not None and _is_number(value)]
        extremes = {min(known, key=_second), max(known, key=_second)} if known else set()
        kept += sorted([*extremes, *([gap] if gap else [])], key=_first)
    return kept


def _first(point: Point) -> float:
    return point[0]


def _second(point: tuple[float, float]) -> float:
    return point[1]


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _percent(place: float) -> str:
    return f"{place * 100:.2f}%"

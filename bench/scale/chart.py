"""Percentile curves as one self-contained SVG, readable on any background."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 44, 36
COLOURS = ("#1f5fa8", "#e08a1e", "#3a8f4d", "#9a3f8f")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c1c1c}.head{font-weight:600}"
    ".grid{stroke:#ddd}path{fill:none;stroke-width:2.5;stroke-linejoin:round}"
)
TICKS_WANTED = 5
# Each nine takes the same width (as HdrHistogram draws them); the maximum is one further.
PLACES = {0.0: 0.0, 50.0: math.log10(2), 90.0: 1.0, 99.0: 2.0, 99.9: 3.0, 100.0: 4.0}
MOST = max(PLACES.values())


class Curve(NamedTuple):
    """points: per cent (those of PLACES) and seconds. A floor is dashed."""

    name: str
    floor: bool
    points: Sequence[tuple[float, float]]


def chart(title: str, curves: Sequence[Curve]) -> str:
    """Neighbours that differ in `floor` only, as they come in pairs, share a colour."""
    most = max((seconds for curve in curves for _, seconds in curve.points), default=1.0)
    step = _step(most)
    top = math.ceil(most / step) * step

    def place(percent: float, seconds: float) -> tuple[float, float]:
        x = LEFT + PLACES[percent] / MOST * (WIDTH - LEFT - RIGHT)
        return x, TOP + (1 - seconds / top) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(0, 18, title, "head")]
    for number in range(round(top / step) + 1):
        _, y = place(0.0, number * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{number * step:g}", anchor="end"))
    for percent in PLACES:
        x, _ = place(percent, 0.0)
        parts.append(_text(x, HEIGHT - 12, f"{percent:g} %", anchor="middle"))
    for number, curve in enumerate(curves):
        colour = COLOURS[number // 2 % len(COLOURS)]
        spots = [place(percent, seconds) for percent, seconds in curve.points]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        dash = ' stroke-dasharray="5 4"' if curve.floor else ""
        parts.append(f'<path d="M{way}" stroke="{colour}"{dash}/>')
        y = TOP + 20 * number
        x = WIDTH - RIGHT + 16
        parts.append(f'<path d="M{x} {y}h24" stroke="{colour}"{dash}/>')
        parts.append(_text(x + 30, y + 4, curve.name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 -8 {WIDTH + 32} {HEIGHT + 16}" '
        f'role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
        f'<rect x="-16" y="-8" width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _step(most: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(most / TICKS_WANTED))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most / TICKS_WANTED)


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )

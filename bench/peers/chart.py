"""Horizontal bars as one self-contained SVG, readable on any background."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 760
LABELS = 190  # what the names take on the left
VALUES = 80  # and the numbers on the right
BAR, GAP = 13, 9
HEADING = 34
COLOURS = ("#1f5fa8", "#e08a1e")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c1c1c}"
    ".head{font-weight:600}.value{font-size:12px;fill:#444}"
)


class Bars(NamedTuple):
    """A panel. rows: a name, and a value for each series (None: not measured)."""

    heading: str
    rows: Sequence[tuple[str, Sequence[float | None]]]


def chart(title: str, series: Sequence[str], panels: Sequence[Bars]) -> str:
    """The SVG: panels one below the other, with one scale from 0 each."""
    parts = [_text(0, 18, title, "head")]
    left = LABELS
    for name, colour in zip(series, COLOURS, strict=True):
        parts.append(f'<rect x="{left}" y="28" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(left + 18, 39, name, ""))
        left += 210
    top = 48
    for panel in panels:
        drawn, top = _panel(panel, top)
        parts += drawn
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 -8 {WIDTH + 32} {top + 16}" '
        f'role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
        f'<rect x="-16" y="-8" width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(panel: Bars, top: int) -> tuple[list[str], int]:
    """Its elements, and where the next one begins."""
    parts = [_text(0, top + 22, panel.heading, "head")]
    top += HEADING
    known = [value for _, values in panel.rows for value in values if value is not None]
    scale = (WIDTH - LABELS - VALUES) / max(known, default=1)
    for name, values in panel.rows:
        height = BAR * len(values)
        parts.append(_text(LABELS - 8, top + height / 2 + 4, name, "", anchor="end"))
        for value, colour in zip(values, COLOURS, strict=False):
            if value is not None:
                length = max(1.0, value * scale)
                parts.append(
                    f'<rect x="{LABELS}" y="{top}" width="{length:.1f}" height="{BAR - 1}" '
                    f'fill="{colour}"/>'
                )
                parts.append(_text(LABELS + length + 6, top + BAR - 2, _number(value), "value"))
            top += BAR
        top += GAP
    return parts, top


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )

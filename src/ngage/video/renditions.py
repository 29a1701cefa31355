"""The ladder of renditions: in which sizes, beside its own, a picture is shown.

Rung 0 is the source as it is. The others are lower, each as wide as the source's shape makes it.
"""

from collections.abc import Sequence
from typing import NamedTuple

AUTO = "auto"
NONE = "none"
AUTO_HEIGHTS = (720, 480, 360)

HEIGHT_MIN, HEIGHT_MAX = 90, 2160
KBPS_MIN, KBPS_MAX = 50, 20_000
# All renditions have the same sound, also the one that has nothing else.
AUDIO_KBPS = 64
AUDIO_KBPS_MIN, AUDIO_KBPS_MAX = 32, 320
RUNGS_MAX = 6

# 800 kbit/s at 640x360; more pixels need less each.
_KBPS, _PIXELS, _EXPONENT = 800, 640 * 360, 0.75


class Wish(NamedTuple):
    """A rendition as it is asked for; kbps None: what fits its size."""

    height: int
    kbps: int | None = None


class Rung(NamedTuple):
    """A rendition as it is made: even sides in pixels, and the most kbit/s."""

    width: int
    height: int
    kbps: int

    @property
    def name(self) -> str:
        return f"{self.height}p"

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {self.kbps} kbit/s"


def parse(text: str) -> tuple[Wish, ...]:
    """`auto`, `none`, or HEIGHT[:KBPS],... Raises ValueError, which says what it must be."""
    if text == AUTO:
        return tuple(map(Wish, AUTO_HEIGHTS))
    if text == NONE:
        return ()
    wishes = [_wish(item.strip()) for item in text.split(",")]
    if len(wishes) > RUNGS_MAX:
        raise ValueError(f"there can be {RUNGS_MAX} at most")
    if len({wish.height for wish in wishes}) < len(wishes):
        raise ValueError("a height stands there twice")
    return tuple(sorted(wishes, reverse=True))


def kbps(width: int, height: int) -> int:
    """What suits a picture of this size."""
    return int(_KBPS * (width * height / _PIXELS) ** _EXPONENT)


def rungs(wishes: Sequence[Wish], width: int, height: int) -> dict[int, Rung]:
    """From rendition 1 on, highest first: those that are lower than the source's size."""
    lower = [wish for wish in wishes if wish.height < height]
    return {number: _rung(wish, width, height) for number, wish in enumerate(lower, 1)}


def _rung(wish: Wish, width: int, height: int) -> Rung:
    across = max(2, round(width * wish.height / height / 2) * 2)
    return Rung(across, wish.height, wish.kbps or kbps(across, wish.height))


def _wish(item: str) -> Wish:
    height, colon, rate = item.partition(":")
    if not (height.isascii() and height.isdigit()):
        raise ValueError(f"{item!r}: it must be auto, none, or HEIGHT or HEIGHT:KBPS with commas")
    wish = Wish(int(height))
    if not HEIGHT_MIN <= wish.height <= HEIGHT_MAX or wish.height % 2:
        raise ValueError(f"{item!r}: a height is even, {HEIGHT_MIN} to {HEIGHT_MAX}")
    if not colon:
        return wish
    if not (rate.isascii() and rate.isdigit() and KBPS_MIN <= int(rate) <= KBPS_MAX):
        raise ValueError(f"{item!r}: a rate is {KBPS_MIN} to {KBPS_MAX} kbit/s")
    return wish._replace(kbps=int(rate))

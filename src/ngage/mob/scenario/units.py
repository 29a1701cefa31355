"""Times and sizes as people write them: "90s", "1h30m", "250ms", "64KiB".

Read as decimal fractions and rounded once, so that text made from a value reads back as that value.
"""

import re
from decimal import Decimal

SECONDS = {
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"),
}
BYTES = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|m|s)")
TIME = re.compile(rf"(?:{PART.pattern})+")
SIZE = re.compile(r"([0-9]+)([A-Za-z]*)")


def read_seconds(value: object) -> float:
    """Seconds of a text like "1h30m", or of a number of seconds; ValueError."""
    return float(_seconds(value))


def read_milliseconds(value: object) -> float:
    """As read_seconds(), in milliseconds."""
    return float(_seconds(value) * 1000)


def read_size(value: object) -> int:
    """Bytes of a text like "64KiB", or of a whole number of bytes; ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    if not match or match[2] not in BYTES:
        raise ValueError('it must be a size such as 2000 or "64KiB"')
    return int(match[1]) * BYTES[match[2]]


def seconds_text(seconds: float) -> str:
    return f"{_plain(seconds)}s"


def milliseconds_text(milliseconds: float) -> str:
    return f"{_plain(milliseconds)}ms"


def _seconds(value: object) -> Decimal:
    if isinstance(value, str) and TIME.fullmatch(value):
        return sum((Decimal(n) * SECONDS[unit] for n, unit in PART.findall(value)), Decimal())
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return Decimal(repr(value))
    raise ValueError('it must be a time such as "90s", "1h30m" or "250ms"')


def _plain(number: float) -> str:
    """The shortest decimal number that reads back the same, without an exponent."""
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")

"""How figures, verdicts and kinds of violation are written: the same in terminal, report, JUnit."""

import math
import re

from ngage.mob.measure.results import Verdict

HEADLINES = {
    Verdict.PASS: "Passed",
    Verdict.THRESHOLD: "Failed: threshold missed",
    Verdict.INVARIANT: "Failed: invariant violated",
    Verdict.SATURATED: "Invalid: generator too slow",
}
EXPLANATIONS = {
    Verdict.PASS: "Every fan saw what it had to see, and every threshold was met.",
    Verdict.THRESHOLD: "Every fan saw what it had to see, but not as well as was asked.",
    Verdict.INVARIANT: "Something happened that must never happen. Each violation names its fan.",
    Verdict.SATURATED: "The generator itself was late, so the figures say nothing of the server.",
}
INVARIANTS = {
    "gap": "No publication is missing without a word",
    "duplicate": "No publication comes twice",
    "reordered": "Publications come in order",
    "corrupt": "Every byte is as it was published",
    "recovery": "A recovered connection misses nothing",
    "tail": "The last publication reaches every fan",
    "gap_note": "An announced gap is the one there is",
    "malformed": "Every frame obeys RFC 6455",
    "close_code": "Close codes are ones that may be sent",
    "ack": "Only what was sent is acknowledged",
    "forbidden": "What must be refused is refused",
    "vote_lost": "Every acknowledged vote is in the tally",
    "vote_doubled": "No vote counts twice, and no forbidden one",
    "tally": "Tallies grow, and hold what was voted",
    "memory": "The server's memory is back where it was",
    "descriptors": "The server's descriptors are back where they were",
    "crash": "No server ends by itself",
    "exception": "No Python fan ends with an exception",
}
# What XML 1.0 cannot hold and what a terminal would obey: control characters and half characters.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text with control characters shown as U+FFFD: it may come from a server under test."""
    return UNPRINTABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def grouped(value: float) -> str:
    """18,204"""
    return f"{value:,.0f}" if math.isfinite(value) else "\u2013"


def compact(value: float) -> str:
    """18.2 k: at most four characters and a letter."""
    return _scaled(value, 1000.0, ("", " k", " M", " G", " T", " P"))


def size(octets: float) -> str:
    """1.60 GB, decimal."""
    return _scaled(octets, 1000.0, (" B", " kB", " MB", " GB", " TB", " PB"))


def milliseconds(value: float) -> str:
    """420 µs, 8.41 ms, 1.42 s, 3.1 min; the argument is in ms."""
    if not math.isfinite(value):
        return "\u2013"
    if value == 0:
        return "0 ms"
    if abs(value) < 1:
        return f"{_three(value * 1000)} µs"
    if abs(value) < 999.5:
        return f"{_three(value)} ms"
    if abs(value) < 120_000:
        return f"{_three(value / 1000)} s"
    return f"{_three(value / 60_000)} min"


def clock(seconds: float) -> str:
    """0:42, or 1:02:03 from an hour on."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _scaled(value: float, base: float, units: tuple[str, ...]) -> str:
    if not math.isfinite(value):
        return "\u2013"
    power = 0
    # 999.95 would be written as 1000: the next unit takes it.
    while abs(value) >= base - base / 2000 and power < len(units) - 1:
        value /= base
        power += 1
    return f"{_three(value)}{units[power]}"


def _three(value: float) -> str:
    """Three figures, without zeros that say nothing."""
    if abs(value) >= 99.95:
        return f"{value:.0f}"
    text = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}"
    return text.rstrip("0").rstrip(".")

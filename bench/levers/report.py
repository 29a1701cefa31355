"""What is said of the levers: medians of A and B, and the median of B/A of neighbouring rounds."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from bench.levers.figures import Entry, Found, Report, Turn

HEAD = (
    "lever: A / B",
    *("bytes", "us A", "us B", "B/A", "last s A", "last s B", "B/A"),
    *("p50 B/A", "p99 B/A", "mob us B/A", "both us B/A", "drops A", "drops B", "load"),
)
CONNECTS = ("lever: A / B", "connects/s A", "connects/s B", "B/A", "us A", "us B", "B/A")


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """The median of the ratios of neighbours: a load that comes and goes weighs on both."""
    return median(two / one if one else 1.0 for one, two in zip(a, b, strict=False))


def text(report: Report) -> str:
    """Markdown: the broadcasts, the connecting, and what could not be tried."""
    parts = [
        f"{report.network}, {report.fans:,} fans. {report.when}. {report.machine} at the start. "
        "us: CPU of the sender for each delivery. last: from the intended send until the last fan "
        "has it. both: sender and mob, who share the cores: a wake-up is paid by either.\n",
        _table(HEAD, (row for found in report.levers for row in _broadcasts(found))),
    ]
    if connects := [_connects(found) for found in report.levers if found.entries]:
        parts += ["", _table(CONNECTS, connects)]
    parts += [
        f"\n{found.lever}: {said}" for found in report.levers for said in _remarks(found, report)
    ]
    return "\n".join(parts)


def _broadcasts(found: Found) -> Iterator[tuple[str, ...]]:
    for size in found.sizes:
        a, b = found.of("A", size), found.of("B", size)
        if a and b:
            yield (_title(found), f"{size:,}", *_row(a, b), f"{found.load:.1f}")


def _row(a: Sequence[Turn], b: Sequence[Turn]) -> tuple[str, ...]:
    def both(figure: Callable[[Turn], float]) -> tuple[list[float], list[float]]:
        return [figure(turn) for turn in a], [figure(turn) for turn in b]

    def compared(figure: Callable[[Turn], float], form: str) -> tuple[str, str, str]:
        one, two = both(figure)
        return format(median(one), form), format(median(two), form), f"{ratio(one, two):.3f}x"

    return (
        *compared(lambda turn: turn.round.server_cpu_us, ".2f"),
        *compared(lambda turn: turn.round.last_ms / 1e3, ".3f"),
        f"{ratio(*both(lambda turn: turn.round.percentiles_ms['p50'])):.2f}x",
        f"{ratio(*both(lambda turn: turn.round.percentiles_ms['p99'])):.2f}x",
        f"{ratio(*both(lambda turn: turn.round.mob_cpu_us)):.2f}x",
        f"{ratio(*both(lambda turn: turn.round.server_cpu_us + turn.round.mob_cpu_us)):.2f}x",
        f"{sum(turn.drops for turn in a):,}",
        f"{sum(turn.drops for turn in b):,}",
    )


def _connects(found: Found) -> tuple[str, ...]:
    def compared(figure: Callable[[Entry], float], form: str) -> tuple[str, str, str]:
        one = [figure(entry) for entry in found.entries if entry.side == "A"]
        two = [figure(entry) for entry in found.entries if entry.side == "B"]
        if not (one and two):
            return "", "", ""
        return format(median(one), form), format(median(two), form), f"{ratio(one, two):.3f}x"

    return (
        _title(found),
        *compared(lambda entry: entry.per_second, ",.0f"),
        *compared(lambda entry: entry.cpu_us, ".1f"),
    )


def _remarks(found: Found, report: Report) -> Iterator[str]:
    if found.absent:
        yield f"not tried: {found.absent}"
    if found.fans != report.fans:
        yield f"with {found.fans:,} fans"
    if found.copied:
        yield f"the kernel copied after all for {found.copied:,} sends"
    yield from (f"WRONG: {fault}" for fault in found.wrong)


def _title(found: Found) -> str:
    return f"{found.lever}: {found.a} / {found.b}"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)

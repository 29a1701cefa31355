"""What runs say: a table for each size, with the goals, and their part of RESULTS.md."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from bench import page
from bench.scale.chart import Curve, chart
from bench.scale.crowd import SHARES
from bench.scale.figures import Round, Run, Stage
from bench.scale.options import SIZES

BENCH = Path(__file__).parents[1]
PART = "million"
METHOD = (Path(__file__).parent / "method.md").read_text()
TITLE = f"{SIZES[0]} bytes: seconds from the intended send"
NOT_YET = "**Not measured yet**: `make million WRITE=1` puts the figures here.\n"
CHART = f"![{TITLE}, by percentile](scale.svg)\n"
GOAL_LAST, GOAL_RECONNECT = 1.15, 2.0  # times the floor's
GOAL_SERVER_BYTES, GOAL_MOB_BYTES, GOAL_IDLE_CORES = 200, 300, 0.05

Row = tuple[str, str, str, str]  # figure, ngage, floor, goal


def rows(run: Run) -> Iterator[Row]:
    (edge,), floors = run.of("ngage"), run.of("floor")
    yield from _connecting(edge, floors, run.fans)
    for size in SIZES:
        if _all([edge], size, _last):  # else the round before it was wrong
            yield from _broadcast(edge, floors, size)
    if edge.idle:
        yield _row("idle: cores of the server", edge.idle.server_cores, ".3f", goal=GOAL_IDLE_CORES)
        yield _row("idle: cores of the mob", edge.idle.mob_cores, ".3f")
        yield _row("idle: pings per second", edge.idle.pings / edge.idle.seconds, ",.0f")
    if edge.restart:
        yield from _restart(edge, floors)
    wrong = sum(len(stage.incomplete) for stage in run.stages)
    yield ("lost, doubled, out of order, altered", f"{wrong} rounds" if wrong else "0", "0", "0")


def _connecting(edge: Stage, floors: Sequence[Stage], fans: int) -> Iterator[Row]:
    seconds = [stage.connecting.seconds for stage in floors]
    yield _row("connecting: s until all are in", edge.connecting.seconds, ".1f", seconds)
    yield _row(
        "connects per second", fans / edge.connecting.seconds, ",.0f", [fans / s for s in seconds]
    )
    server = max(edge.connecting.server_bytes, edge.bytes_after)
    yield _row("user bytes of a connection, server", server, ".0f", goal=GOAL_SERVER_BYTES)
    yield _row(
        "user bytes of a connection, mob", edge.connecting.mob_bytes, ".0f", goal=GOAL_MOB_BYTES
    )
    kernel = [stage.connecting.kernel_bytes for stage in floors]
    yield _row("kernel bytes, both ends", edge.connecting.kernel_bytes, ",.0f", kernel)


def _broadcast(edge: Stage, floors: Sequence[Stage], size: int) -> Iterator[Row]:
    def row(text: str, figure: Callable[[Round], float], form: str, times: float = 0.0) -> Row:
        mine, theirs = _medians(edge, size, figure), _all(floors, size, figure)
        return _row(f"{size:,} bytes: {text}", mine, form, theirs, times=times)

    yield row("s to the last receiver", _last, ".2f", GOAL_LAST)
    for name in ("p50", "p99", "p99.9"):
        yield row(f"s to {name}", _seconds_to(name), ".2f")
    yield row("us of CPU per delivery, server", lambda r: r.server_cpu_us, ".2f")
    yield row("us of CPU per delivery, mob", lambda r: r.mob_cpu_us, ".2f")


def _last(found: Round) -> float:
    return found.last_ms / 1e3


def _seconds_to(name: str) -> Callable[[Round], float]:
    return lambda found: found.percentiles_ms[name] / 1e3


def _restart(edge: Stage, floors: Sequence[Stage]) -> Iterator[Row]:
    assert edge.restart
    found = edge.restart
    seconds = [stage.connecting.seconds for stage in floors]
    text = "restart: s until all are back; the floor's connecting"
    yield _row(text, found.seconds, ".1f", seconds, times=GOAL_RECONNECT)
    yield _row("restart: s until the successor serves", found.ready_seconds, ".1f")
    yield _row("restart: most connects in a second", max(found.curve), ",.0f")
    yield _row("restart: recovered", found.recovered, ",.0f")
    yield _row("restart: not recovered, and told so", found.unrecovered, ",.0f", goal=0)
    yield _row("restart: have what was published meanwhile", found.received, ",.0f")
    yield _row("restart: us of CPU per fan, server", found.server_cpu_us, ".1f")
    yield _row("restart: us of CPU per fan, mob", found.mob_cpu_us, ".1f")


def _row(
    text: str,
    value: float,
    form: str,
    floor: Sequence[float] = (),
    *,
    goal: float | None = None,
    times: float = 0.0,
) -> Row:
    """goal: at most so much; times: at most so many times the floor's median."""
    mine, theirs, wanted = format(value, form), "", ""
    met = goal is None or value <= goal
    if goal is not None:
        wanted = f"<= {goal:g}"
    if floor:
        ratio = value / median(floor)
        mine += f" = {ratio:.2f}x"
        theirs = " / ".join(format(one, form) for one in _ends(floor))
        if times:
            wanted, met = f"<= {times:g}x", ratio <= times
    return text, mine, theirs, wanted + (", missed" if not met else "")


def _ends(values: Sequence[float]) -> Sequence[float]:
    """All of a few; of more their least and most."""
    return values if len(values) <= 2 else (min(values), max(values))


def _all(stages: Sequence[Stage], size: int, figure: Callable[[Round], float]) -> list[float]:
    return [figure(one) for stage in stages for one in stage.rounds if one.size == size]


def _medians(stage: Stage, size: int, figure: Callable[[Round], float]) -> float:
    return median(_all([stage], size, figure))


def table(run: Run) -> str:
    """Markdown: figures of ngage beside the floor's."""
    head = ("", "ngage", "floor: before / after, or least / most", "goal")
    lines = [head, ("---", "---:", "---:", "---"), *rows(run)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def section(run: Run) -> str:
    (edge,) = run.of("ngage")
    settings = ", ".join(
        f"`{name.replace('/', '.')} = {' '.join(value.split())}`"
        for name, value in sorted(run.settings.items())
    )
    least = min(one.least_available_bytes for stage in run.stages for one in stage.rounds)
    parts = [
        f"#### {run.fans:,} subscribers\n",
        f"{run.when}. {run.machine} at the start. {len(edge.rounds) // len(SIZES)} rounds of each "
        f"size in each of three stages; {edge.connecting.threads} threads of the mob. Least memory "
        f"available in a broadcast: {least / 1e9:.1f} GB.\n",
        table(run),
        f"\nSettings: {settings}.",
    ]
    if edge.restart:
        curve = ", ".join(f"{count:,}" for count in edge.restart.curve)
        parts.append(f"\nConnects in each second from the restart on: {curve}.")
    return "\n".join(parts)


def part(runs: Sequence[Run]) -> str:
    """What is in RESULTS.md."""
    figures = [CHART, *(section(run) + "\n" for run in runs)] if runs else [NOT_YET]
    return "\n".join([METHOD, "### Figures\n", *figures])


def write(runs: Sequence[Run]) -> None:
    """The part of bench/RESULTS.md and its chart, bench/scale.svg."""
    (BENCH / "scale.svg").write_text(chart(TITLE, list(curves(runs))))
    page.write(PART, part(runs))


def curves(runs: Sequence[Run]) -> Iterator[Curve]:
    """Of publications of the smaller size: medians at each percentile."""
    for run in runs:
        for server, stages in (("ngage", run.of("ngage")), ("floor", run.of("floor"))):
            points = [
                (share, median(_all(stages, SIZES[0], _seconds_to(name))))
                for name, share in SHARES.items()
            ]
            yield Curve(f"{server}, {run.fans:,}", server == "floor", points)

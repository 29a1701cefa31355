"""A run in a terminal while it goes on: a screen that is drawn once a second, or plain lines.

Nothing draws by itself: each update() writes one frame over the last, all at once, so nothing
flickers and no thread is left behind. Text of the run is never taken as markup.
"""

from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ngage.mob.measure.results import Moment, Result, Sampling
from ngage.mob.measure.totals import Totals
from ngage.mob.show.summary import summary
from ngage.mob.show.wording import clock, compact, grouped, milliseconds, one_line, size

SAMPLES = 60
MOMENTS = 4
WIDTH_MAX = 100
BLOCKS = "▁▂▃▄▅▆▇█"
KIND_STYLES = {"fault": "red", "stimulus": "green"}


class Display(Protocol):
    """A context manager: however the run ends, the terminal is given back as it was."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def begin(self, name: str, target: str, wanted: int, seconds: float) -> None: ...

    def update(self, sampling: Sampling, totals: Totals) -> None: ...

    def moment(self, moment: Moment) -> None: ...

    def end(self, result: Result) -> None: ...


def open_display(console: Console, *, plain: bool = False) -> Display:
    """The screen if the console is a terminal that can move its cursor, else plain lines."""
    if plain or not console.is_terminal or console.is_dumb_terminal:
        return PlainDisplay(console)
    return LiveDisplay(console)


class PlainDisplay:
    """One line for each second and each moment, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wanted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, name: str, target: str, wanted: int, seconds: float) -> None:
        self._wanted = wanted
        self._say(
            f"mobsim: {one_line(name)}, {wanted:,} fans, {clock(seconds)}, {one_line(target)}"
        )

    def update(self, sampling: Sampling, totals: Totals) -> None:
        self._say(
            f"{clock(sampling.at):>5}  open {sampling.open:,}/{self._wanted:,}  "
            f"arrived {sampling.arrived:,}  received {compact(sampling.received_per_second)}/s  "
            f"p50 {milliseconds(sampling.p50)}  p99 {milliseconds(sampling.p99)}  "
            f"max {milliseconds(sampling.max)}  lag {milliseconds(sampling.lag_p99)}  "
            f"{_votes(sampling)}"
            f"closed {sampling.closed:,}  gaps {sampling.gaps:,}  "
            f"violations {sampling.violations:,}"
        )

    def moment(self, moment: Moment) -> None:
        self._say(f"{clock(moment.at):>5}  {one_line(moment.kind)}: {one_line(moment.text)}")

    def end(self, result: Result) -> None:
        self._console.print(summary(result))

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class LiveDisplay:
    """A frame of at most 100 columns that keeps its height."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._name = self._target = self._phase = ""
        self._wanted = 0
        self._seconds = 0.0
        self._samplings: deque[Sampling] = deque(maxlen=SAMPLES)
        self._moments: deque[Moment] = deque(maxlen=MOMENTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, name: str, target: str, wanted: int, seconds: float) -> None:
        self._name, self._target = one_line(name), one_line(target)
        self._wanted, self._seconds = wanted, seconds
        self._live.start()

    def update(self, sampling: Sampling, totals: Totals) -> None:
        self._samplings.append(sampling)
        self._live.update(self._frame(sampling, totals), refresh=True)

    def moment(self, moment: Moment) -> None:
        """Shown with the next update()."""
        self._moments.append(moment)
        if moment.kind == "phase":
            self._phase = one_line(moment.text)

    def end(self, result: Result) -> None:
        # The summary takes the frame's place; of a run that was interrupted the frame stays.
        self._live.transient = True
        self._live.stop()
        self._console.print(summary(result))

    def _frame(self, now: Sampling, totals: Totals) -> RenderableType:
        width = min(self._console.width, WIDTH_MAX)
        head = Text.assemble(("mobsim ", "bold"), (self._name, "bold cyan"), f"  {self._target}")
        lines: list[RenderableType] = [
            _cut(head, width),
            self._progress(now, width),
            Text(),
            _latencies(now, totals),
            Text(),
            _health(now),
            _cut(_closes(totals), width),
            Text(),
            *self._sparklines(now, width),
            Text(),
            *(_cut(_moment(moment), width) for moment in self._moments),
            *[Text()] * (MOMENTS - len(self._moments)),
        ]
        return Group(*lines)

    def _progress(self, now: Sampling, width: int) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0))
        bar = max(8, width - 58)
        grid.add_row(
            "time",
            ProgressBar(total=self._seconds or 1, completed=min(now.at, self._seconds), width=bar),
            Text(f"{clock(now.at)} of {clock(self._seconds)}  {self._phase}"),
        )
        grid.add_row(
            "fans",
            ProgressBar(total=self._wanted or 1, completed=now.open, width=bar),
            Text(f"{now.open:,} open, {now.arrived:,} of {self._wanted:,} arrived"),
        )
        for column in grid.columns:
            column.no_wrap = True
        return grid

    def _sparklines(self, now: Sampling, width: int) -> list[Text]:
        room = max(1, min(SAMPLES, width - 20))
        seen = list(self._samplings)[-room:]
        rows: list[tuple[str, str, list[float], str]] = [
            ("fans", "cyan", [second.open for second in seen], grouped(now.open)),
            (
                "msg/s",
                "green",
                [second.received_per_second for second in seen],
                compact(now.received_per_second),
            ),
            ("p99", "yellow", [second.p99 for second in seen], milliseconds(now.p99)),
        ]
        return [
            Text.assemble(f"{name:<6}", (sparkline(values).rjust(room), style), f"  {value}")
            for name, style, values, value in rows
        ]


def sparkline(values: Sequence[float]) -> str:
    """One block for each value, from zero to the largest of them."""
    most = max(values, default=0)
    if most <= 0:
        return BLOCKS[0] * len(values)
    return "".join(BLOCKS[round(max(0, value) / most * (len(BLOCKS) - 1))] for value in values)


def _latencies(now: Sampling, totals: Totals) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    for _ in range(3):
        grid.add_column(justify="right", no_wrap=True, min_width=8)
    grid.add_column(no_wrap=True)
    counters, overall = totals.counters, totals.latency
    grid.add_row("latency", *(Text(name, "dim") for name in ("p50", "p99", "max")), "")
    grid.add_row(
        "this second",
        *map(milliseconds, (now.p50, now.p99, now.max)),
        f"connects {compact(now.connects_per_second)}/s, "
        f"messages {compact(now.received_per_second)}/s",
    )
    grid.add_row(
        "all so far",
        *map(milliseconds, (overall.p50, overall.p99, overall.max)),
        f"{compact(counters['received'])} received, {size(counters['bytes'])}",
    )
    if votes := counters.get("votes_sent"):
        grid.add_row(
            "votes",
            *map(milliseconds, (totals.voting.p50, totals.voting.p99, totals.voting.max)),
            f"{compact(now.votes_per_second)}/s, {compact(votes)} sent, "
            f"{compact(counters['votes_acknowledged'])} acknowledged",
        )
    return grid


def _votes(now: Sampling) -> str:
    """Nothing in a run, or a second, without votes."""
    if not now.votes_per_second:
        return ""
    return f"votes {compact(now.votes_per_second)}/s  p99 {milliseconds(now.vote_p99)}  "


def _health(now: Sampling) -> Text:
    return Text.assemble(
        "gaps ",
        (f"{now.gaps:,}", "bold red" if now.gaps else "green"),
        "   violations ",
        (f"{now.violations:,}", "bold red" if now.violations else "green"),
        f"   generator late by {milliseconds(now.lag_p99)}",
    )


def _closes(totals: Totals) -> Text:
    codes = "   ".join(f"{one_line(code)} x {n:,}" for code, n in sorted(totals.closes.items()))
    return Text(f"closed  {codes or 'none'}")


def _moment(moment: Moment) -> Text:
    style = KIND_STYLES.get(moment.kind, "dim")
    kind, text = one_line(moment.kind), one_line(moment.text)
    return Text.assemble(f"{clock(moment.at):>7}  ", (f"{kind:<9}", style), f" {text}")


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text

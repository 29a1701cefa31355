"""A result as one HTML file that can be sent to somebody: no script, nothing loaded from elsewhere.

What is said is decided here, how it looks in report.html. Every text is escaped: names of channels
and what a server answered may be anything.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ngage.mob.measure.hdr import percentile_curve
from ngage.mob.measure.results import Result, Sampling
from ngage.mob.show import wording
from ngage.mob.show.charts import Line, Mark, chart
from ngage.mob.show.scales import from_zero, nines, spread, timeline

VIOLATIONS_SHOWN = 50
VIOLATIONS_OPEN = 10  # the others are folded away
MARK_STYLES = {"fault": "fault", "stimulus": "stimulus"}  # everything else: "phase"

Rows = list[tuple[str, str]]


def write_report(result: Result, path: Path) -> None:
    """Raises ResultError if the histogram is none, OSError if the file cannot be written."""
    path.write_text(render(result), encoding="utf-8")


def render(result: Result) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "clock": wording.clock,
        "grouped": wording.grouped,
        "printable": wording.printable,
    }
    template = environment.from_string((files(__package__) / "report.html").read_text("utf-8"))
    return template.render(
        result=result,
        headline=wording.HEADLINES[result.verdict],
        explanation=wording.EXPLANATIONS[result.verdict],
        figures=_figures(result),
        charts=_charts(result),
        violations=result.violations[:VIOLATIONS_OPEN],
        more_violations=result.violations[VIOLATIONS_OPEN:VIOLATIONS_SHOWN],
        invariants=wording.INVARIANTS,
        honesty=_honesty(result),
        messages=_messages(result),
        connections=_connections(result),
        servers={name: _server(values) for name, values in result.servers.items()},
        replay=replay_command(result),
        mark_styles=MARK_STYLES,
    )


def replay_command(result: Result) -> str:
    """The command line that repeats the run."""
    if result.scenario in {"", "quick"}:
        words = ["mobsim", "quick", "--target", result.target]
        words += ["--duration", f"{result.seconds:.0f}s"]
    else:
        words = ["mobsim", "run", result.scenario]
    words += ["--fans", str(result.fans.wanted), "--seed", str(result.seed)]
    return shlex.join(wording.one_line(word) for word in words)


def _figures(result: Result) -> list[tuple[str, str, str]]:
    """Name, figure, and what the figure is to be compared with."""
    fans, messages, latency = result.fans, result.messages, result.latency_ms

    def measured(figure: float) -> str:
        return wording.milliseconds(figure) if latency.count else "none"

    return [
        ("Fans connected", f"{fans.connected:,}", f"of {fans.wanted:,}"),
        ("Received", f"{messages.received:,}", f"of {messages.expected:,}"),
        ("Missing", f"{messages.gaps:,}", "without a word"),
        ("Latency p50", measured(latency.p50), "half arrived within"),
        ("Latency p99", measured(latency.p99), "99 of 100 within"),
        ("Latency max", measured(latency.max), "the very last"),
    ]


def _messages(result: Result) -> Rows:
    messages, votes, voting = result.messages, result.votes, result.voting
    rows = [
        ("received", f"{messages.received:,}"),
        ("in bytes", wording.size(messages.bytes)),
        ("missing without a word", f"{messages.gaps:,}"),
        ("duplicates", f"{messages.duplicates:,}"),
        ("out of order", f"{messages.reordered:,}"),
        ("altered", f"{messages.corrupt:,}"),
        ("missing, and the server said so", f"{messages.told:,}"),
        ("skipped, as the channel may", f"{messages.skipped:,}"),
    ]
    if votes.sent:
        rows += [
            ("votes sent", f"{votes.sent:,}"),
            ("votes acknowledged", f"{votes.acknowledged:,}"),
            ("votes counted", f"{votes.counted:,}"),
            ("votes lost", f"{votes.lost:,}"),
            ("votes counted twice", f"{votes.doubled:,}"),
            ("votes refused", f"{voting.refused:,}"),
            ("votes sent again", f"{voting.repeated:,}"),
            ("votes put off by the server", f"{voting.put_off:,}"),
            ("vote to acknowledgement, p50", wording.milliseconds(voting.ms.p50)),
            ("vote to acknowledgement, p99", wording.milliseconds(voting.ms.p99)),
            ("vote to acknowledgement, max", wording.milliseconds(voting.ms.max)),
            ("final tally", ", ".join(f"{count:,}" for count in voting.counts) or "none"),
            ("forbidden things tried", f"{voting.cheats:,}"),
        ]
    if voting.reactions:
        rows.append(("reactions sent", f"{voting.reactions:,}"))
    if voting.lines:
        rows += [
            ("lines of chat sent", f"{voting.lines:,}"),
            ("lines of chat taken", f"{voting.lines_taken:,}"),
            ("lines of chat refused", f"{voting.lines_refused:,}"),
        ]
    return rows


def _connections(result: Result) -> Rows:
    connect = result.connect
    return [
        ("connects per second", wording.grouped(connect.per_second)),
        ("connect time p50", wording.milliseconds(connect.ms.p50)),
        ("connect time p99", wording.milliseconds(connect.ms.p99)),
        ("connect time max", wording.milliseconds(connect.ms.max)),
        ("fans that never got in", f"{result.fans.failed:,}"),
        *((name, f"{count:,}") for name, count in result.connections.items()),
    ]


def _honesty(result: Result) -> Rows:
    generator = result.generator
    return [
        ("late by, p99", wording.milliseconds(generator.lag_ms_p99)),
        ("publisher late by, p99", wording.milliseconds(generator.publish_lag_ms_p99)),
        ("CPU time", f"{generator.cpu_seconds:,.1f} s"),
        ("memory for each fan", f"{generator.bytes_per_fan:,.0f} B"),
    ]


def _server(values: dict[str, float]) -> Rows:
    return [
        (key.replace("_", " "), wording.size(value) if "bytes" in key else f"{value:,.10g}")
        for key, value in values.items()
    ]


def _charts(result: Result) -> dict[str, Markup]:
    series = result.series
    end = max([result.seconds, *(sampling.at for sampling in series)])
    time = timeline(end, wording.clock)
    marks = [
        Mark(
            moment.at,
            number,
            MARK_STYLES.get(moment.kind, "phase"),
            f"{wording.clock(moment.at)} {moment.kind}: {moment.text}",
        )
        for number, moment in enumerate(result.moments, 1)
    ]

    def over_time(
        name: str,
        title: str,
        lines: Sequence[Line],
        write: Callable[[float], str],
        *,
        wide: bool = False,
    ) -> Markup:
        scale = spread if wide else from_zero
        values = [value for line in lines for _, value in line.points if value is not None]
        most = write(max(values, default=0.0))
        description = f"Over {wording.clock(end)} (minutes:seconds); the highest is {most}."
        y = scale(values, write)
        return chart(name, title, description, lines, x=time, y=y, marks=marks)

    return {
        "latency": over_time(
            "latency",
            "Latency over time",
            [
                _latency(series, "max", "third", lambda second: second.max),
                _latency(series, "p99", "second", lambda second: second.p99),
                _latency(series, "p50", "first", lambda second: second.p50),
            ],
            wording.milliseconds,
            wide=True,
        ),
        "fans": over_time(
            "fans",
            "Fans over time",
            [
                _line(series, "arrived", "third", lambda second: second.arrived),
                _line(series, "connected", "first", lambda second: second.open),
            ],
            wording.compact,
        ),
        "messages": over_time(
            "messages",
            "Messages received per second",
            [_line(series, "received", "first", lambda second: second.received_per_second)],
            wording.compact,
        ),
        "lag": over_time(
            "lag",
            "How late the generator was",
            [_line(series, "p99", "second", lambda second: second.lag_p99)],
            wording.milliseconds,
        ),
        "percentiles": _percentiles(result),
    }


def _line(
    series: Iterable[Sampling], name: str, style: str, figure: Callable[[Sampling], float]
) -> Line:
    return Line(name, style, [(second.at, figure(second)) for second in series])


def _latency(
    series: Iterable[Sampling], name: str, style: str, figure: Callable[[Sampling], float]
) -> Line:
    """A second in which nothing arrived is a gap."""
    points = [(second.at, figure(second) if second.max > 0 else None) for second in series]
    return Line(name, style, points)


def _percentiles(result: Result) -> Markup:
    """HdrHistogram's plot: equal distances are equal steps towards "always"."""
    curve = percentile_curve(result.histogram)
    points = [(1 / (1 - point.percent / 100), point.ms) for point in curve if point.percent < 100]
    # "All of them" is at infinity: it is drawn one halving beyond the last share that is not.
    if curve:
        points.append((points[-1][0] * 2, curve[-1].ms))
    most = max((x for x, _ in points), default=10.0)
    return chart(
        "percentiles",
        "Latency by share of the messages",
        "How long the given share of the messages took at most.",
        [Line("latency", "first", points)],
        x=nines(most),
        y=spread((ms for _, ms in points), wording.milliseconds),
    )

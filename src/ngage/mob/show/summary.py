"""What a terminal is left with when a run is over: the verdict, why, and the key figures."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ngage.mob.measure.results import Result, Verdict
from ngage.mob.show.wording import (
    EXPLANATIONS,
    HEADLINES,
    clock,
    grouped,
    milliseconds,
    one_line,
    size,
)

STYLES = {
    Verdict.PASS: "bold green",
    Verdict.THRESHOLD: "bold yellow",
    Verdict.INVARIANT: "bold red",
    Verdict.SATURATED: "bold yellow",
}


def summary(result: Result) -> RenderableType:
    verdict = Text(HEADLINES[result.verdict], STYLES[result.verdict])
    return Group(
        Text(),
        _figures(result),
        Text(),
        *_thresholds(result),
        verdict,
        Text(EXPLANATIONS[result.verdict]),
        *(Text(f"- {one_line(reason)}") for reason in result.reasons),
    )


def _figures(result: Result) -> Table:
    fans, messages, connect, latency = (
        result.fans,
        result.messages,
        result.connect,
        result.latency_ms,
    )
    generator = result.generator
    rows = [
        ("fans", f"{fans.connected:,} of {fans.wanted:,} connected, {fans.failed:,} never"),
        ("connects", f"{grouped(connect.per_second)}/s, p99 {milliseconds(connect.ms.p99)}"),
        (
            "messages",
            f"{messages.received:,} of {messages.expected:,} received, {size(messages.bytes)}",
        ),
        (
            "wrong",
            f"{messages.gaps:,} missing, {messages.duplicates:,} duplicate, "
            f"{messages.reordered:,} out of order, {messages.corrupt:,} altered",
        ),
        ("allowed", f"{messages.told:,} missing and told, {messages.skipped:,} skipped"),
        (
            "latency",
            f"p50 {milliseconds(latency.p50)}, p90 {milliseconds(latency.p90)}, "
            f"p99 {milliseconds(latency.p99)}, p99.9 {milliseconds(latency.p99_9)}, "
            f"max {milliseconds(latency.max)}",
        ),
        *_votes(result),
        (
            "generator",
            f"late by {milliseconds(generator.lag_ms_p99)} (p99), "
            f"{generator.cpu_seconds:,.1f} s of CPU, {generator.bytes_per_fan:,.0f} B a fan",
        ),
        ("violations", f"{result.violation_count:,}"),
        (
            "closes",
            ", ".join(f"{one_line(code)} x {n:,}" for code, n in result.closes.items()) or "none",
        ),
        ("took", f"{clock(result.seconds)}, seed {result.seed}"),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, figures in rows:
        grid.add_row(Text(name), Text(figures))
    return grid


def _votes(result: Result) -> list[tuple[str, str]]:
    votes, voting = result.votes, result.voting
    if not (votes.sent or voting.reactions or voting.lines):
        return []
    return [
        (
            "votes",
            f"{votes.sent:,} sent, {votes.acknowledged:,} acknowledged, "
            f"{voting.refused:,} refused, {voting.repeated:,} repeated; "
            f"{votes.counted:,} voters counted, {votes.lost:,} lost, {votes.doubled:,} doubled",
        ),
        (
            "answers",
            f"p50 {milliseconds(voting.ms.p50)}, p99 {milliseconds(voting.ms.p99)}, "
            f"max {milliseconds(voting.ms.max)}",
        ),
        (
            "besides",
            f"{voting.reactions:,} reactions, {voting.lines:,} lines of chat "
            f"({voting.lines_refused:,} refused), {voting.cheats:,} cheats tried",
        ),
    ]


def _thresholds(result: Result) -> list[RenderableType]:
    lines: list[RenderableType] = [
        Text.assemble(
            ("met     ", "green") if threshold.ok else ("missed  ", "bold red"),
            one_line(f"{threshold.metric} {threshold.expr}: {threshold.value:,.5g}"),
        )
        for threshold in result.thresholds
    ]
    return [*lines, Text()] if lines else []

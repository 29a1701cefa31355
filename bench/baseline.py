"""What a ratio is compared with: the runs that were stored, and how far they lay apart.

A ratio is a cost divided by that of its floor (or a peer) in the same run, so less is better. A
baseline is a few runs of the bench, each a process of its own; what one run may differ from them
is measured by them.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Self

RUNS_KEPT = 7
RUNS_FOR_A_SPREAD = 3
# Between the largest and the smallest of five normal runs lie 2.3 standard deviations; twice that
# lets one run in some ten thousand fail for nothing, and a process's luck with memory is no more.
RANGES_ALLOWED = 2
SPREAD_LEAST = 0.03  # of the ratio: what few runs that happen to agree do not show
SPREAD_UNKNOWN = 0.15  # of the ratio, while there are fewer than RUNS_FOR_A_SPREAD
DIGITS = 4


class Verdict(StrEnum):
    NEW = "not stored"
    HOLDS = "holds"
    WORSE = "worse"
    BETTER = "better"


@dataclass(frozen=True)
class Baseline:
    """`ratio` is the median of `runs`; `spread` is how far from it a run may lie."""

    ratio: float
    spread: float
    runs: tuple[float, ...]  # oldest first
    where: str
    when: str

    @classmethod
    def of(cls, runs: tuple[float, ...], where: str, when: str) -> Self:
        ratio = median(runs)
        if len(runs) < RUNS_FOR_A_SPREAD:
            spread = SPREAD_UNKNOWN * ratio
        else:
            spread = max(SPREAD_LEAST * ratio, RANGES_ALLOWED * (max(runs) - min(runs)))
        return cls(ratio, spread, runs, where, when)


def compare(baseline: Baseline | None, ratio: float) -> Verdict:
    if baseline is None:
        return Verdict.NEW
    if ratio > baseline.ratio + baseline.spread:
        return Verdict.WORSE
    if ratio < baseline.ratio - baseline.spread:
        return Verdict.BETTER
    return Verdict.HOLDS


def with_run(baseline: Baseline | None, ratio: float, where: str, when: str) -> Baseline:
    """The baseline with one more run."""
    earlier = baseline.runs if baseline is not None else ()
    return Baseline.of((*earlier, ratio)[-RUNS_KEPT:], where, when)


def regression(name: str, baseline: Baseline, ratio: float) -> str:
    """Why a run fails, in one line."""
    return (
        f"{name}: {significant(ratio)}x is worse than the baseline {significant(baseline.ratio)}x "
        f"by more than its spread {significant(baseline.spread)} ({len(baseline.runs)} runs, "
        f"{baseline.when}, {baseline.where}). If it is meant to be, begin a new one: "
        f"make bench STORE=anew, or pytest bench -k TEST --store-baseline anew"
    )


def significant(value: float) -> str:
    return f"{value:.{DIGITS}g}"


def loads(text: str) -> dict[str, Baseline]:
    return {
        name: Baseline(**{**fields, "runs": tuple(fields["runs"])})
        for name, fields in tomllib.loads(text).items()
    }


def dumps(baselines: Mapping[str, Baseline]) -> str:
    """TOML, by name. Its strings are JSON's, as long as they are printable."""
    lines = ["# Written by `make bench STORE=add`, a run at a time; see README.md."]
    for name, baseline in sorted(baselines.items()):
        lines += [
            "",
            f"[{json.dumps(name)}]",
            f"ratio = {significant(baseline.ratio)}",
            f"spread = {significant(baseline.spread)}",
            f"runs = [{', '.join(map(significant, baseline.runs))}]",
            f"where = {json.dumps(baseline.where)}",
            f"when = {json.dumps(baseline.when)}",
        ]
    return "\n".join(lines) + "\n"

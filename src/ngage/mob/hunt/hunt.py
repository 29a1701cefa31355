"""The hunt: run the corpus, then mutants of it, and shrink what violates an invariant.

A hunt knows nothing of crowds: it is given `execute`, which runs a scenario and says what was
violated and what was reached. Of each kind of violation the first one is shrunk and kept; the later
ones of its kind would mostly be the same fault again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ngage.mob.hunt.corpus import Corpus, Features, digest
from ngage.mob.hunt.mutate import mutate
from ngage.mob.hunt.shrink import shrink
from ngage.mob.model import Scenario
from ngage.mob.scenario.file import dump

FLAKY_TRIES = 3  # for a violation that a second run has not shown


@dataclass(frozen=True, slots=True)
class Outcome:
    """violated: the kinds, with a sentence for the first of each; failure: why there was no run."""

    violated: dict[str, str] = field(default_factory=dict)
    features: Features = frozenset()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A scenario that violates. steady: each run of it did; else only some of them."""

    scenario: Scenario
    kind: str
    text: str
    steady: bool

    @property
    def name(self) -> str:
        return f"finding-{digest(self.scenario)}.toml"

    def write(self, directory: Path) -> Path:
        """As a scenario that `mobsim run` replays. Raises OSError."""
        often = "each" if self.steady else "some"
        lines = [
            f"# {self.kind}: {' '.join(self.text.split())}",
            f"# Found by mobsim hunt, and seen in {often} of its runs, with seed "
            f"{self.scenario.seed}.",
            f"# mobsim run {self.name} replays it: exit code 3.",
        ]
        path = directory / self.name
        path.write_text("\n".join([*lines, "", dump(self.scenario)]), encoding="utf-8")
        return path


@dataclass(slots=True)
class Tally:
    """What a hunt has done."""

    runs: int = 0
    failures: int = 0
    violations: int = 0
    shrinking: int = 0  # runs spent on that, not among `runs`


Execute = Callable[[Scenario], Awaitable[Outcome]]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """runs, seconds: whichever comes first ends the hunt. fans: at most, in each run."""

    runs: int
    seconds: float
    fans: int
    shrink_runs: int


class Hunt:
    """One hunt over a corpus. Equal seeds propose equal mutants as long as runs reach the same."""

    def __init__(
        self,
        corpus: Corpus,
        execute: Execute,
        limits: Limits,
        seed: int,
        *,
        report: Report = lambda line: None,
        found: Callable[[Finding], None] = lambda finding: None,
        interrupted: asyncio.Event | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self.tally = Tally()
        self._corpus = corpus
        self._execute = execute
        self._limits = limits
        self._draw = random.Random(seed)
        self._report = report
        self._found = found
        self._interrupted = interrupted or asyncio.Event()
        self._end = time.monotonic() + limits.seconds

    async def run(self, parents: Sequence[Scenario]) -> list[Finding]:
        """The parents as they are, then mutants. What is found is told to `found` at once."""
        for parent in parents:
            if self._over():
                return self.findings
            await self._try(parent)
        while not self._over():
            parent = self._corpus.pick(self._draw) if self._corpus.scenarios else parents[0]
            await self._try(mutate(parent, self._draw, self._limits.fans))
        return self.findings

    def _over(self) -> bool:
        spent = self.tally.runs >= self._limits.runs or time.monotonic() > self._end
        return spent or self._interrupted.is_set()

    async def _try(self, scenario: Scenario) -> None:
        outcome = await self._execute(scenario)
        if self._interrupted.is_set() and not outcome.violated:
            return  # what an interrupted run reached says little
        self.tally.runs += 1
        number = f"run {self.tally.runs}: {scenario.name}, {scenario.fans} fans"
        if outcome.failure:
            self.tally.failures += 1
            self._report(f"{number}: no run: {outcome.failure}")
            return
        if not outcome.violated:
            new = self._corpus.offer(scenario, outcome.features)
            self._report(f"{number}: {f'{new} new' if new else 'nothing new'}")
            return
        self.tally.violations += 1
        known = {finding.kind for finding in self.findings}
        kind = next((kind for kind in outcome.violated if kind not in known), "")
        if not kind:
            self._report(f"{number}: {' '.join(outcome.violated)} again")
            return
        self._report(f"{number}: {kind}: {outcome.violated[kind]}")
        finding = await self._shrunk(scenario, kind, outcome.violated[kind])
        self.findings.append(finding)
        self._found(finding)

    async def _shrunk(self, scenario: Scenario, kind: str, text: str) -> Finding:
        async def violates(candidate: Scenario) -> bool:
            nonlocal text
            if self._interrupted.is_set():
                return False
            self.tally.shrinking += 1
            violated = (await self._execute(candidate)).violated
            text = violated.get(kind, text)
            return kind in violated

        steady = await violates(scenario)
        tries = 1 if steady else FLAKY_TRIES
        smallest = await shrink(scenario, violates, self._limits.shrink_runs, tries)
        return Finding(smallest, kind, text, steady)

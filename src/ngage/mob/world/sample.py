"""Runs the Python fans of a scenario beside the crowd: a task each, uncoordinated, all checked."""

import asyncio
import hashlib
import importlib.util
import random
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ngage.errors import ScenarioError
from ngage.mob.measure.results import ViolationRecord
from ngage.mob.model import Sample
from ngage.mob.world.fan import Fan
from ngage.mob.world.order import Finding


class Samples:
    """All fans of all samples. Their numbers go on from `first`, the targets take turns.

    Raises ScenarioError for a class that cannot be loaded. violations grows while they run: what
    they saw out of order, and, as kind `exception`, what left their run().
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        targets: Sequence[str],
        *,
        directory: str = "",
        seed: int = 0,
        first: int = 0,
        skips: bool = False,
    ) -> None:
        self._fans: list[tuple[str, Fan]] = []
        self._seed = seed
        self._tasks: list[asyncio.Task[None]] = []
        self._failures: list[ViolationRecord] = []
        self._start = 0.0
        for sample in samples:
            kind = load_class(sample.python, Path(directory))
            for _ in range(sample.fans):
                number = first + len(self._fans)
                url = targets[number % len(targets)]
                self._fans.append((sample.persona, kind(number, seed, url, skips=skips)))

    @property
    def fans(self) -> list[Fan]:
        return [fan for _, fan in self._fans]

    def start(self, start: float, spread: float = 0.0) -> None:
        """Let each begin at its own moment of the next `spread` seconds.

        start: time.monotonic() of the run's begin.
        """
        self._start = start
        for persona, fan in self._fans:
            delay = random.Random(f"{self._seed}:{fan.number}:arrival").uniform(0, spread)
            self._tasks.append(asyncio.ensure_future(self._run(persona, fan, delay)))

    async def stop(self) -> list[ViolationRecord]:
        """End all of them: what went wrong, by fan."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.violations

    @property
    def violations(self) -> list[ViolationRecord]:
        seen = [
            self._record(persona, fan, at, finding)
            for persona, fan in self._fans
            for at, finding in fan.findings
        ]
        return sorted(seen + self._failures, key=lambda violation: violation.fan)

    async def _run(self, persona: str, fan: Fan, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            await fan.run()
        except Exception as error:
            finding = Finding("exception", 0, 0, f"{type(error).__name__}: {error}")
            self._failures.append(self._record(persona, fan, time.monotonic(), finding))
        finally:
            await fan.disconnect()

    def _record(self, persona: str, fan: Fan, at: float, finding: Finding) -> ViolationRecord:
        return ViolationRecord(
            kind=finding.kind,
            fan=fan.number,
            channel=urlsplit(fan.url).path,
            persona=persona,
            expected=finding.expected,
            got=finding.got,
            at=at - self._start,
            text=finding.text,
        )


def load_class(python: str, directory: Path) -> type[Fan]:
    """The class FILE.py:CLASS, the file relative to `directory`. Raises ScenarioError."""
    name, colon, attribute = python.rpartition(":")
    if not colon or not name or not attribute:
        raise ScenarioError(f"python = {python!r}: it must be FILE.py:CLASS")
    path = directory / name
    if not path.is_file():
        raise ScenarioError(f"python = {python!r}: there is no file {path}")
    module_name = f"mobsim_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    specification = importlib.util.spec_from_file_location(module_name, path)
    if specification is None or specification.loader is None:
        raise ScenarioError(f"python = {python!r}: the file's name must end with .py")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise ScenarioError(
            f"python = {python!r}: {path} failed with {type(error).__name__}: {error}"
        ) from error
    kind = getattr(module, attribute, None)
    if not (isinstance(kind, type) and issubclass(kind, Fan)):
        raise ScenarioError(f"python = {python!r}: {attribute} is no class derived from Fan there")
    return kind

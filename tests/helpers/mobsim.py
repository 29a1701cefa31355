"""mobsim as a user has it: a process, its exit code, what it says and what it writes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("mobsim")
END_SECONDS = 50.0


@dataclass
class Ended:
    """How a run of mobsim ended. result: what --json wrote, empty if it wrote none."""

    code: int
    out: str
    errors: str
    result: dict[str, Any]


class Mobsim:
    """A running mobsim; its result goes to a file of its own."""

    def __init__(self, *arguments: str, directory: str) -> None:
        self.json = Path(directory) / "result.json"
        runs = arguments[0] in ("run", "quick")
        options = ["--plain", "--json", str(self.json)] if runs else []
        self.process = subprocess.Popen(
            [COMMAND, *arguments, *options],
            env={**os.environ, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> Ended:
        """Wait for it."""
        out, errors = self.process.communicate(timeout=END_SECONDS)
        result = json.loads(self.json.read_text()) if self.json.exists() else {}
        return Ended(self.process.returncode, out, errors, result)


@contextmanager
def running(*arguments: str) -> Iterator[Mobsim]:
    """It is killed if it has not ended when the block does."""
    with tempfile.TemporaryDirectory() as directory:
        mobsim = Mobsim(*arguments, directory=directory)
        try:
            yield mobsim
        finally:
            if mobsim.process.poll() is None:
                mobsim.process.kill()
                mobsim.process.communicate()


def mobsim(*arguments: str) -> Ended:
    """Run it to its end."""
    with running(*arguments) as run:
        return run.end()

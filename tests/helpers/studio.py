"""An ngage-studio process under test, beside a Daemon that takes what it pushes."""

import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO, Self

from tests.helpers.daemon import Daemon

START_SECONDS = 30.0
STOP_SECONDS = 20.0
COMMAND = [sys.executable, "-m", "ngage.studio"]
READY = re.compile(r"ngage-studio ready source=(\S+) channel=(\S+) pid=(\d+)\n")


def intake(daemon: Daemon) -> str:
    """ws://HOST:PORT where a daemon that was started with --studio listens to studios."""
    found = re.search(r"studios: (ws://[^/\s]+)/", daemon.log())
    assert found, daemon.log()
    return found[1]


def run_studio(*arguments: str) -> tuple[int, str]:
    """Run one that is expected to end by itself: (exit code, stderr)."""
    ended = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return ended.returncode, ended.stderr


class Studio:
    """A running one; a context manager that leaves no process behind. `wrapper` runs another."""

    source: str

    def __init__(self, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        self.command = [*wrapper, *COMMAND, *arguments]
        self.process: subprocess.Popen[bytes]
        self.stderr: IO[bytes]

    def __enter__(self) -> Self:
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr
        )
        try:
            self._read_ready_line()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _read_ready_line(self) -> None:
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().decode() if readable else ""
        match = READY.fullmatch(line)
        assert match, f"not a ready line: {line!r}; log:\n{self.log()}"
        self.source = match[1]

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.stderr.close()

    def log(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def stop(self, number: signal.Signals) -> int:
        """Its exit code after the signal."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

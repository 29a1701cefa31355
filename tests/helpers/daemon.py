"""An ngage-edge process under test: started on free ports, asked over HTTP, ended by its pid.

with Daemon("--echo") as daemon:
    daemon.api("publish", {"channel": "stage", "data": {"n": 1}})
    async with websockets.connect(f"{daemon.url}/ws/stage"): ...
    assert daemon.stop() == 0
"""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, Self
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

START_SECONDS = 30.0
STOP_SECONDS = 30.0
READY = re.compile(r"ngage-edge ready public=(http://\S+) admin=(http://\S+) pid=(\d+)\n")

COMMAND = [sys.executable, "-m", "ngage"]
FREE_PORTS = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


def run_edge(
    *arguments: str, env: Mapping[str, str] | None = None, wrapper: Sequence[str] = ()
) -> tuple[int, str, str]:
    """Run an ngage-edge that is expected to end by itself: (exit code, stdout, stderr)."""
    ended = subprocess.run(
        [*wrapper, *COMMAND, *FREE_PORTS, *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


class Daemon:
    """A running ngage-edge; a context manager that leaves no process behind.

    Ports are free ones unless the arguments name others; the last of a repeated flag counts.
    `wrapper` is a command that runs another: ("prlimit", "--nofile=2000").
    """

    public: tuple[str, int]
    admin: str
    pid: int

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.command = [*wrapper, *COMMAND, *FREE_PORTS, *arguments]
        self.env = {**os.environ, **(env or {})}
        self.stderr: IO[bytes]
        self.process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """ws://HOST:PORT of the public listener."""
        return f"ws://{self.public[0]}:{self.public[1]}"

    def __enter__(self) -> Self:
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
        )
        try:
            self._read_ready_line()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.stderr.close()

    def read_line(self) -> str:
        """The next line of the daemon's stdout; AssertionError with its log if none comes."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + START_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([descriptor], [], [], left)
            piece = os.read(descriptor, 1) if readable else b""
            assert piece, f"no line on stdout (got {line!r}); log:\n{self.log()}"
            line += piece
        return line.decode()

    def _read_ready_line(self) -> None:
        line = self.read_line()
        match = READY.fullmatch(line)
        assert match, f"not a ready line: {line!r}; log:\n{self.log()}"
        public = urlsplit(match[1])
        assert public.hostname and public.port
        self.public = (public.hostname, public.port)
        self.admin = match[2]
        self.pid = int(match[3])

    # Asking

    def log(self) -> str:
        """What the daemon has written to stderr so far."""
        return os.pread(self.stderr.fileno(), 16 << 20, 0).decode(errors="replace")

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET from the admin listener."""
        return httpx.get(self.admin + path, trust_env=False, **options)

    def api(self, method: str, body: object, key: str = "") -> httpx.Response:
        """POST /api/METHOD with a JSON body; X-API-Key is sent if key is not empty."""
        headers = {"X-API-Key": key} if key else {}
        return httpx.post(f"{self.admin}/api/{method}", json=body, headers=headers, trust_env=False)

    def do(self, method: str, body: object) -> Any:
        """The result of a call of the server API."""
        answer = self.api(method, body)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics: `name` or `name{label="value"}` -> value."""
        samples = {}
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return samples

    # Ending

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that this helper started."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        return self.process.wait(STOP_SECONDS)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the daemon to end (SIGTERM drains): its exit code."""
        self.send_signal(number)
        return self.wait()

"""The servers of a scenario: processes that mobsim starts, hurts on demand and never leaves behind.

A server says on stdout `ready public=URL`, and may add `admin=URL` and `pid=N`. Each has a session
of its own, so that a Ctrl-C ends the run in order instead of everything at once, and so that the
pid a server names can be checked: signals go only to processes of a session started here.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from ngage.errors import ServerError
from ngage.mob.measure.footprint import Footprint, read_footprint
from ngage.mob.model import Server
from ngage.mob.world.ports import Ports
from ngage.mob.world.watched import Lines, Watched, end

READY_SECONDS = 65.0  # an upgraded ngage-edge gives its successor 60
GRACE_SECONDS = 20.0  # an ngage-edge drains for 10
LAST_LINES = 5  # of stderr, in an error
LAST_LINES_SECONDS = 1.0
BRACED = re.compile(r"\{\w+\}")
READY = re.compile(r"\bready public=(\S+)(?: admin=(\S+))?(?: pid=(\d+))?")


class Address(NamedTuple):
    host: str
    port: int


class ServerProcess:
    """One server, whichever process it is at the moment.

    public and admin are known after start(). Methods raise ServerError with the server's name and
    its last lines on stderr. One fault at a time: calls that await must not overlap.
    """

    public: Address
    admin: Address | None = None

    def __init__(self, server: Server, directory: Path, environment: Mapping[str, str]) -> None:
        self.name = server.name
        self._server = server
        self._config = directory / f"{server.name}.toml"
        self._data = directory / f"{server.name}.data"
        self._environment = {**environment, **dict(server.environment)}
        self._current: Watched | None = None
        self._processes: list[Watched] = []
        self._output, self._errors = Lines(), Lines()
        self._pipes: list[asyncio.ReadTransport] = []
        self._ready: asyncio.Future[re.Match[str]] | None = None
        self._session = 0
        self._wanted = False

    @property
    def pid(self) -> int:
        """Of the process that serves now; 0 if none does."""
        return self._current.pid if self.running and self._current else 0

    @property
    def running(self) -> bool:
        return self._current is not None and not self._current.ended.is_set()

    @property
    def stderr(self) -> list[str]:
        """The last lines it wrote."""
        return list(self._errors.kept)

    @property
    def crash(self) -> str:
        """What is known of a process that ended though nobody asked it to; "" if none did."""
        if not self._wanted or self.running or self._current is None:
            return ""
        return self._describe(f"ended by itself ({_exit(self._current)})")

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready."""
        popen = self._spawn()
        self._session = popen.pid
        self._current = self._watch(popen.pid, popen)
        self._wanted = True
        self._ready = asyncio.get_running_loop().create_future()
        self._output, self._errors = Lines(self._on_line), Lines()
        await self._drain(popen.stdout, self._output)
        await self._drain(popen.stderr, self._errors)
        try:
            match = await self._wait_ready(self._current)
            self.public = _address(match[1])
            self.admin = _address(match[2]) if match[2] else None
            self._follow(match)
        except ServerError:
            self._wanted = False
            await end(self._alive(), 0)
            raise

    async def kill(self) -> None:
        """SIGKILL; it has ended and was reaped when this returns."""
        self._wanted = False
        for process in self._alive():
            process.signal(signal.SIGKILL)
            await process.ended.wait()

    def stop(self) -> None:
        """SIGSTOP: it stands still, its sockets stay open."""
        if self._current is not None:
            self._current.signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT, to a predecessor that was stopped before its upgrade too; else harmless."""
        for process in self._alive():
            process.signal(signal.SIGCONT)

    async def terminate(self) -> int | None:
        """SIGTERM, awaited: the exit code, None of a successor's. SIGKILL if it does not go."""
        self._wanted = False
        await end(self._alive(), GRACE_SECONDS)
        return self._current.exit_code if self._current else None

    async def restart(self) -> None:
        """terminate(), then start() at the same addresses."""
        await self.terminate()
        await self.start()

    async def upgrade(self) -> None:
        """SIGUSR2, and wait until the successor is ready; the predecessor drains on."""
        if self._current is None or not self.running:
            raise ServerError(f"server {self.name}: it cannot be upgraded, for it is not running")
        self._ready = asyncio.get_running_loop().create_future()
        self._current.signal(signal.SIGUSR2)
        self._follow(await self._wait_ready(self._current))

    async def footprint(self) -> Footprint | None:
        """What it costs now; None if it is not running."""
        try:
            return await asyncio.to_thread(read_footprint, self.pid) if self.pid else None
        except OSError:
            return None

    async def close(self) -> None:
        """End every process, also if this is cancelled, and let go of their output."""
        self._wanted = False
        try:
            await end(self._alive(), GRACE_SECONDS)
        finally:
            for pipe in self._pipes:
                pipe.close()

    # Starting

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._data.mkdir(exist_ok=True)
        self._config.write_text(self._server.config.replace("{data}", str(self._data)))
        places = {"{config}": str(self._config), "{data}": str(self._data)}
        command = [
            BRACED.sub(lambda match: places.get(match[0], match[0]), word)
            for word in self._server.command
        ]
        command[0] = _find(command[0], self._environment)
        try:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ServerError(
                f"server {self.name}: cannot start {command[0]}: {error.strerror}"
            ) from error

    def _watch(self, pid: int, popen: subprocess.Popen[bytes] | None = None) -> Watched:
        process = Watched(pid, popen)
        self._processes = [*self._alive(), process]
        return process

    async def _drain(self, pipe: IO[bytes] | None, lines: Lines) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: lines, pipe)
        self._pipes.append(transport)

    def _on_line(self, line: str) -> None:
        match = READY.search(line)
        if match and self._ready and not self._ready.done():
            self._ready.set_result(match)

    async def _wait_ready(self, process: Watched) -> re.Match[str]:
        assert self._ready
        ended = asyncio.ensure_future(process.ended.wait())
        try:
            await asyncio.wait(
                (self._ready, ended),
                timeout=READY_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            ended.cancel()
        if self._ready.done():
            return self._ready.result()
        if process.ended.is_set():
            # What it has written may still be on its way to us. Its children may hold the pipe.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._errors.ended.wait(), LAST_LINES_SECONDS)
            raise ServerError(self._describe(f"ended before it was ready ({_exit(process)})"))
        raise ServerError(
            self._describe(f"no line with `ready public=URL` on stdout in {READY_SECONDS:g} s")
        )

    def _follow(self, match: re.Match[str]) -> None:
        """The process that says it is ready is the server from now on."""
        pid = int(match[3] or self._session)
        if self._current is not None and pid == self._current.pid:
            return
        try:
            if os.getsid(pid) != self._session:
                raise ServerError(f"server {self.name}: pid={pid} is no process started here")
            self._current = self._watch(pid)
        except ProcessLookupError:
            raise ServerError(self._describe(f"process {pid} said ready and ended")) from None

    # Details

    def _alive(self) -> list[Watched]:
        return [process for process in self._processes if not process.ended.is_set()]

    def _describe(self, what: str) -> str:
        last = " | ".join(line for line in self.stderr[-LAST_LINES:] if line.strip())
        return f"server {self.name}: {what}; its last lines: {last or 'none'}"


@contextlib.asynccontextmanager
async def serving(
    servers: Sequence[Server], environment: Mapping[str, str]
) -> AsyncIterator[dict[str, ServerProcess]]:
    """All servers, started in order and ready, by name; all have ended when the context is left."""
    with (
        tempfile.TemporaryDirectory(prefix="mobsim-") as directory,
        contextlib.closing(Ports()) as ports,
    ):
        processes = {
            server.name: ServerProcess(ports.settle(server), Path(directory), environment)
            for server in servers
        }
        try:
            for process in processes.values():
                await process.start()
            yield processes
        finally:
            await asyncio.gather(*(process.close() for process in processes.values()))


def _find(program: str, environment: Mapping[str, str]) -> str:
    """A bare name is one of this installation's programs, else one of PATH."""
    if os.sep in program:
        return program
    beside = Path(sys.executable).with_name(program)
    if os.access(beside, os.X_OK):
        return str(beside)
    return shutil.which(program, path=environment.get("PATH")) or program


def _address(url: str) -> Address:
    parts = urlsplit(url)
    if not parts.hostname or not parts.port:
        raise ServerError(f"a server is ready at {url!r}, but that is no URL with host and port")
    return Address(parts.hostname, parts.port)


def _exit(process: Watched) -> str:
    code = process.exit_code
    if code is None:
        return "exit code not known"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

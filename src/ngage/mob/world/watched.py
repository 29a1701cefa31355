"""A process and its output, watched from the event loop.

A process is held by a pidfd (pidfd_open(2)): a signal cannot reach another one that was given the
same pid later, and the end is seen also of a process that is no child of ours, as the successor of
an upgraded edge.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterable

LINES_KEPT = 100
LINE_BYTES_MAX = 65536


class Watched:
    """A process: `popen` if it is a child, which is then reaped."""

    def __init__(self, pid: int, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self.ended = asyncio.Event()
        self.exit_code: int | None = None  # known of children only
        self._popen = popen
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._on_end)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def kill_now(self) -> None:
        """SIGKILL, reaped when this returns: for where nothing can be awaited any more."""
        self.signal(signal.SIGKILL)
        if not self.ended.is_set():
            self._on_end()

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        if self._popen is not None:
            self.exit_code = self._popen.wait()
        self.ended.set()


async def end(processes: Iterable[Watched], grace: float) -> None:
    """SIGTERM, then SIGKILL after `grace` seconds or at a cancellation; all have ended."""
    processes = list(processes)
    for process in processes:
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGCONT)
    try:
        async with asyncio.timeout(grace):
            for process in processes:
                await process.ended.wait()
    except TimeoutError:
        pass
    finally:
        for process in processes:
            process.kill_now()


class Lines(asyncio.Protocol):
    """Reads a pipe to its end, keeps the last lines, gives each to `on_line`."""

    def __init__(self, on_line: Callable[[str], None] = lambda line: None) -> None:
        self.kept: deque[str] = deque(maxlen=LINES_KEPT)
        self.ended = asyncio.Event()
        self._on_line = on_line
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Split what has come so far."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LINE_BYTES_MAX:]
        for line in lines:
            text = line.decode(errors="replace")
            self.kept.append(text)
            self._on_line(text)

    def connection_lost(self, exc: Exception | None) -> None:
        """Every writer has closed; what is left is a line too."""
        if self._rest:
            self.kept.append(self._rest.decode(errors="replace"))
        self.ended.set()

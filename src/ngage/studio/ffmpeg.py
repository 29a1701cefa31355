"""Whatever FFmpeg can read as a source, SRT above all: carried, not encoded anew.

FFmpeg writes FLV into a pipe, because its MP4 muxer would hold every frame until the next one. It
is started again whenever it ends, which as a listener it does after each publisher.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from ngage.errors import MediaError, StudioError
from ngage.studio.carried import Carried
from ngage.video.flv_stream import FlvStream
from ngage.video.renditions import Wish

READ_BYTES = 64 << 10
RETRY_SECONDS = 1.0
ERROR_BYTES_MAX = 4096
# Enough for the head of a stream: `-fflags nobuffer` would drop what is read to find it.
PROBE_BYTES, PROBE_US = 200_000, 500_000

log = logging.getLogger(__name__)


class FfmpegFeed(Carried):
    """Runs FFmpeg on `address` while it is open. `command` is the program, or its name."""

    def __init__(self, address: str, command: str, wishes: Sequence[Wish]) -> None:
        super().__init__(wishes)
        self._source = address
        # A query may hold a passphrase, and so may what stands before the host: neither the log nor
        # the ready line shows them.
        shown = urlsplit(address)._replace(query="", fragment="")
        self.address = shown._replace(netloc=shown.netloc.rpartition("@")[2]).geturl()
        self._command = command
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        program = shutil.which(self._command)
        if program is None:
            raise StudioError(
                f"{self.address}: this needs FFmpeg, and there is no {self._command}: "
                "apt-get install ffmpeg, or --ffmpeg PROGRAM"
            )
        self._command = program
        self._task = asyncio.create_task(self._run_again())
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.close()

    async def _run_again(self) -> None:
        while True:
            try:
                await self._run()
            except OSError as error:
                log.error("%s: FFmpeg does not start: %s", self.address, error.strerror)
            await asyncio.sleep(RETRY_SECONDS)

    async def _run(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(self._command, "-nostdin", "-v", "error"),
            *("-probesize", str(PROBE_BYTES), "-analyzeduration", str(PROBE_US)),
            *("-i", self._source, "-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy"),
            *("-flush_packets", "1", "-f", "flv", "pipe:1"),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            await self._carry(process)
        finally:
            # A listener that waits does not look at SIGTERM.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _carry(self, process: Process) -> None:
        assert process.stdout
        assert process.stderr
        said = asyncio.create_task(_last_line(process.stderr))
        stream = FlvStream()
        self.begin()
        try:
            while data := await process.stdout.read(READ_BYTES):
                t_in_us = time.time_ns() // 1000
                for unit in stream.receive(data):
                    await self.take(unit, t_in_us)
        except MediaError as error:
            log.error("%s: %s", self.address, error)
        else:
            reason = (await said).replace(self._source, self.address)
            log.warning("%s: FFmpeg has ended: %s", self.address, reason)
        finally:
            said.cancel()


async def _last_line(stream: asyncio.StreamReader) -> str:
    """What FFmpeg said last; reads all of it, for it waits on a pipe that is full."""
    tail = b""
    while data := await stream.read(ERROR_BYTES_MAX):
        tail = (tail + data)[-ERROR_BYTES_MAX:]
    lines = tail.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "the source is over"

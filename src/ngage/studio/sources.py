"""What can be shown, by its address.

`pattern` and a file are encoded here. `rtmp://HOST:PORT/APP` listens for publishers; any other
`SCHEME://` is for FFmpeg to read, such as `srt://HOST:PORT?mode=listener`. Both are carried.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from ngage.errors import StudioError
from ngage.studio.ffmpeg import FfmpegFeed
from ngage.studio.rtmp import RtmpFeed
from ngage.video import open_programme
from ngage.video.packager import Part
from ngage.video.renditions import Wish
from ngage.video.stages import Stages

if TYPE_CHECKING:
    from ngage.video.source import Source

PATTERN = "pattern"
RTMP_PORT = 1935


class Feed(Protocol):
    """A source, at work while it is open. Opening raises NgageError, and so does parts()."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    @property
    def address(self) -> str:
        """Where it is, ports resolved."""

    @property
    def dropped(self) -> int:
        """Units that came, or were due, and are not shown."""

    @property
    def load(self) -> float | None:
        """The share of the time that decoding and encoding take; None where nothing is encoded."""

    @property
    def stages(self) -> Stages:
        """How long the work on a picture takes."""

    def parts(self) -> AsyncIterator[Sequence[Part]]:
        """Parts as they come into being, INIT before what it describes."""


class Choices(NamedTuple):
    """What is asked of a source, whatever it is; `ffmpeg` is the program."""

    wishes: Sequence[Wish]
    audio_kbps: int
    stream_key: str
    ffmpeg: str


class EncodedFeed:
    """A file in real time, again and again, or the test picture; encoded here."""

    def __init__(self, file: Path | None, choices: Choices) -> None:
        self._file = file
        self._choices = choices
        self._open = AsyncExitStack()
        self._source: Source

    async def __aenter__(self) -> Self:
        programme = await asyncio.to_thread(open_programme, self._file)
        from ngage.video.source import Source  # noqa: PLC0415, once PyAV is known to be there

        source = Source(programme, self._choices.wishes, self._choices.audio_kbps)
        self._source = await self._open.enter_async_context(source)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    @property
    def address(self) -> str:
        return str(self._file) if self._file else PATTERN

    @property
    def dropped(self) -> int:
        return self._source.dropped

    @property
    def load(self) -> float | None:
        return self._source.load

    @property
    def stages(self) -> Stages:
        return self._source.stages

    def parts(self) -> AsyncIterator[Sequence[Part]]:
        return aiter(self._source)


def open_feed(address: str, choices: Choices) -> Feed:
    """Raises StudioError for an address that is none, or lacks a key."""
    if address == PATTERN:
        return EncodedFeed(None, choices)
    if "://" not in address:
        return EncodedFeed(Path(address), choices)
    parts = urlsplit(address)
    if parts.scheme != "rtmp":
        return FfmpegFeed(address, choices.ffmpeg, choices.wishes)
    application = parts.path.strip("/")
    if not parts.hostname or not application:
        raise StudioError(f"{address}: it must be rtmp://HOST:PORT/APP")
    if not choices.stream_key:
        raise StudioError(f"{address}: say with --stream-key what publishers must give")
    port = RTMP_PORT if parts.port is None else parts.port
    return RtmpFeed(parts.hostname, port, application, choices.stream_key, choices.wishes)

"""The demo: a live picture in a `keyframe` channel and a page that plays it; the same as HLS."""

import asyncio
import json
import logging
import time
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ngage.video import VideoUnavailable
from ngage.video.hls import Hls

if TYPE_CHECKING:
    from ngage.api import Channel, Edge
    from ngage.video.programme import Programme

VIDEO_CHANNEL = "demo:video"
INFO_CHANNEL = "demo:info"
HLS_BASE = "/hls/demo"

# 30 pictures and 47 sound frames a second: 6 s, which is six groups of pictures.
_HISTORY = 512
_RING_BYTES = 8 << 20
_INFO_SECONDS = 1.0

_PAGES = (
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/player.js", "player.js", "text/javascript; charset=utf-8"),
    ("/style.css", "style.css", "text/css; charset=utf-8"),
    ("/favicon.svg", "favicon.svg", "image/svg+xml"),
)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


async def run(edge: "Edge", file: Path | None, log: logging.Logger) -> None:
    """Serve the page and its channels until cancelled; `file` instead of the test picture."""
    for path, name, content_type in _PAGES:
        body = (files("ngage") / "web" / name).read_bytes()
        edge.serve(path, body, content_type, _HEADERS)
    show = _Show(edge)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(show.report())
        tasks.create_task(show.play(file, log))


class _Show:
    def __init__(self, edge: "Edge") -> None:
        self._edge = edge
        self._hls = Hls(edge, HLS_BASE)
        self._video: Channel = edge.channel(
            VIDEO_CHANNEL, lag="keyframe", history=_HISTORY, ring_bytes=_RING_BYTES, deflate=False
        )
        self._info: Channel = edge.channel(INFO_CHANNEL, lag="latest", tick_ms=500)
        self._delays_us: list[int] = []
        self._dropped = 0
        self._notice = ""

    async def report(self) -> None:
        """Each second, for the page: viewers; ms from picture to channel; frames not encoded."""
        while True:
            delay_ms = median(self._delays_us) / 1000 if self._delays_us else None
            self._delays_us.clear()
            report = {
                "viewers": self._video.subscribers,
                "delay_ms": delay_ms,
                "dropped": self._dropped,
                "notice": self._notice,
            }
            self._info.publish(json.dumps(report))
            await asyncio.sleep(_INFO_SECONDS)

    async def play(self, file: Path | None, log: logging.Logger) -> None:
        """Publish the programme; where none can be had, say so once and let the rest run."""
        try:
            await self._publish(await asyncio.to_thread(_open, file))
        except VideoUnavailable as error:
            self._notice = f"no picture: {error}"
            log.warning(self._notice)
            self._edge.unserve(f"{HLS_BASE}/live.m3u8")  # nobody need wait for it

    async def _publish(self, programme: "Programme") -> None:
        from ngage.video.source import Source  # noqa: PLC0415, only after _open() has found PyAV

        async with Source(programme) as source:
            self._video.preamble(source.init)
            self._hls.message(source.init)
            async for parts in source:
                for part in parts:
                    self._video.publish(part.data, sync=part.sync)
                    self._hls.message(part.data)
                self._delays_us.append(time.time_ns() // 1000 - parts[-1].t_in_us)
                self._dropped = source.dropped


def _open(file: Path | None) -> "Programme":
    """Imports FFmpeg, which is optional and slow to load, and reads the head of the file."""
    try:
        from ngage.video import pattern, recording, source  # noqa: F401, PLC0415
    except ImportError as error:
        raise VideoUnavailable("install ngage[video]") from error
    return pattern.Pattern() if file is None else recording.Recording(file)

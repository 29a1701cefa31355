"""ngage-studio: arguments to a source and its edges.

0: the source has ended, or SIGTERM came. 1: it broke, or an edge refused. 2: wrong usage.
130: interrupted.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit

import uvloop

from ngage import __version__, logs
from ngage.errors import NgageError, StudioError
from ngage.studio.link import Link
from ngage.studio.run import run
from ngage.studio.sources import Choices, open_feed
from ngage.video import renditions
from ngage.video.channel import LIVE_CHANNEL
from ngage.video.renditions import AUDIO_KBPS, AUDIO_KBPS_MAX, AUDIO_KBPS_MIN

EXIT_OK = 0
EXIT_BROKEN = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

DEFAULT_EDGE = "ws://127.0.0.1:8082"
REPORT_SECONDS = 5.0

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ngage-studio: the exit code."""
    options = _parser().parse_args(arguments)
    logs.configure(options.log_level, options.log_format)
    try:
        edges = [_edge(edge) for edge in options.edge or [DEFAULT_EDGE]]
        feed = open_feed(options.source, _choices(options))
    except StudioError as error:
        print(f"ngage-studio: {error}", file=sys.stderr)
        return EXIT_USAGE
    links = [Link(edge, options.channel, options.api_key) for edge in edges]

    def ready(address: str) -> None:
        where = f"source={address} channel={options.channel} pid={os.getpid()}"
        print(f"ngage-studio ready {where}", flush=True)

    try:
        return uvloop.run(_until_signal(run(feed, links, options.report, ready)))
    except NgageError as error:
        log.error("%s", error)
        return EXIT_BROKEN


async def _until_signal(work: Coroutine[Any, Any, None]) -> int:
    """0 if it ends by itself or by SIGTERM, which is how a service is stopped."""
    codes = {signal.SIGTERM: EXIT_OK, signal.SIGINT: EXIT_INTERRUPTED}
    got: list[signal.Signals] = []
    task = asyncio.ensure_future(work)

    def end(number: signal.Signals) -> None:
        got.append(number)
        task.cancel()

    for number in codes:
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        await task
    except asyncio.CancelledError:
        return codes[got[0]]
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ngage-studio",
        description="Show live video: encode a file or a test picture, or carry what OBS sends.",
        epilog="OBS: Settings, Stream, Custom; server rtmp://HOST:PORT/APP and the stream key.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="pattern, a file, rtmp://HOST:PORT/APP to listen at, or what FFmpeg reads (srt://...)",
    )
    parser.add_argument(
        "--edge",
        metavar="ws://HOST:PORT",
        action="append",
        help=f"what ngage-edge has as --studio; may be repeated (default {DEFAULT_EDGE})",
    )
    parser.add_argument(
        "--channel",
        metavar="NAME",
        default=LIVE_CHANNEL,
        help=f"channel to publish in (default {LIVE_CHANNEL})",
    )
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        default=os.environ.get("NGAGE_API_KEY", ""),
        help="the edges' api_key (default: NGAGE_API_KEY of the environment)",
    )
    parser.add_argument(
        "--stream-key",
        metavar="KEY",
        default=os.environ.get("NGAGE_STREAM_KEY", ""),
        help="what a publisher over RTMP must give (default: NGAGE_STREAM_KEY of the environment)",
    )
    parser.add_argument(
        "--ffmpeg",
        metavar="PROGRAM",
        default=os.environ.get("NGAGE_FFMPEG", "ffmpeg"),
        help="for sources that it reads (default: NGAGE_FFMPEG of the environment, or ffmpeg)",
    )
    parser.add_argument(
        "--renditions",
        metavar="LIST",
        default=renditions.AUTO,
        help="lower sizes beside the source's own: auto (of 720, 480 and 360 what is lower), none, "
        "or HEIGHT or HEIGHT:KBPS with commas (default auto)",
    )
    parser.add_argument(
        "--audio-kbps",
        metavar="KBPS",
        type=int,
        default=AUDIO_KBPS,
        help=f"of the sound that is encoded here (default {AUDIO_KBPS})",
    )
    parser.add_argument(
        "--report",
        metavar="SECONDS",
        type=float,
        nargs="?",
        const=REPORT_SECONDS,
        default=0.0,
        help=f"log rates, delay and drops so often (default without a value {REPORT_SECONDS:g})",
    )
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info"
    )
    parser.add_argument("--log-format", choices=("plain", "json"), default="plain")
    parser.add_argument("--version", action="version", version=f"ngage-studio {__version__}")
    return parser


def _choices(options: argparse.Namespace) -> Choices:
    try:
        wishes = renditions.parse(options.renditions)
    except ValueError as error:
        raise StudioError(f"--renditions: {error}") from error
    kbps = options.audio_kbps
    if not AUDIO_KBPS_MIN <= kbps <= AUDIO_KBPS_MAX:
        raise StudioError(f"--audio-kbps {kbps}: it is {AUDIO_KBPS_MIN} to {AUDIO_KBPS_MAX}")
    return Choices(wishes, kbps, options.stream_key, options.ffmpeg)


def _edge(text: str) -> str:
    """ws://HOST:PORT in its canonical form."""
    parts = urlsplit(text)
    with contextlib.suppress(ValueError):
        if parts.scheme == "ws" and parts.hostname and parts.port and parts.path in ("", "/"):
            return f"ws://{parts.netloc}"
    raise StudioError(f"--edge {text}: it must be ws://HOST:PORT")

"""How far behind a viewer is whose link carries less than the stream, and whether it can decode it.

`python -m bench.slow_viewer [--rate 500] [--seconds 30] [--renditions 180:250]`, as root. An edge,
a studio and FFmpeg, which publishes 800 kbit/s by RTMP as OBS would, live in one network; the
viewer in another, behind a token bucket (tc tbf) of `--rate` kbit/s. Age is from a picture's
entering the studio to the viewer's having it whole, one clock for both. What it got is then decoded
by FFmpeg, which says what is broken. With lower renditions, those it was moved to are told one
after the other.
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from bench.levers import networks
from ngage.video import message
from ngage.video.message import RENDITION_AUDIO, Message, Type
from tests.helpers.daemon import Daemon
from tests.helpers.studio import Studio, intake

CHANNEL = "live"
SETTLE_SECONDS = 5.0
RETRY_SECONDS = 0.2
BUCKET = ("burst", "8kb", "latency", "200ms")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.slow_viewer", description=__doc__)
    parser.add_argument("--rate", type=int, default=500, help="of the link, kbit/s (default 500)")
    parser.add_argument("--seconds", type=int, default=30, help="to look (default 30)")
    parser.add_argument(
        "--renditions", default="none", help="beside the 800 kbit/s, as ngage-studio has it"
    )
    options = parser.parse_args()
    network = networks.veth()
    bucket = ("tbf", "rate", f"{options.rate}kbit", *BUCKET)
    command = [*network.within, "tc", "qdisc", "add", "dev", "server", "root", *bucket]
    subprocess.run(command, check=True)
    edge = Daemon(
        *("--listen", f"{network.address}:0", "--studio", "127.0.0.1:0"), wrapper=network.within
    )
    with edge as daemon:
        arguments = ("--edge", intake(daemon), "--stream-key", "key")
        arguments += ("--renditions", options.renditions)
        source = "rtmp://127.0.0.1:0/live"
        with (
            Studio(source, *arguments, wrapper=network.within) as studio,
            subprocess.Popen(publisher(network.within, f"{studio.source}/key")) as ffmpeg,
        ):
            try:
                got = watch(daemon.url, options.seconds)
            finally:
                ffmpeg.kill()
    report(got, options.rate)


def publisher(within: Sequence[str], target: str) -> list[str]:
    program = shutil.which("ffmpeg") or "ffmpeg"
    return [
        *(*within, program, "-nostdin", "-v", "error", "-re"),
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"),
        *("-f", "lavfi", "-i", "sine=frequency=440"),
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", "30"),
        *("-b:v", "736k", "-maxrate", "736k", "-bufsize", "368k", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "64k", "-f", "flv", target),
    ]


def watch(url: str, seconds: int) -> list[tuple[int, Message]]:
    """Messages and when they came (Unix time, microseconds), from INIT on."""
    got: list[tuple[int, Message]] = []
    until = time.monotonic() + seconds + SETTLE_SECONDS
    while time.monotonic() < until:
        try:
            with connect(f"{url}/ws/{CHANNEL}", max_size=None, compression=None) as viewer:
                while time.monotonic() < until:
                    data = viewer.recv(SETTLE_SECONDS)
                    assert isinstance(data, bytes)
                    got.append((time.time_ns() // 1000, message.parse(data)))
        except (OSError, TimeoutError, WebSocketException) as error:
            print(f"the viewer tries again: {error}")  # until the studio is there, a 404
            time.sleep(RETRY_SECONDS)
    return got


def report(got: list[tuple[int, Message]], rate: int) -> None:
    init = next(m for _, m in got if m.type is Type.INIT)
    pictures = [(at, m) for at, m in got if m.type is Type.MEDIA and m.rendition < RENDITION_AUDIO]
    settled = pictures[0][0] + SETTLE_SECONDS * 1e6
    ages = np.array([(at - m.t_in_us) / 1000 for at, m in pictures if at > settled])
    bits = sum(len(m.payload) for _, m in got) * 8 / ((got[-1][0] - got[0][0]) / 1e6) / 1000
    p50, p95 = np.percentile(ages, (50, 95))
    print(f"link {rate} kbit/s, {bits:.0f} kbit/s received")
    print(f"age of pictures: p50 {p50:.0f}, p95 {p95:.0f}, most {ages.max():.0f} ms")
    about, inits = message.parse_tracks(init.payload)
    tracks = {track["id"]: init for track, init in zip(about["tracks"], inits, strict=True)}
    for rendition, run in groupby((m for _, m in pictures), key=lambda m: m.rendition):
        shown = list(run)
        span = shown[-1].seq - shown[0].seq + 1
        print(f"rendition {rendition}: pictures received {len(shown)} of {span}")
        decode(tracks[rendition] + b"".join(m.payload for m in shown), len(shown))


def decode(stream: bytes, pictures: int) -> None:
    """Every picture received must come out whole."""
    program = shutil.which("ffmpeg") or "ffmpeg"
    ended = subprocess.run(
        [program, "-v", "error", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
        input=stream,
        capture_output=True,
        check=False,
    )
    decoded = sum(1 for line in ended.stdout.splitlines() if not line.startswith(b"#"))
    said = ended.stderr.decode(errors="replace").strip()
    print(f"decoded: {decoded} of {pictures}; FFmpeg complains: {said or 'of nothing'}")


if __name__ == "__main__":
    main()

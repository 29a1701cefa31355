"""How many viewers of live video a core carries: ngage-edge beside nginx-rtmp, in turns.

`python -m bench.viewers [--viewers 3000] [--seconds 10] [--rounds 3]`. FFmpeg publishes one stream
of 800 kbit/s by RTMP to both (to ngage through ngage-studio, whose work is its own process and not
counted). The viewers are sockets that ask and then drain what comes, the same code for both, in a
process of their own. A server's cost is the kernel's CPU time of its process while they watch; on
loopback that includes the receivers' half of TCP. Viewers per core is how many would fill one at
that cost. nginx-rtmp is Debian's `libnginx-mod-rtmp`; where it is missing, ngage stands alone. The
floor is a loop of send() in C, of as many bytes as often, with nothing to keep.
"""

import argparse
import contextlib
import multiprocessing
import os
import platform
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.harness import Server, floor
from ngage.video.rtmp import amf0
from ngage.video.rtmp.chunks import ChunkWriter, Message, Type
from tests.helpers.daemon import Daemon
from tests.helpers.studio import Studio, intake

HOST = "127.0.0.1"
WARM_SECONDS = 4.0
TICKS_MS = (100, 0, 500)
RATE_BPS = 800_000
FRAME_MS = 1000 / 77  # 30 pictures and 47 sound frames a second
ASK = (
    b"GET /ws/live HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
HANDSHAKE_BYTES = 1536
NGINX = """
load_module {module};
daemon off; master_process off; worker_rlimit_nofile 10000;
pid {directory}/pid; error_log {directory}/error.log error;
events {{ worker_connections 4096; }}
rtmp {{ server {{ listen {host}:{port}; chunk_size 4096; application live {{ live on; }} }} }}
"""


class Cost(NamedTuple):
    """Of one server in one round: share of a core, and what all viewers received a second."""

    cores: float
    bytes_per_second: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.viewers", description=__doc__)
    parser.add_argument("--viewers", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=10.0, help="to watch in each turn")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, Linux {platform.release()}, load {load}")
    print(f"{options.viewers} viewers of 800 kbit/s, {options.rounds} rounds of turns\n")
    costs: dict[str, list[Cost]] = {}
    for _ in range(options.rounds):
        for tick_ms in TICKS_MS:
            name = f"ngage-edge, every {tick_ms} ms" if tick_ms else "ngage-edge, every frame"
            costs.setdefault(name, []).append(ngage(tick_ms, options.viewers, options.seconds))
            name = f"send() in C, every {tick_ms or FRAME_MS:.0f} ms"
            costs.setdefault(name, []).append(bare(tick_ms, options.viewers, options.seconds))
        if NGINX_MODULE.exists():
            costs.setdefault("nginx-rtmp", []).append(nginx(options.viewers, options.seconds))
    print("| server | of a core | viewers per core | kbit/s each |")
    print("|---|---:|---:|---:|")
    for name, rounds in costs.items():
        cores = statistics.median(cost.cores for cost in rounds)
        rate = statistics.median(cost.bytes_per_second for cost in rounds)
        each = rate * 8 / 1000 / options.viewers
        print(f"| {name} | {cores:.3f} | {options.viewers / cores:,.0f} | {each:.0f} |")


def ngage(tick_ms: int, viewers: int, seconds: float) -> Cost:
    settings = ("--studio", f"{HOST}:0", "--set", f"channel_tick_ms={tick_ms}")
    with Daemon(*settings) as daemon:
        arguments = ("--edge", intake(daemon), "--stream-key", "key")
        with (
            Studio(f"rtmp://{HOST}:0/live", *arguments) as studio,
            running(publisher(f"{studio.source}/key")),
        ):
            time.sleep(WARM_SECONDS)
            return watched(daemon.pid, daemon.public, [ASK], viewers, seconds)


def bare(tick_ms: int, viewers: int, seconds: float) -> Cost:
    with floor(viewers) as server:
        ended = threading.Event()
        pace = threading.Thread(target=send_paced, args=(server, tick_ms or FRAME_MS, ended))
        pace.start()
        try:
            return watched(server.pid, (HOST, server.port), [ASK], viewers, seconds)
        finally:
            ended.set()
            pace.join()


def send_paced(server: Server, every_ms: float, ended: threading.Event) -> None:
    """From when all have been let in."""
    server.answer()
    due = time.monotonic()
    while not ended.wait(max(0.0, due - time.monotonic())):
        server.publish("send", 1, round(every_ms * RATE_BPS / 8000))
        due += every_ms / 1000


def nginx(viewers: int, seconds: float) -> Cost:
    with tempfile.TemporaryDirectory() as directory:
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        config = Path(directory) / "nginx.conf"
        config.write_text(
            NGINX.format(module=NGINX_MODULE, directory=directory, host=HOST, port=port)
        )
        with (
            running(["nginx", "-p", directory, "-c", str(config)]) as server,
            running(publisher(f"rtmp://{HOST}:{port}/live/key")),
        ):
            time.sleep(WARM_SECONDS)
            return watched(server.pid, (HOST, port), rtmp_play("key"), viewers, seconds)


def rtmp_play(stream: str) -> list[bytes]:
    """What a player says: before the server's handshake, and after it."""
    writer = ChunkWriter()

    def command(stream_id: int, *values: amf0.Encodable) -> bytes:
        body = amf0.encode(*values)
        return writer.write(3, Message(Type.COMMAND_AMF0, stream_id, 0, body))

    hello = b"\x03" + bytes(HANDSHAKE_BYTES)
    return [
        hello,
        bytes(HANDSHAKE_BYTES)
        + command(0, "connect", 1.0, {"app": "live", "tcUrl": f"rtmp://{HOST}/live"})
        + command(0, "createStream", 2.0, None)
        + command(1, "play", 3.0, None, stream),
    ]


def watched(
    pid: int, address: tuple[str, int], says: Sequence[bytes], viewers: int, seconds: float
) -> Cost:
    """The server's cost while `viewers` sockets watch, from when all have been let in."""
    ours, theirs = multiprocessing.Pipe()
    crowd = multiprocessing.Process(target=watch, args=(address, says, viewers, theirs))
    crowd.start()
    assert ours.recv() == "all in"
    time.sleep(WARM_SECONDS)
    ours.send("count")
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    ours.send("end")
    spent, lasted = cpu_seconds(pid) - before, time.monotonic() - began
    received = ours.recv()
    crowd.join()
    return Cost(spent / lasted, received / lasted)


def watch(address: tuple[str, int], says: Sequence[bytes], viewers: int, pipe) -> None:
    """The crowd's process: connect all, say what there is to say, drain."""
    with contextlib.ExitStack() as sockets, selectors.EpollSelector() as selector:
        for _ in range(viewers):
            viewer = sockets.enter_context(socket.create_connection(address))
            viewer.sendall(says[0])
            if len(says) > 1:
                left = 1 + 2 * HANDSHAKE_BYTES
                while left:
                    left -= len(viewer.recv(left))
                viewer.sendall(says[1])
            viewer.setblocking(False)
            selector.register(viewer, selectors.EVENT_READ)
        selector.register(pipe, selectors.EVENT_READ)
        pipe.send("all in")
        buffer = bytearray(1 << 20)
        received = 0
        while True:
            for key, _ in selector.select():
                if key.fileobj is not pipe:
                    received += key.fileobj.recv_into(buffer)
                elif pipe.recv() == "count":
                    received = 0
                else:
                    pipe.send(received)
                    return


def publisher(target: str) -> list[str]:
    return [
        *(shutil.which("ffmpeg") or "ffmpeg", "-nostdin", "-v", "error", "-re"),
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"),
        *("-f", "lavfi", "-i", "sine=frequency=440"),
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", "30"),
        *("-b:v", "736k", "-minrate", "736k", "-maxrate", "736k", "-bufsize", "368k"),
        *("-x264-params", "nal-hrd=cbr", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "64k", "-f", "flv", target),
    ]


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()

"""One measurement: a fresh server, a mob that connects, is published to and drains, and the bill.

mobsim says when its mob is complete and when the last fan has the last publication, and rests after
both; the server's bill is read there, so that upgrades, deliveries and the good-bye are told apart.
"""

import os
import re
import subprocess
from pathlib import Path

import msgspec

from bench.peers.footprint import Footprint
from bench.peers.peers import PeerError
from bench.peers.server import Built, Server
from ngage.mob.measure.results import Result, Verdict, read_result

CONNECTED, DRAINED = "connected", "drained"
MARK = re.compile(rf"\bphase: ({CONNECTED}|{DRAINED})$")  # ends a line of mobsim
PUBLICATION_BYTES = 128


class Load(msgspec.Struct, frozen=True):
    """`burst` publications at once, every `tick` seconds, for `seconds`."""

    fans: int
    burst: int
    tick: float
    seconds: float

    @property
    def options(self) -> list[str]:
        """As mobsim takes them: a rate is of bursts."""
        return [
            *("--fans", str(self.fans), "--duration", f"{self.seconds:g}s"),
            *("--rate", f"{1 / self.tick:g}", "--burst", str(self.burst)),
            *("--size", str(PUBLICATION_BYTES)),
        ]


class Sample(msgspec.Struct, kw_only=True):
    """What one measurement found. Times of the server are CPU time of all its threads."""

    peer: str
    version: str
    load: Load
    upgrades_per_second: float
    upgrade_us: float
    connection_bytes: float  # growth of RSS
    delivery_us: float
    delivery_switches: float  # context switches of the server
    latency_ms: tuple[float, float, float]  # p50, p99, max
    deliveries: int
    incomplete: int  # missing, doubled, late or altered publications, and fans that failed
    saturated: bool  # mobsim could not keep up: the latencies are its own
    load_average: float  # before it began
    network: str  # where: network.enter()


def measure(built: Built, load: Load, mobsim: list[str], file: Path, network: str) -> Sample:
    """Measure one peer; mobsim writes its results to `file`. Raises PeerError."""
    load_average = os.getloadavg()[0]
    with Server(built) as server:
        idle = server.footprint()
        marks, result = _drive(server, load, mobsim, file)
        connected, drained = marks[CONNECTED] - idle, marks[DRAINED] - marks[CONNECTED]
    messages, latency = result.messages, result.latency_ms
    deliveries = max(1, messages.received)
    faults = messages.gaps + messages.duplicates + messages.reordered + messages.corrupt
    lost = messages.expected - messages.received
    return Sample(
        peer=built.peer.name,
        version=built.peer.version(),
        load=load,
        upgrades_per_second=result.connect.per_second,
        upgrade_us=connected.cpu_seconds * 1e6 / load.fans,
        connection_bytes=connected.resident_bytes / load.fans,
        delivery_us=drained.cpu_seconds * 1e6 / deliveries,
        delivery_switches=drained.switches / deliveries,
        latency_ms=(latency.p50, latency.p99, latency.max),
        deliveries=messages.received,
        incomplete=max(faults, lost) + result.fans.failed,
        saturated=result.verdict is Verdict.SATURATED,
        load_average=load_average,
        network=network,
    )


def _drive(
    server: Server, load: Load, mobsim: list[str], file: Path
) -> tuple[dict[str, Footprint], Result]:
    command = [*mobsim, "quick", "--target", server.url, *load.options, *server.publish]
    command += ["--json", str(file)]
    marks: dict[str, Footprint] = {}
    line = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if mark := MARK.search(line.rstrip()):
                marks[mark[1]] = server.footprint()
    if marks.keys() != {CONNECTED, DRAINED}:
        raise PeerError(
            f"mobsim ended with {process.returncode}, {' and '.join(marks) or 'never connected'}: "
            f"{line.strip()}"
        )
    return marks, read_result(file)

"""One stage: a server, the crowd in front of it, rounds, and the bill."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness import resident_bytes
from bench.scale.crowd import QUIET_SECONDS, Crowd, Say
from bench.scale.figures import Connecting, Idle, Stage
from bench.scale.restart import restart
from bench.scale.servers import Edge, Floor, Server, cpu_seconds
from ngage.api import SPREAD_SHARE
from ngage.settings import Settings
from ngage_core.swarm import publication

FIRST_BYTES = 128
GONE_SECONDS = 120.0
SOCKETS = Path("/proc/net/sockstat")  # of our network
FEW = 1000
SLABS = Path("/proc/slabinfo")
CONNECTS_PER_SECOND = 15_000  # of two cores, where no floor was measured
LATE_SHARE = 1.5
PING_LOOK_SECONDS = 5.0  # a shard pings in steps of a second
SETTINGS = Settings()


def floor_stage(fans: int, sizes: Sequence[int], say: Say) -> Stage:
    """Raises ScaleError if it does not come to its end, as the other."""
    with Floor(fans) as floor, Crowd(floor, fans, say) as crowd:
        connecting = connect(crowd, floor)
        floor.all_open()
        rounds, faults = crowd.hear_all(sizes)
        say("everybody leaves")
    await_gone()
    return Stage("floor", connecting, rounds, faults)


def edge_stage(
    fans: int,
    sizes: Sequence[int],
    idle_seconds: float,
    restarting: bool,
    say: Say,
    *,
    connect_seconds: float = 0.0,
    steady: bool = False,
) -> Stage:
    """idle_seconds 0: the crowd is not watched while it is idle. steady: only once it is pinged.
    connect_seconds: of the floor; at a restart everybody is sent away within so long."""
    with Edge(fans, drain_seconds(fans, connect_seconds)) as edge:
        first = edge.publish(publication(time.monotonic_ns(), 1, FIRST_BYTES))
        before = resident_bytes(edge.pid)
        with Crowd(edge, fans, say) as crowd:
            # The first publication made the channel: its offset tells the numbers of all others.
            crowd.swarm.anchor(0, int(first.epoch, 16), 1 - first.offset)
            connecting = connect(crowd, edge)
            idle = _idle(crowd, edge, idle_seconds, steady=steady) if idle_seconds else None
            rounds, faults = crowd.hear_all(sizes)
            bytes_after = (resident_bytes(edge.pid) - before) / fans
            returned = None
            if restarting and not faults:
                returned, faults = restart(crowd, edge)
                faults += crowd.hear(FIRST_BYTES)[1]
            say("everybody leaves")
    await_gone()
    return Stage("ngage", connecting, rounds, faults, idle, returned, bytes_after)


def drain_seconds(fans: int, connect_seconds: float) -> int:
    """Nobody is to be sent away faster than this host lets people in. The edge closes in 0.8 of the
    time that it is given, if it can; the rest is for who comes late."""
    seconds = connect_seconds or fans / CONNECTS_PER_SECOND
    return math.ceil(max(10.0, LATE_SHARE * seconds / SPREAD_SHARE))


def connect(crowd: Crowd, server: Server) -> Connecting:
    """Let everybody in, and what that took."""
    fans = crowd.fans
    resident = resident_bytes(server.pid), crowd.bytes_before
    kernel, cpu = _kernel_bytes(), cpu_seconds(server.pid)
    seconds = crowd.connect()
    grown = resident_bytes(server.pid) - resident[0], resident_bytes() - resident[1]
    found = Connecting(
        seconds=seconds,
        server_bytes=grown[0] / fans,
        mob_bytes=grown[1] / fans,
        kernel_bytes=(_kernel_bytes() - kernel) / fans,
        server_cpu_us=(cpu_seconds(server.pid) - cpu) / fans * 1e6,
        mob_cpu_us=crowd.swarm.cpu_seconds() / fans * 1e6,
        threads=crowd.swarm.threads,
    )
    crowd.say(
        f"all {fans:,} connected in {seconds:.1f} s: {fans / seconds:,.0f} per second, bytes each: "
        f"server {found.server_bytes:.0f}, mob {found.mob_bytes:.0f}, "
        f"kernel {found.kernel_bytes:,.0f}"
    )
    return found


def _await_pings(crowd: Crowd) -> None:
    """Until pings flow at their rate, but not for ever."""
    rate = SETTINGS.pings_per_second
    patience = 2 * (SETTINGS.ping_interval_seconds + crowd.fans / rate)
    crowd.say(f"idle until pings flow, at most {patience:.0f} s")
    deadline = time.monotonic() + patience
    before = crowd.swarm.progress()["pings"]
    while time.monotonic() < deadline:
        time.sleep(PING_LOOK_SECONDS)
        now = crowd.swarm.progress()["pings"]
        if now - before > rate * PING_LOOK_SECONDS / 2:
            return
        before = now


def _idle(crowd: Crowd, edge: Edge, seconds: float, *, steady: bool) -> Idle:
    if steady:
        _await_pings(crowd)
    crowd.say(f"idle for {seconds:g} s")
    time.sleep(QUIET_SECONDS)
    before = cpu_seconds(edge.pid), crowd.swarm.cpu_seconds(), crowd.swarm.progress()["pings"]
    started = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - started
    found = Idle(
        seconds=took,
        server_cores=(cpu_seconds(edge.pid) - before[0]) / took,
        mob_cores=(crowd.swarm.cpu_seconds() - before[1]) / took,
        pings=crowd.swarm.progress()["pings"] - before[2],
    )
    crowd.say(
        f"idle: {found.server_cores:.3f} cores for the server, {found.mob_cores:.3f} for the mob, "
        f"{found.pings / took:,.0f} pings per second"
    )
    return found


def _kernel_bytes() -> int:
    """Of all objects in use in the kernel's caches (slabinfo(5)). Sockets, files and their epoll
    entries are such; memory that the caches keep for later is not counted."""
    fields = [line.split() for line in SLABS.read_text().splitlines()[2:]]
    return sum(int(objects) * int(size) for _, objects, _, size, *_ in fields)


def await_gone() -> None:
    """Until the kernel has let go of the sockets of this network, so that the next stage is alone.

    Those that wait (TIME_WAIT) are small and in nobody's way.
    """
    deadline = time.monotonic() + GONE_SECONDS
    while time.monotonic() < deadline:
        words = SOCKETS.read_text().partition("TCP: inuse ")[2].split()
        if int(words[0]) < FEW:
            return
        time.sleep(QUIET_SECONDS)

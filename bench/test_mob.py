"""What does a fan of the mob cost beside one of bare C: connecting, receiving, kept, left alone?

The bare crowd (floor/receiver.c) makes the same system calls and tells frames by their lengths; it
checks nothing. Both are sent the same bytes by a bare server each, in turns, A B A B. Medians of
the exact CPU time of the receiving thread, and of the ratios of neighbouring rounds.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

import pytest

from bench.harness import (
    CONGESTION,
    Program,
    Server,
    bare_crowd,
    crowd,
    engine,
    floor,
    let_fans_wait_their_turn,
    must_be_complete,
    on_cpu,
    resident_bytes,
    shards_for,
    stage,
)
from bench.turns import Figure, ratio_of
from ngage_core.swarm import Swarm

FANS = 15_000
BYTES = 128
ROUNDS = 60
WARM_UP_ROUNDS = 5
SWEEP_SECONDS = 0.25  # more than a bare server takes for one round
CONNECTS = 12_000
CONNECT_ROUNDS = 7
IDLE_FANS = 200_000
IDLE_SECONDS = 25


@dataclass
class Audience:
    """A server and the crowd it sends to."""

    server: Server
    spent_us: Callable[[], float]
    must_have: Callable[[int], None]
    rounds: list[float] = field(default_factory=list)  # us of CPU for each message

    def round(self, mode: str, frames: int) -> None:
        before = self.spent_us()
        self.server.publish(mode, frames, BYTES)
        time.sleep(SWEEP_SECONDS)  # nobody asks a crowd how far it is while it reads
        self.must_have(self.server.sequence)
        self.rounds.append((self.spent_us() - before) / (frames * FANS))


def bare_audience(stack: ExitStack, server: Server) -> tuple[Audience, Program]:
    program = stack.enter_context(bare_crowd(server.port, FANS))
    program.answer()

    def must_have(publications: int) -> None:
        while program.ask("frames")["frames"] < publications * FANS:
            time.sleep(SWEEP_SECONDS)

    return Audience(server, lambda: program.cost().total, must_have), program


def mob_audience(stack: ExitStack, server: Server) -> Audience:
    swarm = stack.enter_context(crowd(server.port, FANS, check_key=False))

    def must_have(publications: int) -> None:
        must_be_complete(swarm, publications)

    return Audience(server, lambda: 1e6 * swarm.cpu_seconds(), must_have)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fans", ["afterwards", "at once on another CPU"])
def test_receiving(figure: Figure, fans: str) -> None:
    with ExitStack() as stack:
        with on_cpu(0):
            servers = [stack.enter_context(floor(FANS)) for _ in range(2)]
        stack.enter_context(on_cpu(-1))
        bare, program = bare_audience(stack, servers[0])
        mob = mob_audience(stack, servers[1])
        for server in servers:
            server.answer()  # of its accepts
        if fans == "afterwards":
            let_fans_wait_their_turn(servers[0], program)
        for mode, frames in [("send", 1), ("vector", 8)]:
            for _ in range(WARM_UP_ROUNDS + ROUNDS):
                bare.round(mode, frames)
                mob.round(mode, frames)
            ours, theirs = mob.rounds[-ROUNDS:], bare.rounds[-ROUNDS:]
            ratio = ratio_of(ours, theirs)
            figure(
                f"mob: {frames} x {BYTES} bytes received {fans}: us of CPU per message",
                f"{median(ours):.3f} = {ratio:.3f}x",
                floor=f"{median(theirs):.3f} (recv)",
                target="1.2x" if frames == 1 else "",
                ratio=ratio,
            )


def bare_connects() -> tuple[float, float]:
    """us of CPU and of time for each."""
    with on_cpu(0):
        server = floor(CONNECTS)
    with server, on_cpu(-1), bare_crowd(server.port, CONNECTS) as program:
        answer = program.answer()
        return answer["cpu_us"] / CONNECTS, answer["wall_us"] / CONNECTS


def mob_connects() -> tuple[float, float]:
    with on_cpu(0):
        server = floor(CONNECTS)
    with server, on_cpu(-1):
        swarm = Swarm(
            stage(server.port),
            fans=CONNECTS,
            source="127.0.0.0/8",
            congestion=CONGESTION,
            check_key=False,
        )
        try:
            before, started = swarm.cpu_seconds(), time.monotonic()
            assert swarm.connect(60) == CONNECTS, swarm.progress()
            took = time.monotonic() - started
            return 1e6 * (swarm.cpu_seconds() - before) / CONNECTS, 1e6 * took / CONNECTS
        finally:
            swarm.stop()


@pytest.mark.timeout(1800)
def test_connecting(figure: Figure) -> None:
    """To a bare server on the other CPU."""
    bare, mob = [], []
    for _ in range(1 + CONNECT_ROUNDS):
        bare.append(bare_connects())
        mob.append(mob_connects())
    bare_cpu, bare_wall = zip(*bare[1:], strict=True)
    mob_cpu, mob_wall = zip(*mob[1:], strict=True)
    share = ratio_of(bare_wall, mob_wall)
    figure(
        f"mob: {CONNECTS:,} connects, window 256: per second",
        f"{1e6 / median(mob_wall):,.0f} = {share:.2f}x",
        floor=f"{1e6 / median(bare_wall):,.0f}",
    )
    ratio = ratio_of(mob_cpu, bare_cpu)
    figure(
        f"mob: {CONNECTS:,} connects: us of CPU for each",
        f"{median(mob_cpu):.1f} = {ratio:.3f}x",
        floor=f"{median(bare_cpu):.1f}",
        ratio=ratio,
    )


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("ping_interval_ms", "idle"), [(0, "no pings"), (25_000, "a ping each 25 s")]
)
def test_idling(figure: Figure, ping_interval_ms: int, idle: str) -> None:
    """Memory is the growth of this whole process, threads and buffers with it."""
    with engine(shards=shards_for(IDLE_FANS), ping_interval_ms=ping_interval_ms) as ours:
        base = resident_bytes()
        with crowd(ours.port, IDLE_FANS, window=64) as swarm:
            connected = resident_bytes()
            before = swarm.cpu_seconds()
            time.sleep(IDLE_SECONDS)
            share = (swarm.cpu_seconds() - before) / IDLE_SECONDS
            ours.publish("send", 1, BYTES)
            must_be_complete(swarm, 1)
            received = resident_bytes()
    figure(
        f"mob: {IDLE_FANS:,} fans, {idle}: % of a core",
        f"{100 * share:.2f}",
        target="1" if ping_interval_ms == 0 else "",
    )
    figure(
        "  bytes of RSS for each fan: connected, and after a publication",
        f"{(connected - base) / IDLE_FANS:.0f}, {(received - base) / IDLE_FANS:.0f}",
        target="256",
    )

"""What does a crowd cost: to let in, to keep, when it is slow, and when it is large?"""

import time
from contextlib import ExitStack
from statistics import median

import pytest

from bench.harness import (
    CONGESTION,
    crowd,
    engine,
    floor,
    must_be_complete,
    on_cpu,
    percentile_ms,
    resident_bytes,
    shards_for,
)
from bench.turns import Figure, ratio_of
from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step, Target
from ngage_core.swarm import Swarm

PAUSE = 1  # the step of a fan that stops reading
READER = Persona("reader", receive_buffer=4096)
STALLER = Persona("staller", steps=(Step(), Step(Action.PAUSE)), receive_buffer=4096)
BYTES = 128
UPGRADES = 12_000
WATCHERS = 1_000


def floor_of_an_upgrade() -> float:
    """us of CPU for accept4, epoll_ctl, recv, send."""
    with on_cpu(0):
        bare = floor(UPGRADES)
    with bare, on_cpu(-1), crowd(bare.port, UPGRADES, check_key=False):
        return float(bare.answer()["cpu_us"]) / UPGRADES


@pytest.mark.timeout(1800)
def test_upgrades_while_a_broadcast_goes_on(figure: Figure) -> None:
    """A publication every 100 ms to the watchers while newcomers for another channel connect.

    CPU time of the one shard until the last newcomer is in, the deliveries counted with it.
    """
    rounds, period = 5, 0.1
    costs, quiet_ms, busy_ms, floors = [], [], [], []
    quanta, pauses = [], []
    for _ in range(rounds):
        floors.append(floor_of_an_upgrade())
        with ExitStack() as stack:
            with on_cpu(0):
                ours = stack.enter_context(engine())
            stack.enter_context(on_cpu(-1))
            watchers = stack.enter_context(crowd(ours.port, WATCHERS))
            for _ in range(10):
                ours.publish("send", 1, BYTES)
                must_be_complete(watchers, ours.sequence)
                time.sleep(period)
            quiet_ms.append(percentile_ms(watchers, 1.0))

            watchers.reset(ours.sequence + 1)
            newcomers = Swarm(
                [Target("127.0.0.1", ours.port, "/ws/foyer")],
                fans=UPGRADES,
                source="127.0.0.0/8",
                congestion=CONGESTION,
            )
            stack.callback(newcomers.stop)
            first, before = ours.sequence, ours.cost()
            newcomers.connect(0)
            while newcomers.progress()["opened"] < UPGRADES:
                assert newcomers.progress()["failed"] == 0, newcomers.progress()
                ours.publish("send", 1, BYTES)
                time.sleep(period)
            must_be_complete(watchers, ours.sequence - first)
            costs.append((ours.cost() - before).total / UPGRADES)
            counters = ours.ask("counters")
            quanta.append(counters["quantum_us_max"] / 1000)
            pauses.append(counters["pause_us_max"] / 1000)
            busy_ms.append(percentile_ms(watchers, 1.0))
    each, bare_each = median(costs), median(floors)
    figure(
        "the last watcher of the worst publication: ms after the intended send",
        f"{median(busy_ms):.1f}",
        floor=f"{median(quiet_ms):.1f} (no upgrades)",
    )
    figure(
        "longest work between two quanta of a sweep: ms of CPU",
        f"{median(pauses):.2f}",
        target=f"a quantum's {median(quanta):.2f}",
    )
    ratio = ratio_of(costs, floors)
    figure(
        f"{UPGRADES:,} upgrades during a broadcast to {WATCHERS:,}: per second and core",
        f"{1e6 / each:,.0f} ({each:.1f} us = {ratio:.2f}x)",
        floor=f"{1e6 / bare_each:,.0f} ({bare_each:.1f} us, no broadcast)",
        target="20,000",
        ratio=ratio,
    )


@pytest.mark.timeout(1800)
def test_memory_of_idle_subscribers(figure: Figure) -> None:
    for fans in (15_000, 100_000):
        with engine(shards=shards_for(fans)) as ours:
            base = resident_bytes(ours.pid)
            with crowd(ours.port, fans) as swarm:
                each = (resident_bytes(ours.pid) - base) / fans
                figure(
                    f"user memory of each of {fans:,} idle subscribers: bytes of RSS",
                    f"{each:.0f}",
                    target="160",
                )
                ours.publish("send", 1, BYTES)
                must_be_complete(swarm, 1)
                each = (resident_bytes(ours.pid) - base) / fans
                figure("  the same after a publication to all", f"{each:.0f}", target="160")


@pytest.mark.timeout(1800)
def test_memory_of_slow_viewers(figure: Figure) -> None:
    """The ring is filled while all read; then half of them stop, and it is overrun many times.

    Who stops within a frame holds on to that frame, so stopping costs the frames in which somebody
    stopped; being overrun costs nothing more.
    """
    fans, viewers, size = 2_000, 1_000, 4096
    burst, ring, overruns = 64, 256, 64
    with ExitStack() as stack:
        ours = stack.enter_context(engine(ring_frames=ring, ring_bytes=ring * 8192))
        swarm = stack.enter_context(crowd(ours.port, fans, personas=(READER, STALLER)))

        def overrun(times: int) -> int:
            for _ in range(times * ring // burst):
                ours.publish("send", burst, size)
                time.sleep(0.01)
            time.sleep(0.25)  # for those who read: nobody but who has stopped is blocked then
            return resident_bytes(ours.pid)

        for _ in range(2 * ring // burst):
            ours.publish("send", burst, size)
            must_be_complete(swarm, ours.sequence)
        base = resident_bytes(ours.pid)
        swarm.stimulate(1, 1.0, Delay(Distribution.CONSTANT), PAUSE)
        stopped = overrun(4)
        while ours.ask("counters")["blocked"] < viewers:
            stopped = overrun(1)
        overran = overrun(overruns)
    figure(
        f"{viewers:,} viewers stop and their sockets fill: bytes of RSS for each",
        f"{(stopped - base) / viewers:.0f}",
    )
    figure(
        f"  the ring overruns them {overruns} times: further bytes for each",
        f"{(overran - stopped) / viewers:.0f}",
        target="0",
    )


@pytest.mark.timeout(1800)
def test_a_large_crowd_is_served_completely(figure: Figure) -> None:
    fans, publications = 200_000, 10
    with engine(shards=shards_for(fans)) as ours:
        started = time.monotonic()
        with crowd(ours.port, fans, check_padding=True, window=64) as swarm:
            connected = time.monotonic() - started
            seconds = []
            for _ in range(publications):
                sent = time.monotonic_ns()
                ours.publish("send", 1, BYTES)
                must_be_complete(swarm, ours.sequence)
                seconds.append((swarm.progress()["last_received_ns"] - sent) / 1e9)
            counters = swarm.progress()
            rss = resident_bytes(ours.pid)
    figure(
        f"{fans:,} subscribers in one process: received, missing, doubled, out of order, altered",
        "{received:,}, {gaps}, {duplicates}, {reordered}, {corrupt}".format(**counters),
        target=f"{fans * publications:,}, 0, 0, 0, 0",
    )
    figure(
        "  connected per second; seconds to the last receiver; server RSS",
        f"{fans / connected:,.0f}; {median(seconds):.2f}; {rss / 2**20:.0f} MiB",
    )

"""When fans come and act: arrivals, stimuli, and the times between steps."""

import asyncio
import itertools
import math
import time
from array import array
from statistics import NormalDist

import numpy
import numpy.typing
import pytest

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step
from ngage_core.swarm import Swarm
from tests.helpers.stage import Visit, closing, staged, swarm_of
from tests.helpers.wait import eventually
from tests.oracle.frames import CLOSE

Floats = numpy.typing.NDArray[numpy.float64]

NOW = Delay(Distribution.CONSTANT, 0.0)
SOON = Delay(Distribution.CONSTANT, 0.02)
NEVER_US = 0xFFFFFFFF


def idle_until(*actions: Step) -> Persona:
    """Watches; the steps from 1 on are for stimuli."""
    return Persona("idle", 1.0, (Step(), *actions))


async def opened(swarm: Swarm) -> None:
    assert await asyncio.to_thread(swarm.connect, 10) == swarm.fans


async def open_and_wait(visit: Visit) -> None:
    visit.send(visit.head(0))
    await visit.end()


# Arrivals


async def test_arrivals_are_in_order_and_on_time() -> None:
    keys: list[bytes] = []

    async def script(visit: Visit) -> None:
        keys.append(visit.key)
        visit.send(visit.head(0))
        await visit.end()

    async with staged(script) as port:
        orders = []
        for threads in (1, 1, 3):
            keys.clear()
            delays = array("I", [*range(0, 450_000, 50_000), NEVER_US])
            with swarm_of(port, 10, threads=threads) as swarm:
                start = time.monotonic_ns()
                swarm.arrive(start, delays)
                await eventually(lambda: swarm.progress()["entered"] == 9)
                assert time.monotonic_ns() - start >= 400_000_000
                assert (len(keys), swarm.progress()["arrived"]) == (9, 9)
            orders.append(list(keys))
    assert orders[0] == orders[1]
    # Threads are late each on its own, so of theirs only who came can be compared.
    assert set(orders[0]) == set(orders[2]), "fans are dealt to threads in turn"


@pytest.mark.parametrize("delays", [[0, 2, 1], [NEVER_US, 1, 2], [0, 1]])
async def test_arrivals_out_of_order_are_refused(delays: list[int]) -> None:
    with swarm_of(1, 3) as swarm, pytest.raises(ValueError, match="ascending"):
        swarm.arrive(0, array("I", delays))


# Stimuli


async def chosen(seed: int, probability: float, fans: int = 400) -> set[bytes]:
    """The fans who drop their connection when they are told to with this probability."""
    gone: set[bytes] = set()

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        if await visit.end() == "reset" and not ended:
            gone.add(visit.key)

    ended = False
    async with staged(script) as port:
        with swarm_of(port, fans, seed=seed, personas=[idle_until(Step(Action.DROP))]) as swarm:
            await opened(swarm)
            for _ in range(100):  # more than wait at a time: the others are of no consequence
                swarm.stimulate(0, 0.0, NOW, 1)
            swarm.stimulate(0, probability, NOW, 1)
            swarm.reset()  # obeyed after the stimuli
            await eventually(lambda: swarm.progress()["dropped"] == len(gone))
            await asyncio.sleep(0.05)
            ended = True
            assert swarm.progress()["dropped"] == len(gone)
    return gone


async def test_stimuli_choose_by_seed() -> None:
    first, again, other = [await chosen(seed, 0.3) for seed in (5, 5, 6)]
    assert first == again
    assert first != other
    for found in (first, other):
        assert abs(len(found) - 120) < 5 * math.sqrt(400 * 0.3 * 0.7)


@pytest.mark.parametrize(("probability", "count"), [(0.0, 0), (1.0, 50)])
async def test_stimuli_for_nobody_and_for_all(probability: float, count: int) -> None:
    assert len(await chosen(1, probability, 50)) == count


async def test_stimuli_are_for_a_persona() -> None:
    personas = [
        Persona("a", 1.0, (Step(), Step(Action.DROP))),
        Persona("b", 3.0, (Step(), Step(Action.DROP))),
    ]
    async with staged(open_and_wait) as port:
        with swarm_of(port, 40, personas=personas) as swarm:
            await opened(swarm)
            assert swarm.population() == [10, 30]
            swarm.stimulate(1, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["dropped"] == 30)
            swarm.stimulate(-1, 1.0, NOW, -1)
            await eventually(lambda: swarm.progress()["left"] == 10)


async def test_who_leaves_for_good_is_not_called_back() -> None:
    """A stimulus while it waits to leave, and one while it waits for the answer."""
    asked = asyncio.Event()
    visits = itertools.count(1)

    async def script(visit: Visit) -> None:
        assert next(visits) == 1
        visit.send(visit.head(0))
        assert (await visit.frame())[0] == CLOSE
        asked.set()
        await visit.end()

    async with staged(script) as port:
        with swarm_of(port, personas=[idle_until(Step(Action.CONNECT))]) as swarm:
            await opened(swarm)
            swarm.stimulate(0, 1.0, SOON, -1)
            swarm.stimulate(0, 1.0, NOW, 1)
            await asyncio.wait_for(asked.wait(), 10)
            swarm.stimulate(0, 1.0, NOW, 1)
            await asyncio.sleep(0.05)
            assert swarm.progress()["opened"] == 1


async def test_who_leaves_while_connecting_does_not_stay() -> None:
    """Its first step would begin when it is open."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def script(visit: Visit) -> None:
        arrived.set()
        await go.wait()
        visit.send(visit.head(0))
        assert (await visit.frame())[0] == CLOSE
        visit.send(closing(1001))

    persona = Persona(
        steps=(Step(Action.STAY, 0, Delay(Distribution.CONSTANT, 60.0), ((1.0, 0),)),)
    )
    async with staged(script) as port:
        with swarm_of(port, personas=[persona]) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await asyncio.wait_for(arrived.wait(), 10)
            swarm.stimulate(0, 1.0, Delay(Distribution.CONSTANT, 0.1), -1)
            swarm.reset()
            go.set()
            await eventually(lambda: swarm.progress()["left"] == 1)


def test_a_swarm_that_has_stopped_hangs_nobody() -> None:
    with swarm_of(1, 2) as swarm:
        swarm.stop()
        for _ in range(130):
            swarm.stimulate(-1, 1.0, NOW, -1)
        assert swarm.settle([(1, 1)]) == {"waiting": 0, "checked": 0}
        swarm.stop()


# Times

FANS = 1000
LEVELS = (numpy.arange(2000) + 0.5) / 2000


def times(delay: Delay) -> Floats:
    """The formulas of behaviour.Distribution, at LEVELS."""
    a, b = delay.a, delay.b
    match delay.distribution:
        case Distribution.CONSTANT:
            return numpy.full_like(LEVELS, a)
        case Distribution.UNIFORM:
            return a + (b - a) * LEVELS
        case Distribution.EXPONENTIAL:
            return -a * numpy.log(1 - LEVELS)
        case Distribution.LOGNORMAL:
            return a * numpy.exp(b * numpy.array([NormalDist().inv_cdf(p) for p in LEVELS]))
        case Distribution.PARETO:
            return a * (1 - LEVELS) ** (-1 / b)
    drawn: Floats = numpy.array(delay.values)[(LEVELS * len(delay.values)).astype(int)]
    return drawn


@pytest.mark.parametrize(
    ("delay", "first", "second"),
    [
        (Delay(Distribution.CONSTANT, 0.2), 0.18, 0.22),
        (Delay(Distribution.UNIFORM, 0.1, 0.5), 0.2, 0.4),
        (Delay(Distribution.EXPONENTIAL, 0.2), 0.1, 0.4),
        (Delay(Distribution.LOGNORMAL, 0.2, 0.5), 0.15, 0.35),
        (Delay(Distribution.PARETO, 0.1, 3.0), 0.12, 0.2),
        (Delay(Distribution.EMPIRICAL, values=(0.4, 0.1, 0.2)), 0.15, 0.3),
    ],
    ids=lambda value: value.distribution.name if isinstance(value, Delay) else None,
)
async def test_delays_are_distributed_as_their_formula(
    delay: Delay, first: float, second: float
) -> None:
    """All lose their connection at once. Most connect anew after `delay`; some resume after
    `first`, some go to another channel after `second`: they are the clock, so that the order tells
    how many of the others came before, however slow the machine is."""
    visits: list[Visit] = []

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        await visit.end()

    back = ((1.0, 5),), ((1.0, 6),), ((1.0, 7),)
    ways = tuple(
        Step(Action.STAY, 0, think, way)
        for think, way in zip(
            (delay, Delay(Distribution.CONSTANT, first), Delay(Distribution.CONSTANT, second)),
            back,
            strict=True,
        )
    )
    ends = tuple(Step(action) for action in (Action.CONNECT, Action.RESUME, Action.ZAP))
    drop = Step(Action.DROP, 0, SOON, ((0.9, 2), (0.05, 3), (0.05, 4)))
    persona = Persona(steps=(Step(), drop, *ways, *ends))
    async with staged(script, visits) as port:
        paths = ("/ws/a", "/ws/b")
        with swarm_of(port, FANS, paths=paths, personas=[persona], seed=3) as swarm:
            await opened(swarm)
            before = {visit.key: visit.path for visit in visits}
            visits.clear()
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["opened"] == 2 * FANS)
    ways_back = [
        "resumed"
        if "?since=" in visit.path
        else "came"
        if visit.path == before[visit.key]
        else "zapped"
        for visit in visits
    ]
    assert ways_back.count("came") / FANS == pytest.approx(0.9, abs=0.05)
    for clock, moment in (("resumed", first), ("zapped", second)):
        others = ways_back[: ways_back.index(clock)]
        share = others.count("came") / ways_back.count("came")
        assert share == pytest.approx((times(delay) < moment).mean(), abs=0.08)


async def test_returns_wait_for_room_in_the_window() -> None:
    """Ten who lost their connection, three at a time: each is answered only when others wait."""
    window, fans = 3, 10
    lost, asking, most, answered = False, 0, 0, 0
    room = asyncio.Semaphore(0)

    async def script(visit: Visit) -> None:
        nonlocal asking, most, answered
        asking += 1
        most = max(most, asking)
        if lost:
            await room.acquire()
        asking -= 1
        answered += 1
        visit.send(visit.head(0))
        await visit.end()

    persona = idle_until(Step(Action.DROP, 0, SOON, ((1.0, 2),)), Step(Action.CONNECT))
    async with staged(script) as port:
        options = {"window": window, "window_returns": True, "threads": 1}
        with swarm_of(port, fans, personas=[persona], **options) as swarm:
            await opened(swarm)
            lost, most, answered = True, 0, 0
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["dropped"] == fans)
            for count in range(fans):
                await eventually(lambda: asking == min(window, fans - count))  # noqa: B023
                room.release()
                await eventually(lambda: answered == count + 1)  # noqa: B023
            await eventually(lambda: swarm.progress()["open"] == fans)
            assert most == window

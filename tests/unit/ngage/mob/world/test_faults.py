"""The timeline of faults, on a clock that only the test moves."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

import pytest

from ngage.errors import ServerError
from ngage.mob.measure.results import Moment
from ngage.mob.model import Fault
from ngage.mob.world.faults import Timeline
from ngage.mob.world.proxy import CLEAN, Conditions

START = 1000.0


class Clock:
    """Time passes when everybody sleeps."""

    def __init__(self) -> None:
        self.now = START
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._count), future))
        await future

    async def run(self, task: asyncio.Task[None], until: float = float("inf")) -> None:
        """Move on from one sleeper to the next, until the task is done or `until` has come."""
        while not task.done():
            for _ in range(10):
                await asyncio.sleep(0)
            if not self._sleepers or self._sleepers[0][0] > START + until:
                return
            self.now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)


class World:
    """A server and a proxy that write down what is done to them: (seconds, what)."""

    def __init__(self, *faults: Fault, breaks: str = "") -> None:
        self.clock = Clock()
        self.done: list[tuple[float, object]] = []
        self.moments: list[Moment] = []
        self._breaks = breaks
        self.timeline = Timeline(
            faults,
            {"edge": self.server()},
            {"net": self.proxy()},
            self.moments.append,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def note(self, what: object) -> None:
        self.done.append((self.clock.now - START, what))

    def server(self):
        def awaited(name: str) -> Callable[[], object]:
            async def method() -> None:
                self.note(name)
                if name == self._breaks:
                    raise ServerError(f"server edge: no {name}")

            return method

        names = ("kill", "start", "restart", "upgrade")
        methods: dict[str, object] = {name: staticmethod(awaited(name)) for name in names}
        for name in ("stop", "cont"):
            methods[name] = staticmethod(lambda name=name: self.note(name))
        return type("FakeServer", (), methods)()

    def proxy(self):
        methods = {
            "apply": staticmethod(self.note),
            "reset": staticmethod(lambda: self.note("reset")),
        }
        return type("FakeProxy", (), methods)()

    async def run(self) -> list[tuple[float, object]]:
        task = asyncio.ensure_future(self.timeline.run(START))
        await self.clock.run(task)
        await task
        return self.done[:-2]  # without the cleaning at the end


def fault(at: float, do: str, what: str = "edge", **more: float) -> Fault:
    return Fault(at=at, do=do, what=what, **more)


async def test_a_stop_ends_after_its_duration() -> None:
    assert await World(fault(2, "stop", duration=3)).run() == [(2, "stop"), (5, "cont")]


async def test_overlapping_stops_end_with_the_last() -> None:
    world = World(fault(1, "stop", duration=5), fault(2, "stop", duration=1))
    assert await world.run() == [(1, "stop"), (2, "stop"), (6, "cont")]


async def test_a_killed_server_starts_again_if_it_is_to() -> None:
    world = World(fault(1, "kill", restart_after=4))
    assert await world.run() == [(1, "kill"), (5, "start")]
    assert await World(fault(1, "kill")).run() == [(1, "kill")]


async def test_restart_and_upgrade() -> None:
    world = World(fault(3, "upgrade"), fault(1, "restart"))
    assert await world.run() == [(1, "restart"), (3, "upgrade")]


async def test_a_server_is_replaced_by_one_fault_at_a_time() -> None:
    world = World(fault(1, "kill", restart_after=4), fault(2, "restart"))
    assert await world.run() == [(1, "kill"), (5, "start"), (5, "restart")]


async def test_faults_of_a_proxy_add_up() -> None:
    world = World(
        fault(1, "delay", "net", duration=4, amount=200),
        fault(2, "delay", "net", duration=1, amount=50),
        fault(2.5, "throttle", "net", duration=4, amount=1000),
    )
    assert await world.run() == [
        (1, Conditions(delay=0.2)),
        (2, Conditions(delay=0.25)),
        (2.5, Conditions(delay=0.25, bytes_per_second=1000)),
        (3, Conditions(delay=0.2, bytes_per_second=1000)),
        (5, Conditions(bytes_per_second=1000)),
        (6.5, CLEAN),
    ]


@pytest.mark.parametrize("kind", ["stall", "blackhole"])
async def test_what_parts_a_network(kind: str) -> None:
    conditions = Conditions(**{kind: True})
    world = World(fault(1, kind, "net", duration=2))
    assert await world.run() == [(1, conditions), (3, CLEAN)]


async def test_a_reset_refuses_for_its_duration() -> None:
    world = World(fault(1, "reset", "net", duration=2))
    assert await world.run() == [(1, "reset"), (1, Conditions(refuse=True)), (3, CLEAN)]


async def test_tells_what_happens() -> None:
    world = World(
        fault(1, "stop", duration=0.5),
        fault(2, "kill", restart_after=1),
        fault(4, "delay", "net", amount=200, duration=5),
    )
    await world.run()
    assert [(moment.at, moment.kind, moment.text) for moment in world.moments] == [
        (1, "fault", "stop edge for 0.5 s"),
        (1.5, "fault", "edge goes on"),
        (2, "fault", "kill edge, started again after 1 s"),
        (3, "fault", "edge is back"),
        (4, "fault", "delay 200 ms on net for 5 s"),
        (9, "fault", "delay of net is over"),
    ]


async def test_knows_when_it_disturbs() -> None:
    world = World(fault(2, "stop", duration=3), fault(20, "kill"))
    task = asyncio.ensure_future(world.timeline.run(START))
    seen = []
    for at in (1, 3, 6, 12, 30):
        await world.clock.run(task, at)
        world.clock.now = START + at
        seen.append((world.timeline.disturbed(), world.timeline.disturbed(grace=4)))
    await task
    assert seen == [(False, False), (True, True), (False, True), (False, False), (True, True)]


async def test_a_cancelled_timeline_leaves_everything_clean() -> None:
    world = World(fault(1, "stop", duration=9), fault(1, "stall", "net", duration=9))
    task = asyncio.ensure_future(world.timeline.run(START))
    await world.clock.run(task, 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [what for _, what in world.done] == ["stop", Conditions(stall=True), "cont", CLEAN]


async def test_a_server_that_does_not_come_back_ends_the_timeline() -> None:
    world = World(fault(1, "kill", restart_after=1), fault(1, "stop", duration=90), breaks="start")
    with pytest.raises(ServerError, match="no start"):
        await world.run()
    assert [what for _, what in world.done[-2:]] == ["cont", CLEAN]

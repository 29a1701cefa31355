"""What fans do: every action of their tables, and what an end leads to."""

import asyncio

import numpy
import pytest

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step
from ngage_core.swarm import Swarm
from tests.helpers.stage import EPOCH, Visit, closing, gap, numbered, staged, swarm_of
from tests.helpers.wait import eventually
from tests.oracle.frames import CLOSE, PING, PONG, server_frame

NOW = Delay(Distribution.CONSTANT, 0.0)
SOON = Delay(Distribution.CONSTANT, 0.02)
COMES_BACK = Persona(steps=(Step(), Step(Action.RESUME)), lost=1)


def idle_until(*actions: Step) -> Persona:
    """Watches; the steps from 1 on are for stimuli."""
    return Persona("idle", 1.0, (Step(), *actions))


async def opened(swarm: Swarm) -> None:
    assert await asyncio.to_thread(swarm.connect, 10) == swarm.fans


# Actions


async def test_leaving_is_a_close_with_1001_that_waits_for_the_answer() -> None:
    closes: list[tuple[int, bytes]] = []
    ends: list[str] = []

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        closes.append(await visit.frame())
        visit.send(numbered(1), closing(1001))
        visit.writer.write_eof()
        ends.append(await visit.end())

    async with staged(script) as port:
        with swarm_of(port, personas=[idle_until(Step(Action.LEAVE))]) as swarm:
            await opened(swarm)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["closed"] == 1 and bool(ends))
            counters = swarm.progress()
    assert closes == [(CLOSE, b"\x03\xe9")]
    assert ends == ["fin"]
    assert (counters["left"], counters["lost"], counters["received"]) == (1, 0, 1)
    assert swarm.close_codes() == {}, "the server only answered"


async def test_dropping_is_a_reset() -> None:
    ends: list[str] = []

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        ends.append(await visit.end())

    async with staged(script) as port:
        with swarm_of(port, personas=[idle_until(Step(Action.DROP))]) as swarm:
            await opened(swarm)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: ends == ["reset"])
            counters = swarm.progress()
    assert (counters["dropped"], counters["left"], counters["lost"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("path", "resumed"),
    [
        ("/ws/stage", f"/ws/stage?since={EPOCH}:12"),
        ("/ws/stage?a=b", f"/ws/stage?a=b&since={EPOCH}:12"),
    ],
)
async def test_resuming_tells_the_position(path: str, resumed: str) -> None:
    """10 at the handshake, then one publication and one that was announced as missing."""
    paths: list[str] = []

    async def script(visit: Visit) -> None:
        paths.append(visit.path)
        if len(paths) == 1:
            visit.send(visit.head(10), numbered(1), gap(12, 12))
        else:
            visit.send(visit.head(12, recovered=True), numbered(3))
        await visit.end()

    steps = (Step(), Step(Action.DROP, 0, SOON, ((1.0, 2),)), Step(Action.RESUME))
    async with staged(script) as port:
        with swarm_of(port, paths=(path,), personas=[Persona(steps=steps)]) as swarm:
            await opened(swarm)
            await eventually(lambda: swarm.progress()["pings"] == 1)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["received"] == 2)
            counters = swarm.progress()
    assert paths == [path, resumed]
    assert (counters["recovered"], counters["told"], counters["violations"]) == (1, 1, 0)


async def test_connecting_anew_tells_none_and_begins_anew() -> None:
    paths: list[str] = []

    async def script(visit: Visit) -> None:
        paths.append(visit.path)
        visit.send(visit.head(10), numbered(7 if len(paths) == 1 else 70))
        await visit.end()

    steps = (Step(), Step(Action.DROP, 0, SOON, ((1.0, 2),)), Step(Action.CONNECT))
    async with staged(script) as port:
        with swarm_of(port, personas=[Persona(steps=steps)]) as swarm:
            await opened(swarm)
            swarm.wait_received(1, 10)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["received"] == 2)
            counters = swarm.progress()
    assert paths == ["/ws/stage", "/ws/stage"]
    assert (counters["unrecovered"], counters["violations"]) == (0, 0)


async def test_zapping_goes_to_the_other_channel() -> None:
    paths: list[str] = []

    async def script(visit: Visit) -> None:
        paths.append(visit.path)
        visit.send(visit.head(10))
        await visit.end()

    persona = idle_until(Step(Action.ZAP))
    async with staged(script) as port:
        with swarm_of(port, 6, paths=("/ws/a", "/ws/b"), personas=[persona]) as swarm:
            await opened(swarm)
            first = sorted(paths)
            assert 0 < first.count("/ws/a") < 6
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: len(paths) == 12)
            counters = swarm.progress()
    assert sorted(paths[6:]) == sorted("/ws/b" if path == "/ws/a" else "/ws/a" for path in first)
    assert (counters["left"], counters["lost"]) == (6, 0)


async def test_sips_take_at_most_their_amount() -> None:
    """A publication of 60 bytes is a frame of 62: ten sips of 31 bytes are five of them."""
    go = asyncio.Event()

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        await go.wait()
        visit.send(numbered(*range(1, 21)))
        await visit.end()

    sips = (Step(Action.SIP, amount) for amount in (31, 1 << 30, 0))
    steps = (Step(), Step(Action.PAUSE), *sips)
    async with staged(script) as port:
        with swarm_of(port, personas=[Persona(steps=steps)]) as swarm:
            await opened(swarm)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["paused"] == 1)
            go.set()
            swarm.stimulate(0, 1.0, NOW, 4)  # nothing is no end
            sipped = 0
            while swarm.progress()["received"] < 5:  # the first sips may come before the bytes
                sipped += 1
                swarm.stimulate(0, 1.0, NOW, 2)
                await asyncio.sleep(0.01)
                assert swarm.progress()["received"] <= sipped / 2
            swarm.stimulate(0, 1.0, NOW, 3)
            await eventually(lambda: swarm.progress()["received"] == 20)
            assert swarm.progress()["violations"] == 0


async def test_pings_are_answered_after_a_pause_and_not_in_it() -> None:
    pongs: list[tuple[int, bytes]] = []

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        await go.wait()
        visit.send(server_frame(b"there?", PING))
        pongs.append(await visit.frame())
        await visit.end()

    go = asyncio.Event()
    async with staged(script) as port:
        persona = idle_until(Step(Action.PAUSE), Step(Action.READ))
        with swarm_of(port, personas=[persona]) as swarm:
            await opened(swarm)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["paused"] == 1)
            go.set()
            swarm.stimulate(0, 1.0, NOW, 1)
            assert (pongs, swarm.progress()["pings"]) == ([], 0)
            swarm.stimulate(0, 1.0, NOW, 2)
            await eventually(lambda: pongs == [(PONG, b"there?")])
            assert swarm.progress()["paused"] == 0


@pytest.mark.parametrize("for_good", [False, True])
async def test_who_paused_leaves_as_others_do(for_good: bool) -> None:
    """What was not read comes before the answer to the close frame."""

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        await paused.wait()
        visit.send(numbered(1, 2))
        assert await visit.frame() == (CLOSE, b"\x03\xe9")
        visit.send(closing(1001))

    paused = asyncio.Event()
    persona = idle_until(Step(Action.PAUSE), Step(Action.LEAVE))
    async with staged(script) as port:
        with swarm_of(port, personas=[persona]) as swarm:
            await opened(swarm)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["paused"] == 1)
            paused.set()
            swarm.stimulate(0, 1.0, NOW, -1 if for_good else 2)
            await eventually(lambda: swarm.progress()["closed"] == 1)
            counters = swarm.progress()
    assert (counters["dropped"], counters["left"], counters["paused"]) == (0, 1, 0)


# Ends


@pytest.mark.parametrize("code", [1001, 1005, 1008, 1011, 1012, 1013, 3008, 3012, 4000])
async def test_codes_after_which_fans_come_back(code: int) -> None:
    end = b"\x88\x00" if code == 1005 else closing(code)

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0))
        if code not in swarm.close_codes():
            visit.send(end)
            assert await visit.frame() == (CLOSE, end[2:])
            return
        await visit.end()

    async with staged(script) as port:
        with swarm_of(port, personas=[COMES_BACK]) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: swarm.progress()["opened"] == 2)
            assert (swarm.close_codes(), swarm.progress()["lost"]) == ({code: 1}, 0)


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1009, 3503, 4500])
async def test_codes_after_which_fans_stay_away(code: int) -> None:
    """Even if they are told to come."""

    async def script(visit: Visit) -> None:
        visit.send(visit.head(0), closing(code))
        await visit.frame()

    async with staged(script) as port:
        with swarm_of(port, personas=[COMES_BACK]) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: swarm.progress()["closed"] == 1)
            swarm.stimulate(0, 1.0, NOW, 1)
            await asyncio.sleep(0.05)
            assert (swarm.progress()["opened"], swarm.progress()["failed"]) == (1, 0)


async def test_who_is_refused_tries_again_after_a_back_off() -> None:
    times: list[int] = []

    async def script(visit: Visit) -> None:
        times.append(visit.at_ns)
        if len(times) < 4:
            visit.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return
        visit.send(visit.head(0))
        await visit.end()

    back_off = Step(Action.STAY, 0, Delay(Distribution.CONSTANT, 0.03), ((1.0, 2),))
    persona = Persona(steps=(Step(), back_off, Step(Action.RESUME)), lost=1)
    async with staged(script) as port:
        with swarm_of(port, personas=[persona]) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: swarm.progress()["open"] == 1)
            counters = swarm.progress()
            codes = swarm.close_codes()
    assert (counters["failed"], counters["refused"], codes) == (3, 3, {503: 3})
    assert (counters["arrived"], counters["entered"], counters["opened"]) == (1, 1, 1)
    assert min(numpy.diff(times)) >= 30_000_000, "nobody is early"

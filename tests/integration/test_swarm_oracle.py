"""What a swarm finds: positions and anchors, the end of a stream, records of violations; cut bytes.

The rules of a sequence are held by tests/property/test_swarm_sequence.py.
"""

import asyncio
import struct
import time

import pytest

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step, Violation
from tests.helpers.stage import EPOCH, Script, Visit, closing, gap, numbered, staged, swarm_of
from tests.helpers.wait import eventually
from tests.oracle.frames import BINARY, CLOSE, PING, server_frame

NOW = Delay(Distribution.CONSTANT, 0.0)
PAUSES = Persona(steps=(Step(), Step(Action.PAUSE), Step(Action.READ)))


def sending(*parts: bytes, offset: int | None = 100) -> Script:
    """A server that says this to everybody, and stays."""

    async def script(visit: Visit) -> None:
        visit.send(visit.head(offset), *parts)
        await visit.end()

    return script


# Anchors


@pytest.mark.parametrize(
    ("epoch", "difference", "missing"),
    [
        (int(EPOCH, 16), -96, 2),  # offset 101 is publication 5, and 7 comes first
        (int(EPOCH, 16), -94, 0),
        (int(EPOCH, 16) + 1, -96, 0),
        (0, -96, 0),
    ],
)
async def test_an_anchored_fan_knows_which_comes_first(
    epoch: int, difference: int, missing: int
) -> None:
    async with staged(sending(numbered(7, 8))) as port:
        with swarm_of(port, 3) as swarm:
            swarm.anchor(0, epoch, difference)
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: swarm.progress()["received"] == 6)
            assert swarm.progress()["gaps"] == 3 * missing
            assert [found[:6] for found in swarm.violations()] == [
                ("gap", fan, 0, 0, 5, 7) for fan in range(3) if missing
            ]


async def test_an_anchor_may_move() -> None:
    """A new epoch: fans that come after it are held to the new one."""
    visits: list[Visit] = []
    go = asyncio.Event()

    async def script(visit: Visit) -> None:
        if len(visits) == 2:
            await go.wait()
        visit.send(visit.head(100), numbered(7))
        await visit.end()

    async with staged(script, visits) as port:
        with swarm_of(port, 2, window=1) as swarm:
            swarm.anchor(0, int(EPOCH, 16), 6 - 100)
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: len(visits) == 2)
            swarm.anchor(0, int(EPOCH, 16), 2 - 100)
            go.set()
            await eventually(lambda: swarm.progress()["received"] == 2)
            assert [found[1:6] for found in swarm.violations()] == [(1, 0, 0, 3, 7)]


async def test_what_was_missed_before_the_first_is_seen_after_a_resume() -> None:
    """It had nothing yet when the connection was lost; the anchor came meanwhile."""
    visits: list[Visit] = []

    async def script(visit: Visit) -> None:
        if len(visits) == 1:
            visit.send(visit.head(100))
            return
        visit.send(visit.head(100, recovered=True), numbered(7))
        await visit.end()

    lost = Step(Action.STAY, 0, Delay(Distribution.CONSTANT, 0.2), ((1.0, 2),))
    persona = Persona(steps=(Step(), lost, Step(Action.RESUME)), lost=1)
    async with staged(script, visits) as port:
        with swarm_of(port, personas=[persona]) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: swarm.progress()["lost"] == 1)
            swarm.anchor(0, int(EPOCH, 16), 5 - 100)
            await eventually(lambda: swarm.progress()["received"] == 1)
            assert [found[0:6] for found in swarm.violations()] == [("recovery", 0, 0, 0, 6, 7)]


# The end


async def test_the_end_of_the_stream() -> None:
    """Four fans get 1 to 3, one of them 1 only, two nothing at all; one of these has paused."""
    visits: list[Visit] = []
    go = asyncio.Event()

    async def script(visit: Visit) -> None:
        visit.send(visit.head())
        await go.wait()
        mine = visits.index(visit)
        if mine < 5:
            visit.send(numbered(1))
        if mine < 4:
            visit.send(numbered(2, 3))
        await visit.end()

    async with staged(script, visits) as port:
        with swarm_of(port, 7, window=1, personas=[PAUSES]) as swarm:
            assert await asyncio.to_thread(swarm.connect, 10) == 7
            intended = time.monotonic_ns()
            go.set()
            await eventually(lambda: swarm.progress()["received"] == 13)
            assert swarm.settle([(3, intended)]) == {"waiting": 3, "checked": 7}
            assert swarm.settle([(1, intended)]) == {"waiting": 2, "checked": 7}
            assert swarm.settle([(3, 0)]) == {"waiting": 0, "checked": 7}, "they came later"
            assert swarm.settle([(0, intended)])["waiting"] == 0, "there is none"
            assert swarm.give_up([(3, intended)]) == 3
            assert swarm.settle([(3, intended)])["waiting"] == 0, "once is enough"
            assert [found[:6] for found in swarm.violations()] == [
                ("tail", 4, 0, 0, 2, 3),
                ("tail", 5, 0, 0, 3, 3),
                ("tail", 6, 0, 0, 3, 3),
            ]
            assert swarm.progress()["gaps"] == 4
            with pytest.raises(ValueError, match="channels"):
                swarm.settle([])


async def test_who_does_not_read_is_not_asked() -> None:
    async with staged(sending()) as port:
        with swarm_of(port, 4, personas=[PAUSES]) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            swarm.stimulate(0, 1.0, NOW, 1)
            await eventually(lambda: swarm.progress()["paused"] == 4)
            assert swarm.settle([(3, time.monotonic_ns())]) == {"waiting": 0, "checked": 0}


# Records


@pytest.mark.parametrize("threads", [1, 3])
async def test_the_first_violations_are_kept_and_all_are_counted(threads: int) -> None:
    repeated = numbered(*[5] * 101)
    async with staged(sending(repeated)) as port:
        with swarm_of(port, 9, threads=threads, paths=("/ws/a", "/ws/b")) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: swarm.progress()["received"] == 9 * 101)
            found = swarm.violations()
            counters = swarm.progress()
    assert (counters["violations"], counters["duplicates"]) == (900, 900)
    assert len(found) == 256 * threads
    assert {(one.kind, one.persona, one.expected, one.got) for one in found} == {
        ("duplicate", 0, 6, 5)
    }
    assert {one.channel for one in found} <= {0, 1}
    assert {one.fan for one in found} <= set(range(9))
    assert found == sorted(found, key=lambda one: one.at_ns)


# Bytes


async def test_a_stream_may_be_cut_anywhere() -> None:
    """Each fan's at another byte, one fan's at every byte."""
    payload = b"gap 101-102"
    tail = [server_frame(payload, PING), numbered(3, size=0), numbered(4, size=200), gap(105, 105)]
    length = 0

    async def script(visit: Visit) -> None:
        nonlocal length
        stream = visit.head(100) + b"".join(tail)
        length = len(stream)
        at = visits.index(visit)
        cuts = range(1, length) if at == 0 else [min(at, length)]
        for begin, end in zip([0, *cuts], [*cuts, length], strict=True):
            visit.send(stream[begin:end])
            await visit.writer.drain()
            await asyncio.sleep(0)
        await visit.end()

    visits: list[Visit] = []
    fans = 520
    async with staged(script, visits) as port:
        with swarm_of(port, fans, check_padding=True) as swarm:
            swarm.anchor(0, int(EPOCH, 16), -100)
            assert await asyncio.to_thread(swarm.connect, 10) == fans
            await eventually(lambda: swarm.progress()["pings"] == 2 * fans)
            counters = swarm.progress()
            assert swarm.violations() == []
    assert length <= fans
    assert (counters["received"], counters["told"], counters["corrupt"]) == (2 * fans, 2 * fans, 0)


@pytest.mark.parametrize(
    "note", ["gap 101-x", "gap 101-", "gap -101", "gap 1", "gap 101-102-3", "gappy"]
)
async def test_a_ping_that_is_no_note_is_only_a_ping(note: str) -> None:
    async with staged(sending(server_frame(note.encode(), PING), numbered(1))) as port:
        with swarm_of(port) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: swarm.progress()["received"] == 1)
            assert (swarm.progress()["pings"], swarm.progress()["violations"]) == (1, 0)


@pytest.mark.parametrize(
    "data",
    [
        server_frame(b"\x03", CLOSE),  # half a code
        b"\x82\x7e" + struct.pack(">H", 125) + bytes(125),  # a length in more bytes than it takes
        b"\x82\x7f" + struct.pack(">Q", 65535),
        b"\x82\x7f" + struct.pack(">Q", 1 << 63),
        b"\x02\x01a\x82\x01b",  # a message within a message
    ],
)
async def test_bytes_no_server_may_send(data: bytes) -> None:
    async with staged(sending(data)) as port:
        with swarm_of(port) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: swarm.progress()["closed"] == 1)
            assert [found.kind for found in swarm.violations()] == ["malformed"]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
async def test_codes_no_server_may_send(code: int) -> None:
    async def script(visit: Visit) -> None:
        visit.send(visit.head(), closing(code))
        await visit.frame()

    async with staged(script) as port:
        with swarm_of(port) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(lambda: swarm.progress()["closed"] == 1)
            assert [(one.kind, one.got) for one in swarm.violations()] == [("close_code", code)]


async def test_altered_bytes_are_recorded() -> None:
    wrong = bytearray(numbered(4, size=100))
    wrong[60] ^= 1
    async with staged(sending(numbered(3), bytes(wrong))) as port:
        with swarm_of(port, check_padding=True) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: swarm.progress()["received"] == 2)
            found = swarm.violations()
    assert found == [Violation("corrupt", 0, 0, 0, 4, 4, found[0].at_ns)]


# Figures


async def test_figures_of_a_swarm() -> None:
    async with staged(sending(numbered(1))) as port:
        with swarm_of(port, 7, threads=3, source="127.8.0.0/16") as swarm:
            assert await asyncio.to_thread(swarm.connect, 10) == 7
            assert await asyncio.to_thread(swarm.wait_received, 1, 10)
            assert (sum(swarm.histogram("connect")), sum(swarm.histogram("latency"))) == (7, 7)
            assert sum(swarm.histogram("lag")) > 0, "each thread has a heartbeat"
            spent = swarm.cpu_seconds()
            assert spent > 0
            swarm.stop()
            assert swarm.cpu_seconds() >= spent
            counters = swarm.progress()
            assert (counters["open"], counters["opened"], counters["received"]) == (0, 7, 7)
            with pytest.raises(ValueError, match="nonsense"):
                swarm.histogram("nonsense")  # type: ignore[arg-type]


async def test_fans_are_spread_over_targets_evenly() -> None:
    visits: list[Visit] = []

    async def script(visit: Visit) -> None:
        visit.send(visit.head(), server_frame(b"x", BINARY))
        await visit.end()

    paths = ("/ws/a", "/ws/b", "/ws/c")
    async with staged(script, visits) as port:
        with swarm_of(port, 300, paths=paths) as swarm:
            assert swarm.channels == paths
            assert await asyncio.to_thread(swarm.connect, 10) == 300
    counts = [sum(visit.path == path for visit in visits) for path in paths]
    assert all(abs(count - 100) <= 2 for count in counts), counts

"""The crowd's rules of what a fan must see, native against tests/oracle/sequence.py.

An example is a script for each of a few dozen fans, so that one round of connections tries them
all. Every publication is cut where hypothesis wants it.
"""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step
from ngage_core.swarm import publication
from tests.helpers.stage import Visit, gap, staged, swarm_of
from tests.helpers.wait import eventually
from tests.oracle.frames import BINARY, server_frame
from tests.oracle.sequence import SHIFT, Event, Fan, Gap, Publication, Return, Untimed

NUMBERS = st.one_of(st.integers(1, 12), st.integers(1, 150))
EVENTS = st.one_of(
    st.builds(Publication, NUMBERS),
    st.just(Untimed()),
    st.builds(Gap, st.integers(0, 4), st.sampled_from([0, 0, 0, 0, -1, 1])),
    st.builds(Return, st.booleans(), st.sampled_from([0, 0, 0, 3])),
)


def runs(first: int, steps: list[int]) -> list[Event]:
    """What servers do most: onwards, with a few gaps."""
    numbers = [first]
    for step in steps:
        numbers.append(numbers[-1] + step)
    return [Publication(number) for number in numbers]


SCRIPTS = st.one_of(
    st.lists(EVENTS, max_size=14),
    st.builds(runs, st.integers(1, 5), st.lists(st.sampled_from([1, 1, 1, 2, 3, 70]), max_size=9)),
)
COUNTED = (
    "received",
    "untimed",
    "gaps",
    "duplicates",
    "reordered",
    "told",
    "skipped",
    "violations",
    "recovered",
    "unrecovered",
    "pings",
)
PERSONA = Persona(
    steps=(
        Step(),
        Step(Action.STAY, 0, Delay(Distribution.CONSTANT, 0.0), ((1.0, 2),)),
        Step(Action.RESUME),
    ),
    lost=1,
)


class Actor:
    """Plays a script to one fan, over all its connections; bytes go as the oracle's fan moves."""

    def __init__(self, script: list[Event], skips: bool, cut: int) -> None:
        self.script = list(script)
        self.fan = Fan(skips)
        self.cut = cut
        self.begun = False

    async def visit(self, visit: Visit) -> None:
        head = visit.head(SHIFT)
        if self.begun:
            back = self.script.pop(0)
            assert isinstance(back, Return)
            assert visit.path.endswith(f":{self.fan.offset}")
            head = visit.head(self.fan.offset + back.position, back.recovered)
            self.fan.see(back)
        self.begun = True
        visit.send(head)
        while self.script and not isinstance(self.script[0], Return):
            event = self.script.pop(0)
            data = self.bytes_of(event)
            self.fan.see(event)
            at = self.cut % (len(data) + 1)
            visit.send(data[:at])
            await visit.writer.drain()
            visit.send(data[at:])
        if self.script:
            # Closing at once, with a pong unread, would be a reset, at which the fan's next pong
            # fails and what it has not read by then is lost.
            visit.writer.write_eof()
        await visit.end()

    def bytes_of(self, event: Event) -> bytes:
        match event:
            case Publication(number):
                return server_frame(publication(1, number, 0), BINARY)
            case Gap(missing, error):
                first = self.fan.offset + 1 + error
                return gap(first, first + missing - 1)
        return server_frame(b"hello", BINARY)


@pytest.mark.parametrize("skips", [False, True])
@settings(max_examples=40)
@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=24), cut=st.integers(0, 20))
def test_every_fan_counts_what_the_oracle_counts(
    skips: bool, scripts: list[list[Event]], cut: int
) -> None:
    asyncio.run(check(scripts, skips, cut))


async def check(scripts: list[list[Event]], skips: bool, cut: int) -> None:
    actors: dict[bytes, Actor] = {}

    async def script(visit: Visit) -> None:
        if visit.key not in actors:
            actors[visit.key] = Actor(scripts[len(actors)], skips, cut)
        await actors[visit.key].visit(visit)

    def received() -> bool:
        counters = swarm.progress()
        fans = [actor.fan for actor in actors.values() if not actor.script]
        expected = sum(fan.counts.get("received", 0) + fan.counts.get("pings", 0) for fan in fans)
        opened = len(scripts) + sum(isinstance(e, Return) for s in scripts for e in s)
        return (
            len(fans) == len(scripts)
            and counters["opened"] == opened
            and counters["received"] + counters["pings"] == expected
        )

    async with staged(script) as port:
        with swarm_of(port, len(scripts), skips=skips, personas=[PERSONA]) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await eventually(received)
            counters, violations = swarm.progress(), swarm.violations()
    expected: Counter[str] = Counter()
    for actor in actors.values():
        expected.update(actor.fan.counts)
    assert {name: counters[name] for name in COUNTED} == {name: expected[name] for name in COUNTED}
    found = sorted((one.kind, one.expected, one.got) for one in violations)
    assert found == sorted(one for actor in actors.values() for one in actor.fan.violations)

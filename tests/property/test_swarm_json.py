"""What a fan must see, in Centrifugo's protocol: the rules of tests/oracle/sequence.py again.

Objects are spelled and batched, and frames are cut, as hypothesis wants it.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step
from tests.helpers.json_stage import Spelling, frame_of, joined, subscribed, timed
from tests.helpers.stage import EPOCH, Visit, staged, swarm_of
from tests.helpers.wait import eventually
from tests.oracle.sequence import SHIFT, Event, Fan, Gap, Publication, Return, Untimed

NUMBERS = st.one_of(st.integers(1, 12), st.integers(1, 150))
PUBLICATIONS = st.one_of(st.builds(Publication, NUMBERS), st.just(Untimed()))
EVENTS = st.one_of(
    PUBLICATIONS,
    st.builds(Gap, st.integers(1, 4), st.just(0)),
    st.builds(Return, st.booleans(), st.sampled_from([0, 0, 0, 3])),
)
SPELLINGS = st.builds(Spelling, st.booleans(), st.booleans(), st.booleans())
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
    "malformed",
)
PERSONA = Persona(
    steps=(
        Step(),
        Step(Action.STAY, 0, Delay(Distribution.CONSTANT, 0.0), ((1.0, 2),)),
        Step(Action.RESUME),
    ),
    lost=1,
    protocol="centrifugo",
)


@dataclass
class Style:
    """How a server says it. batch: how many publications go together."""

    spelling: Spelling
    batch: int
    cut: int


class Actor:
    """Plays a script to one fan, over all its connections."""

    def __init__(self, script: list[Event], skips: bool, style: Style) -> None:
        self.script = tidied(script, skips)
        self.fan = Fan(skips)
        self.style = style
        self.begun = False

    async def visit(self, visit: Visit) -> None:
        asked = await joined(visit, self.style.spelling)
        offset, recovered = SHIFT, False
        if self.begun:
            back = self.script.pop(0)
            assert isinstance(back, Return)
            request = asked["subscribe"]
            assert (request["epoch"], request["offset"]) == (EPOCH, self.fan.offset)
            offset, recovered = self.fan.offset + back.position, back.recovered
            self.fan.see(back)
        else:
            assert asked["subscribe"] == {"channel": "stage", "recoverable": True}
        self.begun = True
        missed = [self.style.spelling.published(*one) for one in self.next()]
        answer = subscribed(asked, offset, recovered=recovered, missed=missed)
        await self.say(visit, frame_of(self.style.spelling.write(answer)))
        while several := self.next():
            lines = [self.style.spelling.push(*one) for one in several]
            await self.say(visit, frame_of(*lines))
        if self.script:
            visit.writer.write_eof()
        await visit.end()

    async def say(self, visit: Visit, data: bytes) -> None:
        at = self.style.cut % (len(data) + 1)
        visit.send(data[:at])
        await visit.writer.drain()
        await asyncio.sleep(0)
        visit.send(data[at:])

    def next(self) -> list[tuple[object, int]]:
        """Publications up to the next return, as many as go together: data and offset."""
        several: list[tuple[object, int]] = []
        while self.script and not isinstance(self.script[0], Return):
            if len(several) >= self.style.batch and not isinstance(self.script[0], Gap):
                break
            event = self.script.pop(0)
            self.fan.see(event)
            match event:
                case Publication(number):
                    several.append((timed(number, 40), self.fan.offset))
                case Untimed():
                    several.append(({"data": [1, "2 3 "], "offset": 9}, self.fan.offset))
        return several


def tidied(script: list[Event], skips: bool) -> list[Event]:
    """A gap is told by the publication behind it: where there is none it is left out, as where a
    channel may skip, which tells nothing."""
    kept: list[Event] = []
    for event, behind in pairwise([*script, Return(True)]):
        if not isinstance(event, Gap) or (isinstance(behind, Publication) and not skips):
            kept.append(event)
    return kept


@pytest.mark.parametrize("skips", [False, True])
@settings(max_examples=40)
@given(
    scripts=st.lists(st.lists(EVENTS, max_size=14), min_size=1, max_size=24),
    style=st.builds(Style, SPELLINGS, st.integers(1, 3), st.integers(0, 700)),
)
def test_every_fan_counts_what_the_oracle_counts(
    skips: bool, scripts: list[list[Event]], style: Style
) -> None:
    asyncio.run(check(scripts, skips, style))


async def check(scripts: list[list[Event]], skips: bool, style: Style) -> None:
    actors: dict[bytes, Actor] = {}

    async def script(visit: Visit) -> None:
        if visit.key not in actors:
            actors[visit.key] = Actor(scripts[len(actors)], skips, style)
        await actors[visit.key].visit(visit)

    def received() -> bool:
        counters = swarm.progress()
        fans = [actor.fan for actor in actors.values() if not actor.script]
        expected = sum(fan.counts.get("received", 0) for fan in fans)
        resumes = sum(
            fan.counts.get(name, 0) for fan in fans for name in ("recovered", "unrecovered")
        )
        return (
            len(fans) == len(scripts)
            and counters["open"] == len(scripts)
            and counters["recovered"] + counters["unrecovered"] == resumes
            and counters["received"] == expected
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

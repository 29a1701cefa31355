"""What fans say: tickets, votes, reactions, and what cheaters try, against a server of the test."""

import asyncio
import base64
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step, Way
from ngage_core.swarm import Swarm
from tests.helpers.booth import (
    ACCEPTED,
    BUSY,
    CLOSED,
    DUPLICATE,
    TAKEN,
    Booth,
    Vote,
    Word,
    answer,
)
from tests.helpers.stage import staged, swarm_of
from tests.helpers.tickets import SECRET, ticket
from tests.helpers.wait import eventually

NOW = Delay(Distribution.CONSTANT, 0.0)
EXPIRES = 2_000_000_000
POLL = 7
CHOICES = 5
EVENT = 3


def doing(*steps: Step, lost: int = -1) -> Persona:
    """Steps that are entered by a stimulus, from 1 on."""
    return Persona("fan", 1.0, (Step(), *steps), lost, 0, "v1")


@contextmanager
def crowd(
    port: int, *steps: Step, fans: int = 1, lost: int = -1, **options: Any
) -> Iterator[Swarm]:
    with swarm_of(port, fans, personas=[doing(*steps, lost=lost)], **options) as swarm:
        swarm.sign_tickets(SECRET, EXPIRES)
        swarm.poll(POLL, CHOICES, event=EVENT, reactions=5)
        yield swarm


async def enter(swarm: Swarm, step: int) -> None:
    await asyncio.to_thread(swarm.stimulate, 0, 1.0, NOW, step)


async def reach(swarm: Swarm, **counters: int) -> None:
    """Wait until the counters are so."""
    await eventually(lambda: all(swarm.progress()[name] == n for name, n in counters.items()))


async def test_a_burst_of_votes_is_acknowledged_and_counts_once() -> None:
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 3), fans=20) as swarm:
            first = swarm.sign_tickets(SECRET, EXPIRES)
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=60)
            counts, voters = booth.tally(CHOICES)
            assert voters == 20
            assert swarm.vote_bounds() == (tuple(counts), tuple(counts), 20, 20, 0)
            assert booth.registers.keys() == set(range(first, first + 20))
            assert swarm.progress()["voters"] == swarm.progress()["voters_acknowledged"] == 20
            assert sum(swarm.histogram("vote")) == 60
    assert {vote.seq for vote in booth.seen} == {1, 2, 3}
    assert len(set(counts)) > 1


async def test_the_same_votes_are_sent_until_they_are_acknowledged() -> None:
    silent = True
    booth = Booth(lambda vote: Word(True, None) if silent else TAKEN)
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 2), Step(Action.RETRY)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            for step, repeated in ((1, 0), (1, 2), (2, 4)):
                await enter(swarm, step)
                await reach(swarm, votes_sent=2, votes_repeated=repeated)
            await eventually(lambda: len(booth.seen) == 6)
            assert swarm.vote_bounds().pending == 1
            silent = False
            await enter(swarm, 2)
            await reach(swarm, votes_acknowledged=2)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=4)
    assert [vote.seq for vote in booth.seen] == [1, 2] * 4 + [3, 4]
    assert len(set(booth.seen)) == 4, "what is repeated is the same"


@pytest.mark.parametrize("answered", [True, False])
async def test_who_comes_back_says_it_again(answered: bool) -> None:
    def policy(vote: Vote) -> Word:
        if len(booth.log) > 1:
            return Word(True, DUPLICATE)
        return Word(True, ACCEPTED if answered else None, gone=vote.seq == 2)

    booth = Booth(policy)
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 2), Step(Action.RESUME), lost=2) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, opened=2, votes_acknowledged=2)
            await eventually(lambda: len(booth.seen) == (3 if answered else 4))
            assert swarm.progress()["votes_repeated"] == (1 if answered else 2)


async def test_who_is_away_comes_back_before_it_says_something() -> None:
    booth = Booth()
    away = Step(Action.STAY, 0, Delay(Distribution.CONSTANT, 3600.0), ((1.0, 3),))
    steps = (Step(Action.VOTE, 1), Step(Action.RESUME), away, Step(Action.DROP))
    async with staged(booth.visit) as port:
        with crowd(port, *steps, lost=2) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 4)
            await reach(swarm, dropped=1)
            await enter(swarm, 1)
            await reach(swarm, opened=2)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=1)


async def test_what_is_refused_is_not_sent_again_and_does_not_count() -> None:
    booth = Booth(lambda vote: Word(False, CLOSED))
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 2), Step(Action.RETRY)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_refused=2)
            await enter(swarm, 2)
            bounds = swarm.vote_bounds()
    assert (bounds.voters_least, bounds.voters_most, bounds.pending) == (0, 0, 0)
    assert len(booth.seen) == 2


async def test_who_finds_the_server_busy_tries_again() -> None:
    booth = Booth(lambda vote: Word(False, BUSY))
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 1), Step(Action.RETRY)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_put_off=1)
            booth.policy = lambda vote: TAKEN
            await enter(swarm, 2)
            await reach(swarm, votes_acknowledged=1, votes_repeated=1)


async def test_nobody_begins_to_vote_when_the_poll_is_closed() -> None:
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 1, NOW, ((1.0, 2),)), Step(Action.REACT, 1)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            swarm.close_poll()
            await enter(swarm, 1)
            await reach(swarm, reactions=1)
            assert (swarm.progress()["votes_sent"], booth.seen) == (0, [])


async def test_reactions_go_to_the_event() -> None:
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.REACT, 9, kind=2), Step(Action.REACT, 1), fans=40) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await eventually(lambda: booth.reactions == [(2, 9, EVENT)] * 40)
            await enter(swarm, 2)
            await eventually(lambda: len(booth.reactions) == 80)
            assert {kind for kind, *_ in booth.reactions[40:]} == {0, 1, 2, 3, 4}
            assert swarm.progress()["reactions"] == 400


# Registers


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda seq, mask: (seq, mask), None),
        (lambda seq, mask: (0, 0), ("vote_lost", 3, 0)),
        (lambda seq, mask: (2, mask), ("vote_lost", 3, 2)),
        (lambda seq, mask: (4, mask), ("vote_doubled", 3, 4)),
        (lambda seq, mask: (seq, mask ^ 3), ("vote_doubled", 3, 3)),
    ],
)
async def test_each_register_is_held_to_what_its_fan_has_sent(
    change: Callable[[int, int], tuple[int, int]], found: tuple[str, int, int] | None
) -> None:
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 3), fans=5, threads=2) as swarm:
            first = swarm.sign_tickets(SECRET, EXPIRES)
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=15)
            seqs, masks = array("I", bytes(20)), array("I", bytes(20))
            for voter, (seq, mask) in booth.registers.items():
                seqs[voter - first], masks[voter - first] = seq, mask
            seqs[3], masks[3] = change(seqs[3], masks[3])
            swarm.audit(seqs, masks)
            told = [(one.kind, one.fan, one.expected, one.got) for one in swarm.violations()]
            with pytest.raises(ValueError, match="one number for each fan"):
                swarm.audit(seqs[1:], masks)
    assert told == ([(found[0], 3, *found[1:])] if found else [])


# Cheaters


async def test_a_double_vote_may_stand_for_either() -> None:
    """The larger mask of two with the same seq wins, and either is within bounds."""
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 1), Step(Action.CHEAT, Way.DOUBLE)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=1)
            await enter(swarm, 2)
            await eventually(lambda: len(booth.seen) == 2)
            first, second = booth.seen
            assert (first.seq, second.seq) == (1, 1)
            assert first.mask != second.mask
            bounds = swarm.vote_bounds()
            assert (sum(bounds.least), sum(bounds.most), bounds.voters_most) == (0, 2, 1)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=2)
            bounds = swarm.vote_bounds()
            assert bounds.least == bounds.most
            assert swarm.progress()["violations"] == 0


@pytest.mark.parametrize("way", [Way.NO_CHOICE, Way.NO_POLL])
@pytest.mark.parametrize("status", [ACCEPTED, CLOSED])
async def test_what_is_not_there_must_be_refused(way: Way, status: int) -> None:
    booth = Booth(lambda vote: Word(False, status))
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.CHEAT, way)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, cheats=1, violations=int(status == ACCEPTED))
            await eventually(lambda: len(booth.seen) == 1)
            (vote,) = booth.seen
            assert (vote.poll != POLL) == (way == Way.NO_POLL)
            assert (vote.mask >= 1 << CHOICES) == (way == Way.NO_CHOICE)
            kinds = [(found.kind, found.got) for found in swarm.violations()]
    assert kinds == [("forbidden", ACCEPTED)] * (status == ACCEPTED)


async def test_a_replay_is_what_was_sent() -> None:
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.VOTE, 3), Step(Action.CHEAT, Way.REPLAY)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=3)
            await enter(swarm, 2)
            await eventually(lambda: len(booth.seen) == 6)
            bounds = swarm.vote_bounds()
            assert bounds.least == bounds.most
    assert booth.seen[:3] == booth.seen[3:]


@pytest.mark.parametrize("way", [Way.FORGED, Way.EXPIRED, Way.CUT])
async def test_a_ticket_that_does_not_hold_is_refused(way: Way) -> None:
    """And the fan comes back with its own."""
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.CHEAT, way), Step(Action.RESUME), lost=2) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, opened=2, refused=1, cheats=1, violations=0)
            assert swarm.close_codes() == {403: 1}
    assert booth.refused == 1


async def test_a_ticket_that_is_taken_all_the_same_is_a_violation() -> None:
    async def trusting(visit: Any) -> None:
        visit.send(visit.head(100))
        await visit.end()

    async with staged(trusting) as port:
        with crowd(port, Step(Action.CHEAT, Way.FORGED)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, opened=2, violations=1)
            found = swarm.violations()[0]
    assert (found.kind, found.expected, found.got) == ("forbidden", 403, 101)


async def test_verbs_without_a_ticket() -> None:
    booth = Booth()
    async with staged(booth.visit) as port:
        with crowd(port, Step(Action.CHEAT, Way.NOBODY)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await eventually(lambda: booth.nobodies == 2)
            assert swarm.vote_bounds().voters_most == 0


@pytest.mark.parametrize("said", [(POLL, 2), (POLL, 0), (POLL + 1, 1)])
async def test_an_acknowledgement_of_what_was_not_sent_is_a_violation(
    said: tuple[int, int],
) -> None:
    async def wrong(visit: Any) -> None:
        visit.send(visit.head(100))
        await visit.frame()
        visit.send(answer(*said, ACCEPTED))
        await visit.end()

    async with staged(wrong) as port:
        with crowd(port, Step(Action.VOTE, 1)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, violations=1)
            found = swarm.violations()[0]
    assert (found.kind, found.expected, found.got) == ("ack", 1, said[1])


# Tickets


async def test_tickets_that_were_handed_out_are_shown() -> None:
    booth = Booth()
    voters = [11, 12, 13]
    raw = b"".join(base64.urlsafe_b64decode(ticket(voter) + "=") for voter in voters)
    async with staged(booth.visit) as port:
        with swarm_of(port, 3, personas=[doing(Step(Action.VOTE, 1))]) as swarm:
            with pytest.raises(ValueError, match="32 bytes for each of 3 fans"):
                swarm.hand_out(raw[1:])
            swarm.hand_out(raw)
            swarm.poll(POLL, CHOICES)
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=3)
    assert sorted(booth.registers) == voters


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (Step(Action.VOTE, 0), "VOTE: 1 to 16, not 0"),
        (Step(Action.VOTE, 17), "VOTE: 1 to 16, not 17"),
        (Step(Action.REACT, 101), "REACT: 1 to 100, not 101"),
        (Step(Action.REACT, 1, kind=17), "kind: 0 to 16, not 17"),
        (Step(Action.CHEAT, 9), "CHEAT: 1 to 8, not 9"),
    ],
)
def test_what_nobody_can_say_is_refused(step: Step, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Swarm([("127.0.0.1", 1, "/", False)], fans=1, personas=[doing(step)])


def test_a_poll_must_be_one_and_have_choices() -> None:
    with swarm_of(1) as swarm:
        for number, choices in [(0, 2), (1, 0), (1, 33)]:
            with pytest.raises(ValueError, match="poll: "):
                swarm.poll(number, choices)
        swarm.poll(1, 32)
        with pytest.raises(ValueError, match="there is one"):
            swarm.poll(2, 2)
        with pytest.raises(ValueError, match="secret: "):
            swarm.sign_tickets(b"", EXPIRES)

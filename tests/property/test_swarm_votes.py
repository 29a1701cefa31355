"""What a crowd says about a poll and what it expects of the tally, against tests/oracle/voter.py.

The server does what it may: answers or not, counts what it has not answered or not, refuses, goes
away in the middle of a burst. Answers are cut where hypothesis wants it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step
from tests.helpers.booth import ACCEPTED, BUSY, CLOSED, Booth, Vote, Word
from tests.helpers.stage import staged, swarm_of
from tests.helpers.tickets import SECRET
from tests.helpers.wait import eventually
from tests.oracle.voter import Voter

NOW = Delay(Distribution.CONSTANT, 0.0)
POLL, CHOICES = 9, 3
VOTE, BURST, RETRY, DROP, RESUME = range(1, 6)
PERSONA = Persona(
    steps=(
        Step(),
        Step(Action.VOTE, 1),
        Step(Action.VOTE, 3),
        Step(Action.RETRY),
        Step(Action.DROP, 0, NOW, ((1.0, RESUME),)),
        Step(Action.RESUME),
    ),
    lost=RESUME,
    protocol="v1",
)
WORDS = st.builds(
    lambda counts, status, gone: Word(
        # What was acknowledged counts, what was refused does not; of silence nobody knows.
        status == ACCEPTED if status is not None else counts,
        status,
        gone,
    ),
    st.booleans(),
    st.sampled_from([ACCEPTED, ACCEPTED, CLOSED, BUSY, None]),
    st.sampled_from([False, False, False, True]),
)
ACTS = st.lists(st.sampled_from([VOTE, BURST, RETRY, DROP]), max_size=5)


class UnfinishedError(Exception):
    """More is to come."""


def replay(acts: list[int], log: list[tuple[Vote, Word]]) -> Voter:
    """The oracle's fan, after it has done this and heard that. Raises UnfinishedError."""
    voter = Voter()
    heard: Iterator[tuple[Vote, Word]] = iter(log)
    for act in acts:
        match act:
            case 1:
                said = voter.vote(1)
            case 2:
                said = voter.vote(3)
            case 3:
                said = voter.retry()
            case _:
                said = voter.come_back()
        while said:
            seq = said.pop(0)
            vote, word = next(heard, (None, None))
            if vote is None or word is None:
                raise UnfinishedError
            assert (vote.poll, vote.seq) == (POLL, seq)
            if word.status is not None:
                voter.hear(seq, word.status)
            if word.gone:
                said = voter.come_back()
    assert next(heard, None) is None, "it said more than it should"
    return voter


@settings(max_examples=40)
@given(acts=ACTS, words=st.lists(WORDS, min_size=1, max_size=9), cut=st.integers(0, 14))
def test_a_crowd_says_and_expects_what_the_oracle_does(
    acts: list[int], words: list[Word], cut: int
) -> None:
    asyncio.run(check(acts, words, cut))


async def check(acts: list[int], words: list[Word], cut: int) -> None:
    heard: dict[int, int] = defaultdict(int)

    def policy(vote: Vote) -> Word:
        """By voter another part of the words; each goes away five times at most."""
        number = heard[vote.voter]
        heard[vote.voter] += 1
        word = words[(number + vote.voter % 7) % len(words)]
        return word._replace(gone=word.gone and number < 5)

    fans = 12
    booth = Booth(policy, cut)
    async with staged(booth.visit) as port:
        with swarm_of(port, fans, personas=[PERSONA]) as swarm:
            first = swarm.sign_tickets(SECRET, 2_000_000_000)
            swarm.poll(POLL, CHOICES)
            await asyncio.to_thread(swarm.connect, 10)
            done: list[int] = []
            for act in acts:
                done.append(act)
                await asyncio.to_thread(swarm.stimulate, 0, 1.0, NOW, act)
                await eventually(lambda: agrees(done, booth, swarm.progress(), first, fans))
            bounds = swarm.vote_bounds()
            assert swarm.violations() == []
    voters = {first + i: replay(acts, log_of(booth, first + i)) for i in range(fans)}
    mask_of = {(vote.voter, vote.seq): vote.mask for vote in booth.seen}
    counts, registered = booth.tally(CHOICES)
    assert bounds.voters_least <= registered <= bounds.voters_most
    least, most = [0] * CHOICES, [0] * CHOICES
    for number, voter in voters.items():
        held = {mask_of.get((number, seq), 0) for seq in voter.may_hold()}
        for choice in range(CHOICES):
            most[choice] += any(mask >> choice & 1 for mask in held)
            least[choice] += held == {1 << choice}
    for choice in range(CHOICES):
        assert least[choice] <= counts[choice] <= most[choice]
        assert bounds.least[choice] <= least[choice]
        assert most[choice] <= bounds.most[choice]
    said = {(number, seq) for number, voter in voters.items() for seq in voter.votes}
    if said == mask_of.keys():  # nothing was lost on its way
        assert (list(bounds.least), list(bounds.most)) == (least, most)


def log_of(booth: Booth, number: int) -> list[tuple[Vote, Word]]:
    return [entry for entry in booth.log if entry[0].voter == number]


def agrees(acts: list[int], booth: Booth, counters: dict[str, int], first: int, fans: int) -> bool:
    """Whether everything that follows from these acts has happened, and was counted."""
    try:
        voters = [replay(acts, log_of(booth, first + i)) for i in range(fans)]
    except UnfinishedError:
        return False
    expected = {
        "votes_sent": sum(len(voter.votes) for voter in voters),
        "votes_repeated": sum(voter.repeated for voter in voters),
        "votes_acknowledged": sum(voter.acknowledged for voter in voters),
        "votes_refused": sum(voter.refusals for voter in voters),
        "votes_put_off": sum(voter.put_off for voter in voters),
        "voters": sum(bool(voter.votes) for voter in voters),
        "voters_acknowledged": sum(bool(voter.safe) for voter in voters),
        "dropped": acts.count(DROP) * fans,
        "open": fans,
    }
    return all(counters[name] == number for name, number in expected.items())

"""Polls when the store or the disk refuses, and when another process goes on with them."""

import asyncio

import pytest

from ngage.errors import JournalError, PollStateError, StoreError
from ngage.interaction.ballots import Tally, VoteStatus
from ngage.interaction.model import Event, Kind, Phase, Poll, Scoring, State, Visible
from tests.helpers.interaction import PollEdge, draft, locked

QUIZ = {"kind": Kind.QUIZ, "scoring": Scoring.SPEED, "window_ms": 10_000}

# The store refuses


async def test_a_locked_store_changes_nothing(edge: PollEdge, event: Event) -> None:
    created = await edge.polls.create(event, draft(), "host")
    poll = await edge.opened(event)
    edge.ballots.vote(poll.id, 1, 1, 1)
    changes = list(edge.changes)
    with locked(edge.store.path):
        for act in (
            lambda: edge.polls.create(event, draft(), "host"),
            lambda: edge.polls.open(event, created.id, None, "host"),
            lambda: edge.polls.lock(event, poll.id, "host"),
            lambda: edge.polls.close(event, poll.id, None, "host"),
            lambda: edge.polls.cancel(event, poll.id, "host"),
        ):
            with pytest.raises(StoreError, match="another process"):
                await act()
    assert edge.changes == changes
    assert edge.polls.find("show", poll.id) == poll
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.ACCEPTED
    opened = await edge.polls.open(event, created.id, None, "host")
    assert edge.ballots.vote(opened.id, 2, 1, 1) is VoteStatus.ACCEPTED


async def test_a_deadline_while_the_store_is_locked(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event, duration_ms=1000)
    edge.ballots.vote(poll.id, 1, 1, 1)
    edge.clock.advance(1001)
    with locked(edge.store.path):
        await edge.polls.attend()
        assert "another process" in edge.polls.trouble("show")
        assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.CLOSED
    await edge.polls.attend()  # too early
    assert edge.polls.find("show", poll.id).state is State.OPEN
    edge.clock.advance(1000)
    await edge.polls.attend()
    ended = edge.polls.find("show", poll.id)
    assert ended.result and ended.result.voters == 1
    assert edge.polls.trouble("show") == ""


async def test_a_journal_that_cannot_be_made(edge: PollEdge, event: Event) -> None:
    poll = await edge.polls.create(event, draft(), "host")
    edge.polls.journal(poll).mkdir()
    with pytest.raises(JournalError):
        await edge.polls.open(event, poll.id, None, "host")
    assert edge.polls.find("show", poll.id).state is State.CREATED
    edge.polls.journal(poll).rmdir()
    await edge.polls.open(event, poll.id, None, "host")


async def test_a_result_that_has_to_wait(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    edge.ballots.vote(poll.id, 1, 1, 1)
    path, aside = edge.polls.journal(poll), edge.directory / "aside"
    path.rename(aside)
    closed = await edge.polls.close(event, poll.id, None, "host")
    assert (closed.state, closed.result) == (State.CLOSED, None)
    assert "not there" in edge.polls.trouble("show")
    aside.rename(path)
    edge.clock.advance(1000)
    await edge.polls.attend()
    counted = edge.polls.find("show", poll.id)
    assert counted.result and counted.result.voters == 1


async def test_two_hosts_at_once(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    done = await asyncio.gather(
        *(edge.polls.close(event, poll.id, None, f"host {n}") for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Poll) for one in done) == 1
    assert sum(isinstance(one, PollStateError) for one in done) == 4


async def test_journals_are_opened_anew_while_votes_are_refused(
    edge: PollEdge, event: Event
) -> None:
    """After a sync that failed nothing else makes the core write to it again."""
    poll = await edge.opened(event)
    edge.ballots.vote(poll.id, 1, 1, 1)
    edge.ballots.broken[poll.id] = "Input/output error"
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.UNAVAILABLE
    await edge.polls.attend()
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.ACCEPTED
    assert edge.polls.tally(poll).voters == 2
    edge.ballots.broken[poll.id] = "Input/output error"
    await edge.polls.attend()  # not at every tick: a large journal takes a while
    assert edge.ballots.failing()
    edge.clock.advance(5000)
    await edge.polls.attend()
    assert not edge.ballots.failing()


async def test_only_the_journal_that_is_broken_is_opened_anew(edge: PollEdge, event: Event) -> None:
    broken, sound = await edge.opened(event), await edge.opened(event)
    edge.ballots.opened.clear()
    edge.ballots.broken[broken.id] = "Input/output error"
    await edge.polls.attend()
    assert edge.ballots.opened == [broken.id]
    assert edge.ballots.vote(sound.id, 1, 1, 1) is VoteStatus.ACCEPTED


async def test_a_closed_poll_is_not_mended(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    await edge.opened(event)
    edge.ballots.broken[poll.id] = "Input/output error"
    await edge.polls.lock(event, poll.id, "host")
    edge.ballots.opened.clear()
    edge.clock.advance(60_000)
    await edge.polls.attend()
    assert edge.ballots.failing() == ""
    assert edge.ballots.opened == []


# Another process goes on


async def test_voting_goes_on_after_a_restart(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event, duration_ms=10_000)
    edge.ballots.vote(poll.id, 1, 1, 0b001)
    edge.ballots.vote(poll.id, 2, 1, 0b001)
    edge.clock.advance(4000)
    await edge.restart(event)
    assert edge.polls.tally(poll) == Tally((2, 0, 0), 2)
    assert edge.ballots.vote(poll.id, 1, 1, 0b001) is VoteStatus.DUPLICATE
    assert edge.ballots.vote(poll.id, 1, 2, 0b010) is VoteStatus.ACCEPTED
    edge.clock.advance(6000)
    await edge.polls.attend()
    ended = edge.polls.find("show", poll.id)
    assert ended.result and ended.result.tally == Tally((1, 1, 0), 2)


async def test_a_deadline_that_passed_meanwhile(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event, duration_ms=10_000)
    edge.ballots.vote(poll.id, 1, 1, 1)
    edge.clock.advance(60_000)
    await edge.restart(event)
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.CLOSED
    await edge.polls.attend()
    ended = edge.polls.find("show", poll.id)
    assert ended.result and ended.result.voters == 1


async def test_a_clock_set_back_before_a_restart(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event, duration_ms=10_000)
    edge.clock.jump(-3_600_000)
    await edge.restart(event)
    edge.clock.advance(10_000)
    await edge.polls.attend()
    assert edge.polls.find("show", poll.id).state is State.CLOSED


async def test_closed_but_not_counted_before_the_restart(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    edge.ballots.vote(poll.id, 1, 1, 1)
    aside = edge.directory / "aside"
    edge.polls.journal(poll).rename(aside)
    await edge.polls.close(event, poll.id, None, "host")
    aside.rename(edge.polls.journal(poll))
    await edge.restart(event)
    counted = edge.polls.find("show", poll.id)
    assert counted.result and counted.result.voters == 1
    assert edge.ballots.vote(poll.id, 1, 1, 1) is VoteStatus.DUPLICATE
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.CLOSED


async def test_the_standings_are_those_from_before(edge: PollEdge, event: Event) -> None:
    for scoring in (Scoring.SPEED, Scoring.ELIMINATION):
        poll = await edge.opened(event, **{**QUIZ, "scoring": scoring}, answer=1)
        edge.clock.advance(2000)
        for voter, mask in ((1, 1), (2, 2), (3, 1)):
            assert edge.ballots.vote(poll.id, voter, 1, mask, 1000 * voter - 500) is (
                VoteStatus.ACCEPTED if voter < 3 else VoteStatus.LATE
            )
        await edge.polls.close(event, poll.id, None, "host")
    before = edge.polls.board("show").top(10)
    assert [(s.voter, s.score, s.alive) for s in before] == [(1, 1975, True), (2, 0, False)]
    await edge.restart(event)
    assert edge.polls.board("show").top(10) == before
    assert edge.polls.board("show").alive == 1


async def test_own_votes_are_known_until_the_next_run(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event, visible=Visible.NEVER)
    edge.ballots.vote(poll.id, 7, 3, 0b100)
    closed = await edge.polls.close(event, poll.id, None, "host")
    assert edge.polls.register(closed, 7) == (3, 0b100)
    assert edge.polls.register(closed, 8) is None
    await edge.polls.follow(event.moved(Phase.ENDED).moved(Phase.LIVE))
    assert edge.polls.register(closed, 7) is None
    assert edge.polls.tally(closed).voters == 1

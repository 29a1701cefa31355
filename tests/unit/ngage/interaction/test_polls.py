"""What hosts do with polls, what comes by itself, and what the store refuses does not happen."""

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from ngage.errors import PollError, PollStateError, UnknownPollError
from ngage.interaction import journal, records
from ngage.interaction.ballots import Tally, VoteStatus
from ngage.interaction.model import Event, Kind, Phase, Scoring, State
from ngage.interaction.store import Store
from ngage.limits import POLLS_SHOWN_MAX
from tests.helpers.interaction import FakeClock, PollEdge, draft

QUIZ = {"kind": Kind.QUIZ, "scoring": Scoring.SPEED, "window_ms": 10_000}


async def test_a_poll_from_beginning_to_end(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    assert poll.state is State.OPEN
    for voter, mask in ((1, 0b001), (2, 0b010), (3, 0b010)):
        assert edge.ballots.vote(poll.id, voter, 1, mask) is VoteStatus.ACCEPTED
    assert edge.polls.tally(poll) == Tally((1, 2, 0), 3)
    poll = await edge.polls.close(event, poll.id, None, "host")
    assert poll.state is State.CLOSED
    assert poll.result and poll.result.tally == Tally((1, 2, 0), 3)
    content = edge.polls.journal(poll).read_bytes()
    assert poll.result.journal_sha256 == hashlib.sha256(content).hexdigest()
    assert poll.result.journal_bytes == len(content)
    counted = journal.registers(edge.polls.journal(poll))
    assert journal.recount(counted, 3) == poll.result.tally
    assert edge.ballots.vote(poll.id, 4, 1, 1) is VoteStatus.CLOSED
    assert edge.changes == ["show"] * 4  # created, open, closed, counted


async def test_what_hosts_did_is_written_down(edge: PollEdge, event: Event, store: Store) -> None:
    poll = await edge.opened(event, kind=Kind.PREDICTION)
    await edge.polls.lock(event, poll.id, "ann")
    await edge.polls.close(event, poll.id, 0b100, "bob")
    actions = await store.read(lambda c: records.read_actions(c, "show", 10))
    assert [(a["host"], a["action"], a["details"]) for a in actions[:2]] == [
        ("bob", "poll_close", {"poll": poll.id, "answer": 4}),
        ("ann", "poll_lock", {"poll": poll.id}),
    ]


async def test_a_deadline_ends_a_poll(edge: PollEdge, event: Event, clock: FakeClock) -> None:
    poll = await edge.opened(event, duration_ms=30_000)
    assert poll.closes_ms == clock.unix + 30_000
    edge.ballots.vote(poll.id, 1, 1, 1)
    clock.advance(29_999)
    await edge.polls.attend()
    assert edge.polls.find("show", poll.id).state is State.OPEN
    clock.advance(1)
    await edge.polls.attend()
    ended = edge.polls.find("show", poll.id)
    assert ended.state is State.CLOSED
    assert ended.result and ended.result.voters == 1
    assert ended.closes_ms == poll.closes_ms


@pytest.mark.parametrize("step", ["lock", "close", "cancel"])
async def test_no_vote_counts_after_the_end_that_is_kept(
    edge: PollEdge, event: Event, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The store takes its time, and voters go on meanwhile."""
    poll = await edge.opened(event)
    edge.ballots.vote(poll.id, 1, 1, 1)
    late = []
    run = edge.store.run

    async def slow(work: Any) -> Any:
        edge.clock.advance(100)
        late.append(edge.ballots.vote(poll.id, 2, 1, 1))
        return await run(work)

    monkeypatch.setattr(edge.store, "run", slow)
    if step == "close":
        ended = await edge.polls.close(event, poll.id, None, "host")
    else:
        ended = await getattr(edge.polls, step)(event, poll.id, "host")
    assert set(late) == {VoteStatus.CLOSED}
    records = journal.registers(edge.polls.journal(poll))
    assert ended.closes_ms is not None
    assert all(record["received_ms"] <= ended.closes_ms for record in records)


async def test_polls_that_an_earlier_run_left_locked_are_in_nobodys_way(
    edge: PollEdge, event: Event
) -> None:
    for _ in range(POLLS_SHOWN_MAX):
        await edge.opened(event, kind=Kind.PREDICTION)
    with pytest.raises(PollStateError, match="already: 1, 2, 3, 4, 5, 6, 7, 8"):
        await edge.opened(event)
    for phase in (Phase.ENDED, Phase.LIVE):
        event = event.moved(phase)
        await edge.polls.follow(event)
    left = edge.polls.find(event.id, 1)
    assert left.state is State.LOCKED
    assert (await edge.opened(event)).state is State.OPEN
    closed = await edge.polls.close(event, left.id, 1, "host")
    assert closed.result is not None


@pytest.mark.parametrize("jump", [-3_600_000, 3_600_000])
async def test_a_clock_that_jumps_moves_no_deadline(
    edge: PollEdge, event: Event, clock: FakeClock, jump: int
) -> None:
    poll = await edge.opened(event, duration_ms=30_000)
    clock.jump(jump)
    clock.advance(29_000)
    await edge.polls.attend()
    assert edge.polls.find("show", poll.id).state is State.OPEN
    clock.advance(1_000)
    await edge.polls.attend()
    assert edge.polls.find("show", poll.id).state is State.CLOSED


async def test_what_needs_an_answer_locks_at_its_deadline(
    edge: PollEdge, event: Event, clock: FakeClock
) -> None:
    poll = await edge.opened(event, kind=Kind.PREDICTION, duration_ms=1000)
    clock.advance(1000)
    await edge.polls.attend()
    assert edge.polls.find("show", poll.id).state is State.LOCKED
    assert edge.ballots.vote(poll.id, 1, 1, 1) is VoteStatus.CLOSED
    with pytest.raises(PollError, match="answer"):
        await edge.polls.close(event, poll.id, None, "host")
    resolved = await edge.polls.close(event, poll.id, 0b010, "host")
    assert (resolved.state, resolved.answer) == (State.CLOSED, 0b010)


async def test_a_question_is_over_when_the_last_window_is(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event, **QUIZ, answer=1)
    assert poll.closes_ms == edge.clock.unix + 15_000 + 10_000 + 250 + 1_000


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"title": ""}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "\u202eturned"}, "title"),
        ({"choices": ("A",)}, "choices"),
        ({"choices": tuple(map(str, range(33)))}, "choices"),
        ({"choices": ("A", "A")}, "the same"),
        ({"choices": ("A", " ")}, r"choices\[1\]"),
        ({"most": 0}, "most"),
        ({"most": 4}, "most"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"duration_ms": 86_400_001}, "duration_ms"),
        ({"answer": 1}, "answer"),
        ({"window_ms": 1000}, "quiz"),
        ({"scoring": Scoring.SPEED}, "quiz"),
        ({"kind": Kind.QUIZ, "scoring": Scoring.SPEED}, "window_ms"),
        ({"kind": Kind.QUIZ, "answer": 0}, "answer"),
        ({"kind": Kind.QUIZ, "answer": 8}, "answer"),
        ({"kind": Kind.QUIZ, "answer": 3}, "answer"),
        ({"kind": Kind.QUIZ, "window_ms": 3_600_001}, "window_ms"),
    ],
)
async def test_a_poll_that_cannot_be(
    edge: PollEdge, event: Event, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(PollError, match=named):
        await edge.polls.create(event, draft(**wrong), "host")
    assert edge.polls.of("show") == []
    assert await edge.store.read(records.read_polls) == []


async def test_what_is_not_there(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    for name, number in (("show", poll.id + 1), ("other", poll.id)):
        with pytest.raises(UnknownPollError):
            edge.polls.find(name, number)


async def test_no_poll_opens_while_the_event_takes_no_votes(edge: PollEdge, event: Event) -> None:
    poll = await edge.polls.create(event, draft(), "host")
    for stopped in (replace(event, phase=Phase.PAUSED), event.switched("polls", False)):
        await edge.polls.follow(stopped)
        with pytest.raises(PollStateError, match="no poll can open"):
            await edge.polls.open(stopped, poll.id, None, "host")


async def test_nine_polls_at_once_are_too_many(edge: PollEdge, event: Event) -> None:
    polls = [await edge.opened(event) for _ in range(8)]
    with pytest.raises(PollStateError, match="8 polls"):
        await edge.opened(event)
    await edge.polls.close(event, polls[0].id, None, "host")
    await edge.opened(event)


async def test_a_pause_refuses_votes_and_keeps_them(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    edge.ballots.vote(poll.id, 1, 1, 1)
    paused = event.moved(Phase.PAUSED)
    await edge.polls.follow(paused)
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.CLOSED
    assert edge.polls.tally(poll).voters == 1
    await edge.polls.follow(paused.moved(Phase.LIVE))
    assert edge.ballots.vote(poll.id, 2, 1, 1) is VoteStatus.ACCEPTED
    assert edge.polls.tally(poll).voters == 2


async def test_a_feature_that_has_nothing_to_do_with_polls_leaves_them_alone(
    edge: PollEdge, event: Event
) -> None:
    poll = await edge.opened(event)
    box = edge.ballots.boxes[poll.id]
    await edge.polls.follow(event.switched("chat", False))
    assert edge.ballots.boxes[poll.id] is box
    assert not box.closed


async def test_the_end_of_the_event_ends_its_polls(edge: PollEdge, event: Event) -> None:
    poll, bet = await edge.opened(event), await edge.opened(event, kind=Kind.PREDICTION)
    ended = event.moved(Phase.ENDED)
    await edge.polls.follow(ended)
    assert edge.polls.find("show", poll.id).state is State.CLOSED
    assert edge.polls.find("show", bet.id).state is State.LOCKED
    again = ended.moved(Phase.LIVE)
    assert again.run == 2
    await edge.polls.follow(again)
    assert edge.polls.shown(again) == []
    resolved = await edge.polls.close(again, bet.id, 1, "host")
    assert resolved.result


async def test_shown_are_open_ones_and_the_newest(edge: PollEdge, event: Event) -> None:
    polls = []
    for _ in range(10):
        edge.clock.advance(1)
        poll = await edge.opened(event)
        if len(polls) != 1:
            await edge.polls.close(event, poll.id, None, "host")
        polls.append(poll.id)
    await edge.polls.create(event, draft(), "host")
    shown = [poll.id for poll in edge.polls.shown(event)]
    assert shown == [*reversed(polls[3:]), polls[1]]
    assert len(edge.ballots.boxes) == 9  # those shown, and a closed one less than eight


async def test_forgotten_with_its_event(edge: PollEdge, event: Event) -> None:
    poll = await edge.opened(event)
    await edge.polls.close(event, poll.id, None, "host")
    await edge.polls.drop(event)
    assert edge.polls.of("show") == []
    assert edge.ballots.boxes == {}
    assert not edge.polls.journal(poll).exists()

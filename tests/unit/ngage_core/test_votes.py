"""The votes thread by tables: every status, every rule, and what a command waits for."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ngage_core.votes import Votes, limits
from tests.helpers.votes import POLL, push, told, voting
from tests.oracle.votes import (
    ACCEPTED,
    BANNED,
    CLOSED,
    DUPLICATE,
    FINAL,
    HEAD,
    NO_CHOICE,
    NO_POLL,
    UNAVAILABLE,
    Record,
    Rules,
    Vote,
    batches,
)

ANY = Rules(choices=3, most=2)
FIRST = Rules(choices=3, most=2, final=True)
FULL = 2**32 - 1

# Rules, votes of one voter in order, what each is told, the register in the end.
SEQUENCES: dict[str, tuple[Rules, list[tuple[int, int]], list[int], tuple[int, int] | None]] = {
    "one": (ANY, [(1, 1)], [ACCEPTED], (1, 1)),
    "two choices": (ANY, [(1, 0b101)], [ACCEPTED], (1, 0b101)),
    "repeated": (ANY, [(1, 1), (1, 1)], [ACCEPTED, DUPLICATE], (1, 1)),
    "changed": (ANY, [(1, 1), (2, 2)], [ACCEPTED, ACCEPTED], (2, 2)),
    "the same anew": (ANY, [(1, 1), (2, 1)], [ACCEPTED, ACCEPTED], (2, 1)),
    "in the wrong order": (ANY, [(2, 2), (1, 1)], [ACCEPTED, DUPLICATE], (2, 2)),
    "two devices": (ANY, [(1, 1), (1, 2)], [ACCEPTED, ACCEPTED], (1, 2)),
    "two devices, the larger first": (ANY, [(1, 2), (1, 1)], [ACCEPTED, DUPLICATE], (1, 2)),
    "withdrawn": (ANY, [(1, 1), (2, 0)], [ACCEPTED, ACCEPTED], (2, 0)),
    "withdrawn before it comes": (ANY, [(2, 0), (1, 1)], [ACCEPTED, DUPLICATE], (2, 0)),
    "withdrawn and cast": (ANY, [(1, 1), (2, 0), (3, 2)], [ACCEPTED] * 3, (3, 2)),
    "the largest": (ANY, [(FULL, 0b110)], [ACCEPTED], (FULL, 0b110)),
    "a choice that is not there": (ANY, [(1, 0b1000)], [NO_CHOICE], None),
    "the last bit": (ANY, [(1, 2**31)], [NO_CHOICE], None),
    "too many": (ANY, [(1, 0b111)], [NO_CHOICE], None),
    "no sequence": (ANY, [(0, 1)], [NO_CHOICE], None),
    "nothing at all": (ANY, [(0, 0)], [NO_CHOICE], None),
    "all of 32": (Rules(choices=32, most=32), [(1, FULL)], [ACCEPTED], (1, FULL)),
    "the first stands": (FIRST, [(1, 1), (2, 2)], [ACCEPTED, FINAL], (1, 1)),
    "the first, repeated": (FIRST, [(1, 1), (1, 1)], [ACCEPTED, DUPLICATE], (1, 1)),
    "the first, in the wrong order": (FIRST, [(2, 2), (1, 1)], [ACCEPTED, FINAL], (2, 2)),
    "the first of two devices": (FIRST, [(1, 2), (1, 1)], [ACCEPTED, FINAL], (1, 2)),
    "the first is not withdrawn": (FIRST, [(1, 1), (2, 0)], [ACCEPTED, FINAL], (1, 1)),
    "the first is no withdrawal": (FIRST, [(1, 0), (2, 1)], [NO_CHOICE, ACCEPTED], (2, 1)),
}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "7.votes"


@pytest.fixture
def votes(journal: Path) -> Iterator[Votes]:
    """A poll of three choices, of which two may be picked."""
    with voting(journal, ANY) as votes:
        yield votes


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "a batch each"])
@pytest.mark.parametrize("name", SEQUENCES)
def test_votes_of_one_voter(journal: Path, name: str, together: bool) -> None:
    rules, cast, statuses, register = SEQUENCES[name]
    ballots = [Vote(5, seq, mask) for seq, mask in cast]
    with voting(journal, rules) as votes:
        if together:
            assert told(votes, *ballots) == statuses
        else:
            assert [told(votes, ballot)[0] for ballot in ballots] == statuses
        assert votes.register(POLL, 5) == register
        mask = register[1] if register else 0
        counts = tuple(mask >> i & 1 for i in range(rules.choices))
        assert votes.tally(POLL) == (counts, int(mask > 0))
        assert votes.open(POLL, journal, **rules._asdict()) == (register is not None)
        assert votes.register(POLL, 5) == register
        assert votes.tally(POLL) == (counts, int(mask > 0))


def test_what_comes_with_a_vote_goes_with_its_answer(votes: Votes) -> None:
    assert votes.vote(1, 2**64 - 1, 9, POLL, 3, 2, 0, 2**32 - 1, 0)
    votes.flush()
    assert votes.acks(0) == []
    assert votes.acks(1) == [(2**64 - 1, POLL, 3, 2**32 - 1, ACCEPTED)]
    assert votes.acks(1) == []


def test_a_poll_that_is_not_there(votes: Votes) -> None:
    assert told(votes, Vote(1, 1, 1), poll=8) == [NO_POLL]
    votes.leave(True)
    assert told(votes, Vote(1, 1, 1), poll=8) == [UNAVAILABLE]
    votes.leave(False)
    votes.forget(POLL)
    assert told(votes, Vote(1, 1, 1)) == [NO_POLL]
    for call in (votes.tally, votes.close):
        with pytest.raises(ValueError, match="poll 7: not open"):
            call(POLL)
    votes.forget(POLL)


def test_voter_0_is_none(votes: Votes) -> None:
    assert told(votes, Vote(0, 1, 1)) == [NO_CHOICE]
    assert votes.register(POLL, 0) is None
    with pytest.raises(ValueError, match="voter 0"):
        votes.ban(0, True)


def test_a_ban_holds_what_comes_and_leaves_what_counts(votes: Votes) -> None:
    assert told(votes, Vote(1, 1, 1)) == [ACCEPTED]
    votes.ban(1, True)
    votes.ban(2, True)
    assert told(votes, Vote(1, 1, 1), Vote(1, 2, 2), Vote(2, 1, 1), Vote(3, 1, 1)) == [
        BANNED,
        BANNED,
        BANNED,
        ACCEPTED,
    ]
    assert votes.tally(POLL) == ((2, 0, 0), 2)
    votes.ban(2, False)
    votes.ban(4, False)
    assert told(votes, Vote(2, 1, 1), Vote(4, 1, 1)) == [ACCEPTED, ACCEPTED]


def test_many_bans_lifted(votes: Votes) -> None:
    for voter in range(1, 1001):
        votes.ban(voter, True)
        votes.ban(voter, voter % 10 == 0)
    cast = [Vote(voter, 1, 1) for voter in range(1, 1001)]
    assert told(votes, *cast) == [BANNED if vote.voter % 10 == 0 else ACCEPTED for vote in cast]


def test_votes_are_stamped_with_the_clock(journal: Path) -> None:
    with voting(journal, Rules()) as votes:
        before = votes.now_ms()
        assert told(votes, Vote(1, 1, 1, 0, 0)) == [ACCEPTED]
        ((_, [record]),) = batches(journal.read_bytes())
        assert before <= record.received_ms <= votes.now_ms()
        assert votes.now_ms() >= before
        assert votes.unix_ms(1_000) - votes.unix_ms(0) == 1_000
        moment = time.monotonic_ns() // 1_000_000
        assert before <= votes.unix_ms(moment) <= votes.now_ms()
        assert isinstance(votes.set_clock(), int)


def test_closing_answers_all_that_was_pushed_before(votes: Votes, journal: Path) -> None:
    for voter in range(1, 30_001):
        push(votes, Vote(voter, 1, 1), port=voter % 2)
    votes.close(POLL)
    acks = votes.acks(0) + votes.acks(1)
    assert [status for *_, status in acks] == [ACCEPTED] * 30_000
    assert votes.tally(POLL) == ((30_000, 0, 0), 30_000)
    assert sum(len(records) for _, records in batches(journal.read_bytes())) == 30_000
    assert told(votes, Vote(1, 1, 1), Vote(1, 2, 1), Vote(30_001, 1, 1)) == [
        DUPLICATE,
        CLOSED,
        CLOSED,
    ]
    votes.close(POLL)
    assert votes.open(POLL, journal, choices=3) == 30_000
    assert told(votes, Vote(30_001, 1, 1)) == [ACCEPTED]


def test_a_port_has_room_again_when_its_answers_are_taken(votes: Votes) -> None:
    most = limits()["in_flight_max"]
    sent = 0
    while votes.vote(0, 0, sent + 1, POLL, 1, 1):
        sent += 1
    assert sent == most
    votes.flush()
    assert not votes.vote(0, 0, 1, POLL, 1, 1)
    assert votes.vote(1, 0, 1, POLL, 1, 1)
    assert len(votes.acks(0)) == most
    assert told(votes, Vote(most + 1, 1, 1)) == [ACCEPTED]
    assert votes.tally(POLL)[1] == most + 1


def test_many_ports_have_less_room_each() -> None:
    votes = Votes(limits()["ports_max"])
    votes.start()
    sent = 0
    while votes.vote(1024, 0, 1, POLL, 1, 1):
        sent += 1
    assert sent == limits()["in_flight_min"]
    votes.stop()
    assert {status for *_, status in votes.acks(1024)} == {NO_POLL}


async def test_answers_wake_who_waits_for_them(votes: Votes) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()
    fd = votes.event_fd(0)
    assert votes.event_fd(0) == fd
    loop.add_reader(fd, arrived.set)
    try:
        push(votes, Vote(1, 1, 1))  # answered when the group window has passed
        while not (acks := votes.acks(0)):
            arrived.clear()
            await asyncio.wait_for(arrived.wait(), 10)
    finally:
        loop.remove_reader(fd)
    assert [status for *_, status in acks] == [ACCEPTED]


def test_polls_beside_each_other(votes: Votes, tmp_path: Path) -> None:
    polls = range(100, 120)
    for poll in polls:
        votes.open(poll, tmp_path / f"{poll}.votes", choices=2)
    for poll in polls:
        push(votes, Vote(1, 1, 1), poll=poll)
        push(votes, Vote(2, 1, 1 + poll % 2), poll=poll, port=1)
    votes.forget(105)
    assert len(votes.acks(0)) == len(votes.acks(1)) == len(polls)
    for poll in polls:
        if poll != 105:
            assert votes.tally(poll) == (((1, 1) if poll % 2 else (2, 0)), 2)
    assert votes.open(105, tmp_path / "105.votes", choices=2) == 2
    assert votes.tally(105) == ((1, 1), 2)


def test_the_journal_has_what_was_accepted_and_nothing_else(votes: Votes, journal: Path) -> None:
    before = votes.now_ms()
    votes.vote(0, 70, 1, POLL, 1, 0b11, 40, 0, 50)
    votes.vote(0, 70, 1, POLL, 1, 0b11, 41, 0, 51)
    votes.vote(0, 70, 2, POLL, 1, 0b111, 42, 0, 52)
    votes.vote(0, 71, 2, POLL, 2, 0b1, 43, 0, 53)
    votes.flush()
    data = journal.read_bytes()
    head = HEAD.unpack_from(data)
    assert head[:3] == (b"ngagevt1", POLL, 0)
    assert head[3] <= before
    ((end, records),) = batches(data)
    assert end == len(data)
    assert records == [Record(1, 1, 0b11, 40, 0, 0, 50, 70), Record(2, 2, 0b1, 43, 0, 0, 53, 71)]
    assert journal.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("rules", "flags"), [(FIRST, 1), (Rules(window_ms=9), 2), (Rules(final=True, window_ms=9), 3)]
)
def test_the_journal_tells_by_which_rules(journal: Path, rules: Rules, flags: int) -> None:
    with voting(journal, rules) as votes:
        told(votes, Vote(1, 1, 1))
    ((_, [record]),) = batches(journal.read_bytes())
    assert record.flags == flags


def test_a_register_outlives_the_doublings_of_its_table(votes: Votes) -> None:
    voters = [pow(3, power, 2**64) for power in range(20_000)]
    assert told(votes, *[Vote(voter, 1, 2) for voter in voters]) == [ACCEPTED] * len(voters)
    assert {votes.register(POLL, voter) for voter in voters} == {(1, 2)}
    assert votes.register(POLL, 2) is None
    counters = votes.counters()
    assert counters["voters"] == len(voters)
    assert counters["register_bytes"] / len(voters) < 46


def test_registers_are_read_while_the_table_grows(votes: Votes) -> None:
    """Another thread's look at a table that is being replaced: under a sanitizer it is one."""
    done = threading.Event()

    def vote() -> None:
        for first in range(1, 100_001, 10_000):
            told(votes, *[Vote(voter, 1, 1) for voter in range(first, first + 10_000)])
        done.set()

    told(votes, Vote(2**63, 1, 2))
    thread = threading.Thread(target=vote)
    thread.start()
    while not done.is_set():
        assert votes.register(POLL, 2**63) == (1, 2)
    thread.join()
    assert votes.tally(POLL) == ((100_000, 1, 0), 100_001)


def test_counters(votes: Votes) -> None:
    told(votes, Vote(1, 1, 1), Vote(1, 1, 1), Vote(2, 1, 8))
    counters = votes.counters()
    assert counters["votes"] == 3
    assert counters["votes_accepted"] == counters["votes_duplicate"] == 1
    assert counters["votes_no_choice"] == counters["syncs"] == counters["batches"] == 1
    assert counters["journal_bytes"] == 16 + 40
    assert counters["voters"] == 1
    assert counters["failures"] == 0
    assert counters["sync_us_max"] <= counters["sync_us"]


@pytest.mark.parametrize(
    "rules",
    [
        {"choices": 0},
        {"choices": 33},
        {"choices": 3, "most": 4},
        {"choices": 3, "most": 0},
        {"choices": 3, "closes_ms": -1},
        {"choices": 3, "window_ms": 2**32},
    ],
)
def test_rules_that_are_none(votes: Votes, journal: Path, rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\d to \d"):
        votes.open(POLL, journal, **rules)
    assert told(votes, Vote(1, 1, 1)) == [ACCEPTED]


def test_only_a_running_thread_is_ordered_about(journal: Path) -> None:
    votes = Votes(1)
    assert not votes.vote(0, 0, 1, POLL, 1, 1)
    with pytest.raises(ValueError, match="not running"):
        votes.open(POLL, journal, choices=3)
    votes.start()
    with pytest.raises(ValueError, match="once"):
        votes.start()
    votes.open(POLL, journal, choices=3)
    push(votes, Vote(1, 1, 2))
    votes.stop()
    votes.stop()
    assert [status for *_, status in votes.acks(0)] == [ACCEPTED]
    assert votes.tally(POLL) == ((0, 1, 0), 1)
    assert not votes.vote(0, 0, 2, POLL, 1, 1)
    for call in (votes.flush, lambda: votes.ban(1, True), lambda: votes.event_fd(0)):
        with pytest.raises(ValueError, match=r"not running|stopped"):
            call()


@pytest.mark.parametrize("ports", [0, limits()["ports_max"] + 1])
def test_ports_there_may_be(ports: int) -> None:
    with pytest.raises(ValueError, match="ports"):
        Votes(ports)


def test_ports_there_are(votes: Votes) -> None:
    for call in (votes.acks, votes.event_fd):
        with pytest.raises(ValueError, match="port 2"):
            call(2)


def test_polls_there_may_be(tmp_path: Path) -> None:
    votes = Votes(1)
    votes.start()
    try:
        for poll in range(limits()["ballots_max"]):
            votes.open(poll, tmp_path / str(poll), choices=1)
        with pytest.raises(OverflowError, match="1024 polls"):
            votes.open(1024, tmp_path / "1024", choices=1)
        votes.forget(3)
        votes.open(1024, tmp_path / "1024", choices=1)
        assert told(votes, Vote(1, 1, 1), poll=1024) == [ACCEPTED]
        assert told(votes, Vote(1, 1, 1), poll=3) == [NO_POLL]
    finally:
        votes.stop()

"""Votes of clients with tickets, from a socket to the journal and back."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngage_core import engine as core
from ngage_core.votes import Votes
from tests.helpers.raw import Raw
from tests.helpers.tickets import SECRET, ticket
from tests.helpers.wait import wait_until
from tests.oracle.frames import BINARY, client_frame

POLL = 7
ACCEPTED, DUPLICATE, CLOSED, NO_POLL, NO_CHOICE, BANNED = range(6)
BUSY, GUARDED = 9, 10
PER_SECOND = 20  # the default
SHARDS = 2


class Room:
    def __init__(self, journal: Path) -> None:
        self.votes = Votes(SHARDS + 1)
        self.engine = core.Engine(
            host="127.0.0.1",
            port=0,
            shards=SHARDS,
            connections_per_shard=64,
            inbound_messages_per_second=60000,
            inbound_bytes_per_second=1 << 30,
            send_buffer_bytes=8192,
        )
        self.engine.set_ticket_key(SECRET)
        self.engine.channel("stage", lag=core.LAG_LATEST, ring_frames=2, ring_bytes=1 << 16)
        self.engine.count_votes(self.votes)
        self.votes.start()
        self.votes.open(POLL, journal, choices=3)
        self.address = self.engine.start()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path / "7.votes")
    yield room
    room.engine.stop()


def vote(seq: int, mask: int, poll: int = POLL) -> bytes:
    return client_frame(struct.pack("<BBHIIII", 16, 0, 0, poll, seq, mask, 0), BINARY)


def read_answer(client: Raw) -> tuple[int, int, int]:
    """(status, poll, seq)"""
    kind, status, _, poll, seq = struct.unpack("<BBHII", client.read_message())
    assert kind == 144
    return status, poll, seq


def test_a_vote_is_answered_once_it_counts(room: Room) -> None:
    with Raw(room.address) as client:
        client.upgrade(f"/ws/stage?ticket={ticket(1)}")
        client.send(vote(1, 1) + vote(1, 1) + vote(2, 4) + vote(1, 1, poll=8) + vote(3, 8))
        assert [read_answer(client) for _ in range(5)] == [
            (ACCEPTED, POLL, 1),
            (DUPLICATE, POLL, 1),
            (ACCEPTED, POLL, 2),
            (NO_POLL, 8, 1),
            (NO_CHOICE, POLL, 3),
        ]
    assert room.votes.tally(POLL) == ((0, 0, 1), 1)


def test_a_voter_counts_once_from_wherever_it_votes(room: Room) -> None:
    clients = [Raw(room.address) for _ in range(8)]
    for number, client in enumerate(clients):
        client.upgrade(f"/ws/stage?ticket={ticket(1 + number % 2)}")
        client.send(vote(1 + number, 1 << number % 2))
    statuses = [read_answer(client)[0] for client in clients]
    assert set(statuses) <= {ACCEPTED, DUPLICATE}
    assert room.votes.tally(POLL) == ((1, 1, 0), 2)
    for client in clients:
        client.socket.close()


def test_votes_over_the_rate_are_told_to_wait(room: Room) -> None:
    with Raw(room.address) as client:
        client.upgrade(f"/ws/stage?ticket={ticket(1)}")
        client.send(b"".join(vote(seq, 1) for seq in range(1, 101)))
        answers = [read_answer(client) for _ in range(100)]
        busy = [seq for status, _, seq in answers if status == BUSY]
        assert len(busy) >= 100 - 2 * PER_SECOND  # the clock may come to the next second meanwhile
        assert {status for status, _, _ in answers} == {ACCEPTED, BUSY}
        assert sorted(seq for _, _, seq in answers) == list(range(1, 101))


def test_who_reads_no_answers_is_closed(room: Room) -> None:
    with Raw(room.address, receive_bytes=4096) as client:
        client.upgrade(f"/ws/stage?ticket={ticket(1)}")
        votes = b"".join(vote(seq, 1) for seq in range(1, 301))

        def closed() -> bool:
            client.send(votes)
            return room.engine.counters()["slow_closed"] == 1

        wait_until(closed, "the close")


def test_who_leaves_before_the_answer_has_voted_all_the_same(room: Room) -> None:
    with Raw(room.address) as client:
        client.upgrade(f"/ws/stage?ticket={ticket(1)}")
        client.send(vote(1, 2))
        client.reset()
    wait_until(lambda: room.votes.tally(POLL) == ((0, 1, 0), 1), "the vote")


def test_refusals_are_answered_too(room: Room) -> None:
    room.votes.ban(1, True)
    with Raw(room.address) as client:
        client.upgrade(f"/ws/stage?ticket={ticket(1)}")
        client.send(vote(1, 1))
        assert read_answer(client)[0] == BANNED
        room.votes.ban(1, False)
        room.votes.close(POLL)
        client.send(vote(1, 1))
        assert read_answer(client)[0] == CLOSED
    assert room.votes.tally(POLL) == ((0, 0, 0), 0)


def test_guarded_votes_are_refused(room: Room) -> None:
    room.votes.guard(True)
    with Raw(room.address) as client:
        client.upgrade(f"/ws/stage?ticket={ticket(1)}")
        client.send(vote(1, 1))
        assert read_answer(client) == (GUARDED, POLL, 1)
        room.votes.guard(False)
        client.send(vote(1, 1))
        assert read_answer(client) == (ACCEPTED, POLL, 1)
        room.votes.guard(True)
        client.send(vote(1, 1) + vote(2, 2))
        assert read_answer(client) == (DUPLICATE, POLL, 1)
        assert read_answer(client) == (GUARDED, POLL, 2)
    assert room.votes.counters()["votes_guarded"] == 2


@pytest.mark.parametrize("query", ["", f"?ticket={ticket(1, flags=1)}"])
def test_who_is_nobody_does_not_vote(room: Room, query: str) -> None:
    room.engine.deliver_messages(True)
    with Raw(room.address) as client:
        client.upgrade(f"/ws/stage{query}")
        client.send(vote(1, 1))
        messages: list[bytes] = []

        def arrived() -> bool:
            messages.extend(data for _, _, _, data, *_ in room.engine.events())
            return bool(messages)

        wait_until(arrived, "the message")
        assert messages[0][:1] == b"\x10"
    assert room.votes.tally(POLL) == ((0, 0, 0), 0)

"""What no vote may be lost in: a crash at any byte, a kill, a full disk, a damaged journal."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ngage_core.errors import JournalError
from ngage_core.votes import Votes
from tests.helpers.votes import POLL, told, voting
from tests.oracle.votes import (
    ACCEPTED,
    DUPLICATE,
    FINAL,
    HEAD,
    UNAVAILABLE,
    Poll,
    Rules,
    Vote,
    batches,
    recount,
)

ROOT = Path(__file__).parents[2]
RULES = Rules(choices=3, most=2)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "7.votes"


def written(journal: Path, batch_sizes: list[int]) -> tuple[bytes, list[int]]:
    """A journal of so many batches, and where each ends, the header first."""
    with voting(journal, RULES) as votes:
        for number, size in enumerate(batch_sizes, 1):
            cast = [Vote(voter, number, 1 << number % 3) for voter in range(1, size + 1)]
            assert told(votes, *cast) == [ACCEPTED] * size
    data = journal.read_bytes()
    ends = [HEAD.size, *(end for end, _ in batches(data))]
    assert len(ends) == len(batch_sizes) + 1
    return data, ends


def tally_of(data: bytes) -> tuple[tuple[int, ...], int]:
    poll = Poll(RULES)
    poll.registers = recount(data)
    return poll.tally()


def test_a_journal_cut_anywhere_keeps_its_whole_batches(journal: Path) -> None:
    data, ends = written(journal, [2, 1, 2])
    votes = Votes(1)
    votes.start()
    try:
        for size in range(len(data) + 1):
            journal.write_bytes(data[:size])
            whole = max([end for end in ends if end <= size], default=HEAD.size)
            votes.open(POLL, journal, **RULES._asdict())
            assert journal.read_bytes()[HEAD.size :] == data[HEAD.size : whole]
            assert votes.tally(POLL) == tally_of(data[:whole])
            assert told(votes, Vote(9, 9, 1)) == [ACCEPTED]
            *_, (_, [last]) = batches(journal.read_bytes())
            assert last.voter == 9
    finally:
        votes.stop()


@pytest.mark.parametrize("torn", [b"\0", b"\0" * 500, b"NGVB" * 9, b"\xff" * 4096])
def test_what_a_crash_left_behind_the_last_batch_is_cut(journal: Path, torn: bytes) -> None:
    data, _ = written(journal, [5, 3])
    journal.write_bytes(data + torn)
    with voting(journal, RULES) as votes:
        assert journal.read_bytes() == data
        assert votes.tally(POLL) == tally_of(data)


def test_a_last_batch_of_holes_is_cut(journal: Path) -> None:
    """The size of the file came to the disk, some of its pages did not."""
    data, ends = written(journal, [5, 200])
    for hole in range(ends[1], len(data), 512):
        journal.write_bytes(data[:hole] + bytes(len(data[hole:][:512])) + data[hole:][512:])
        with voting(journal, RULES) as votes:
            assert votes.tally(POLL) == tally_of(data[: ends[1]])


def test_a_damaged_journal_is_left_alone(journal: Path) -> None:
    """What follows the damage was acknowledged: it must not be cut off."""
    data, ends = written(journal, [5, 3, 4])
    for at in range(ends[0], ends[2], 3):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        journal.write_bytes(damaged)
        whole = max(end for end in ends if end <= at)
        with (
            pytest.raises(JournalError, match=f"damaged after byte {whole}$"),
            voting(journal, RULES),
        ):
            pass
        assert journal.read_bytes() == damaged


@pytest.mark.parametrize(
    "other",
    [
        b"{}",
        b"\0" * HEAD.size,
        HEAD.pack(b"ngagevt2", POLL, 0, 1),
        HEAD.pack(b"ngagevt1", POLL + 1, 0, 1),
    ],
    ids=["text", "zeros", "version", "poll"],
)
def test_another_file_is_left_alone(journal: Path, other: bytes) -> None:
    journal.write_bytes(other)
    with pytest.raises(JournalError, match="not the journal of poll 7"), voting(journal, RULES):
        pass
    assert journal.read_bytes() == other


def test_a_journal_that_cannot_be_opened(journal: Path) -> None:
    journal.mkdir()
    with pytest.raises(IsADirectoryError), voting(journal, RULES):
        pass
    with pytest.raises(FileNotFoundError), voting(journal.parent / "no" / "7.votes", RULES):
        pass


def test_a_journal_has_one_writer(journal: Path) -> None:
    with voting(journal, RULES) as votes:
        with pytest.raises(JournalError, match="another process"), voting(journal, RULES):
            pass
        assert told(votes, Vote(1, 1, 1)) == [ACCEPTED]


@contextmanager
def file_bytes_max(size: int) -> Iterator[None]:
    """A disk that is full, for this process: a write stops there, and the next has EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 16, 55, 56, 100])
def test_a_full_disk_refuses_votes_and_loses_none(journal: Path, room: int) -> None:
    first = [Vote(voter, 1, 1) for voter in range(1, 6)]
    more = [
        Vote(1, 2, 2),
        Vote(7, 1, 1),
        Vote(7, 1, 1),
        Vote(2, 1, 1),
        Vote(7, 2, 4),
        Vote(8, 1, 2),
    ]
    with voting(journal, RULES) as votes:
        assert told(votes, *first) == [ACCEPTED] * 5
        data, tally = journal.read_bytes(), votes.tally(POLL)
        with file_bytes_max(len(data) + room):
            for _ in range(2):
                # One in six rests on what is durable.
                expected = [UNAVAILABLE] * 3 + [DUPLICATE] + [UNAVAILABLE] * 2
                assert told(votes, *more) == expected
                assert votes.tally(POLL) == tally
                assert votes.register(POLL, 1) == (1, 1)
                assert votes.register(POLL, 7) is None
                assert votes.counters()["voters"] == 5
                assert votes.failing() == f"poll 7: {os.strerror(errno.EFBIG)}"
                assert journal.read_bytes() == data
        assert told(votes, *more) == [ACCEPTED, ACCEPTED, DUPLICATE, DUPLICATE, ACCEPTED, ACCEPTED]
        assert votes.failing() == ""
        assert votes.counters()["failures"] == 2
        tally = votes.tally(POLL)
    assert tally_of(journal.read_bytes()) == tally


def test_a_first_vote_that_was_not_written_does_not_stand(journal: Path) -> None:
    with voting(journal, Rules(choices=3, final=True)) as votes:
        assert told(votes, Vote(1, 1, 1)) == [ACCEPTED]
        with file_bytes_max(journal.stat().st_size):
            cast = [Vote(1, 2, 2), Vote(2, 1, 1), Vote(2, 2, 2), Vote(2, 1, 1)]
            assert told(votes, *cast) == [FINAL] + [UNAVAILABLE] * 3
        assert told(votes, Vote(2, 2, 2)) == [ACCEPTED]


def test_a_full_disk_of_one_poll_is_no_other_s(journal: Path, tmp_path: Path) -> None:
    with voting(journal, RULES) as votes:
        told(votes, *[Vote(voter, 1, 1) for voter in range(1, 51)])
        votes.open(8, tmp_path / "8.votes", choices=3)
        with file_bytes_max(journal.stat().st_size):
            votes.vote(0, 0, 60, POLL, 1, 1)
            votes.vote(0, 0, 60, 8, 1, 1)
            votes.vote(0, 0, 61, POLL, 1, 1)
            votes.flush()
            assert [(poll, status) for _, poll, _, _, status in votes.acks(0)] == [
                (POLL, UNAVAILABLE),
                (8, ACCEPTED),
                (POLL, UNAVAILABLE),
            ]
        assert votes.tally(8) == ((1, 0, 0), 1)


@pytest.mark.parametrize(
    ("device", "error"), [("/dev/null", errno.EINVAL), ("/dev/full", errno.ENOSPC)]
)
def test_a_journal_that_is_not_to_be_trusted_is_opened_anew(
    journal: Path, device: str, error: int
) -> None:
    """One of these takes what is written and cannot be synced; of neither the end can be cut."""
    with voting(journal, RULES) as votes:
        assert told(votes, Vote(1, 1, 1)) == [ACCEPTED]
        [fd] = [fd for fd in Path("/proc/self/fd").iterdir() if fd.resolve() == journal]
        other = os.open(device, os.O_RDWR)
        os.dup2(other, int(fd.name), inheritable=False)
        os.close(other)
        for _ in range(2):
            assert told(votes, Vote(1, 1, 1), Vote(2, 1, 1)) == [DUPLICATE, UNAVAILABLE]
            assert votes.failing() == votes.failing(POLL) == f"poll 7: {os.strerror(error)}"
        assert votes.counters()["failures"] == 1
        assert votes.open(POLL, journal, **RULES._asdict()) == 1
        assert votes.failing() == ""
        assert told(votes, Vote(1, 1, 1), Vote(2, 1, 1)) == [DUPLICATE, ACCEPTED]
    assert tally_of(journal.read_bytes()) == ((2, 0, 0), 2)


def test_a_poll_that_is_closed_fails_no_longer(journal: Path) -> None:
    with voting(journal, RULES) as votes:
        saved = journal.read_bytes()
        journal.write_bytes(b"something else")
        with pytest.raises(JournalError):
            votes.open(POLL, journal, **RULES._asdict())
        assert votes.failing(POLL)
        votes.close(POLL)
        assert votes.failing() == votes.failing(POLL) == ""
        journal.write_bytes(saved)


def test_a_poll_cannot_be_opened_on_a_full_disk(journal: Path) -> None:
    with (
        file_bytes_max(4),
        pytest.raises(OSError, match="File too large"),
        voting(journal, RULES),
    ):
        pass
    with voting(journal, RULES) as votes:
        assert told(votes, Vote(1, 1, 1)) == [ACCEPTED]


def test_an_opening_that_fails_leaves_the_poll_refusing(journal: Path) -> None:
    with voting(journal, RULES) as votes:
        told(votes, Vote(1, 1, 1))
        saved = journal.read_bytes()
        journal.write_bytes(b"something else")
        with pytest.raises(JournalError):
            votes.open(POLL, journal, **RULES._asdict())
        assert told(votes, Vote(1, 1, 1), Vote(2, 1, 1)) == [DUPLICATE, UNAVAILABLE]
        assert votes.failing() == "poll 7: its journal is not open"
        journal.write_bytes(saved)
        votes.open(POLL, journal, **RULES._asdict())
        assert votes.failing() == ""
        assert told(votes, Vote(1, 1, 1), Vote(2, 1, 1)) == [DUPLICATE, ACCEPTED]


VOTER = """
import itertools, os, sys
from ngage_core.votes import Votes
votes = Votes(2)
votes.start()
votes.open({poll}, sys.argv[1], choices=3)
start = int(sys.argv[2])
for seq in itertools.count(start):
    for voter in range(1, 41):
        votes.vote(voter % 2, voter, voter, {poll}, seq, 1 << (voter + seq) % 3)
    votes.flush()
    told = [f"{{client}} {{seq}} {{status}}\\n" for client, _, seq, _, status in
            votes.acks(0) + votes.acks(1)]
    os.write(1, "".join(told).encode())
"""


def test_killed_and_recounted(journal: Path) -> None:
    """Each acknowledged vote counts; beyond those, at most what was sent and not acknowledged."""
    acknowledged: dict[int, int] = {}
    first = 1
    for _ in range(3):
        command = [sys.executable, "-c", VOTER.format(poll=POLL), str(journal), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            for _, line in zip(range(4_000), process.stdout, strict=False):
                voter, seq, status = map(int, line.split())
                assert status == ACCEPTED
                acknowledged[voter] = seq
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read()
        # Lines that were written before the kill are promises as well; the last may be cut.
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                voter, seq, _ = map(int, line.split())
                acknowledged[voter] = seq
        with voting(journal, RULES) as votes:
            for voter, seq in acknowledged.items():
                register = votes.register(POLL, voter)
                assert register is not None
                counted, mask = register
                assert seq <= counted <= seq + 1
                assert mask == 1 << (voter + counted) % 3
            registers = recount(journal.read_bytes())
            assert registers.keys() == acknowledged.keys()
            assert votes.tally(POLL) == tally_of(journal.read_bytes())
        first = max(seq for seq, _ in registers.values()) + 1

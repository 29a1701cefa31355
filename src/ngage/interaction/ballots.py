"""What counts the votes: the core, as this package sees it.

A vote is a register for each (poll, voter), merged by the larger (seq, mask); a mask has a bit for
each choice, 0 withdraws. Votes come to the core by themselves; here are only the poll's life, and
what has been counted.
"""

from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, Protocol


class VoteStatus(IntEnum):
    """What becomes of a vote; the first two are on the disk when they are said."""

    ACCEPTED = 0
    DUPLICATE = 1
    CLOSED = 2
    NO_POLL = 3
    NO_CHOICE = 4
    BANNED = 5
    FINAL = 6
    LATE = 7
    UNAVAILABLE = 8
    BUSY = 9


class BallotRules(NamedTuple):
    """What a vote has to keep to. Times in Unix milliseconds, 0 is none.

    most: choices that one voter may pick. final: the first vote stands. closes_ms: no vote is
    accepted after it, whatever the timers do. window_ms: how long each viewer may think, from when
    it has seen the question, which is at most delay_max_ms after opens_ms.
    """

    choices: int
    most: int
    final: bool
    opens_ms: int
    closes_ms: int
    window_ms: int
    delay_max_ms: int


class Tally(NamedTuple):
    """Votes for each choice, and voters who have picked any; only what is on the disk."""

    counts: tuple[int, ...]
    voters: int


class Register(NamedTuple):
    """The vote of one voter that counts."""

    seq: int
    mask: int


class Ballots(Protocol):
    """The native part. Calls that wait for the disk are made in a thread."""

    def open(self, poll: int, journal: Path, rules: BallotRules) -> int:
        """Accept votes, after replaying a journal that is there; voters known. JournalError.

        A poll that it has, open or closed, begins anew from its journal.
        """

    def close(self, poll: int) -> None:
        """Refuse votes from now on; returns when all accepted ones are on the disk."""

    def forget(self, poll: int) -> None:
        """Free the registers; the journal stays."""

    def tally(self, poll: int) -> Tally:
        """What has been counted so far."""

    def register(self, poll: int, voter: int) -> Register | None:
        """The vote of one voter, None without one."""

    def ban(self, voter: int, banned: bool) -> None:
        """Refuse all votes of a voter, or no longer."""

    def failing(self, poll: int | None = None) -> str:
        """Why votes of that poll, or of some, cannot be kept now; empty: they can.

        A poll that is closed takes none, so nothing is wrong with it.
        """

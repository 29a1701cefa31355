from os import PathLike
from typing import final

def limits() -> dict[str, int]:
    """Every bound of votes, by name."""

@final
class Votes:
    """The votes of all polls: registers, journals, and the one thread that has them.

    Ports are numbered from 0; each is one thread's own: a shard's, or Python's through vote() and
    acks(). Times are Unix milliseconds. Calls that wait let go of the GIL.
    """

    def __new__(cls, ports: int) -> Votes:
        """Raises ValueError outside 1 to ports_max."""

    def start(self) -> None:
        """Start the thread. Once. Raises OSError."""

    def stop(self) -> None:
        """Answer what was pushed, durably, end the thread and unlock the journals. Idempotent.

        Tallies and answers can be read afterwards.
        """

    def open(
        self,
        poll: int,
        path: str | PathLike[str],
        *,
        choices: int,
        most: int = 1,
        final: bool = False,
        opens_ms: int = 0,
        closes_ms: int = 0,
        window_ms: int = 0,
        delay_max_ms: int = 0,
    ) -> int:
        """Take votes, after counting those of the journal that is there: the voters it knows.

        On a poll that is open or closed it begins anew from its journal, with the new rules; its
        votes are refused as unavailable meanwhile, and stay so if this fails. It is the way out
        after a sync that failed.

        Raises JournalError (of another poll, damaged, in use by another process), OSError,
        ValueError (rules, not started) and OverflowError (ballots_max).
        """

    def close(self, poll: int) -> None:
        """Refuse what is pushed from now on; what was pushed before is answered, durably.

        Raises ValueError for a poll that is not open, as forget() does not.
        """

    def forget(self, poll: int) -> None:
        """Free the registers, after answering what was pushed before; the journal stays."""

    def flush(self) -> None:
        """Return when what was pushed before is answered."""

    def ban(self, voter: int, banned: bool) -> None:
        """Refuse what this voter sends from now on, or no longer; what counts already, counts.

        Raises ValueError for voter 0 and OverflowError over bans_max.
        """

    def tally(self, poll: int) -> tuple[tuple[int, ...], int]:
        """(votes for each choice, voters who have picked any); durable, and of one moment.

        Raises ValueError for a poll that is not open.
        """

    def register(self, poll: int, voter: int) -> tuple[int, int] | None:
        """(seq, mask) of the vote that counts; a moment before it is durable already.

        Raises ValueError for a poll that is not open.
        """

    def failing(self, poll: int | None = None) -> str:
        """Why votes of that poll, or of some, are refused as unavailable, or "".

        It stays until a vote is accepted again, or, after a sync that failed, until open(). Of a
        poll that is closed it is "". Raises ValueError for a poll that is not open.
        """

    def counters(self) -> dict[str, int]:
        """Monotone, but for `voters` and `register_bytes`, which are of the polls that are open."""

    def now_ms(self) -> int:
        """The clock that votes are stamped with: it does not follow jumps of the system's."""

    def unix_ms(self, moment_ms: int) -> int:
        """What that clock showed at a moment of CLOCK_MONOTONIC."""

    def set_clock(self) -> int:
        """Set it to the system's now; by how many milliseconds it went forth (or back)."""

    def leave(self, leaving: bool) -> None:
        """While it is set, votes of polls that are not open are refused as unavailable.

        For when another process goes on with them: to a client "no such poll" is final.
        """

    def guard(self, guarded: bool) -> None:
        """While it is set, votes that shards have read are refused: new ones come by vote()."""

    def event_fd(self, port: int) -> int:
        """An eventfd, readable when there may be answers; this object closes it in stop().

        Raises ValueError for a port whose thread is woken otherwise, OSError.
        """

    def vote(
        self,
        port: int,
        client: int,
        voter: int,
        poll: int,
        seq: int,
        mask: int,
        elapsed_ms: int = 0,
        reply_id: int = 0,
        received_ms: int = 0,
        rtt_ms: int = 0,
    ) -> bool:
        """Push a vote; False: too many wait for their answers, or stopped. received_ms 0: now."""

    def acks(self, port: int) -> list[tuple[int, int, int, int, int]]:
        """Take the answers that are there: (client, poll, seq, reply_id, status), oldest first.

        Between votes of one port the order is that of pushing.
        """

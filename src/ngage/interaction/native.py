"""The edge as events use it: votes are counted in the core, and what is published goes out by it.

Votes of the JSON protocol go to the core in the control plane's own port, and their answers come
back in batches through an eventfd, so that neither waits for the disk.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from ngage.api import Edge
from ngage.errors import EventError, JournalError, RefusalCode
from ngage.identity import RpcCall
from ngage.interaction.ballots import BallotRules, Register, Tally, VoteStatus
from ngage.interaction.parts import Outlets, Refusal
from ngage.limits import CHAT_HISTORY_LINES
from ngage_core.errors import JournalError as CoreJournalError

KIND_BITS = 8
NEWEST: dict[str, Any] = {"lag": "latest", "history": 2, "cache": True}
# What each event has, and how it is made.
CHANNELS = {
    "event": {**NEWEST, "counted": True},
    "tally": NEWEST,
    "host": NEWEST,
    "questions": NEWEST,
    "chat": {"lag": "ring", "history": CHAT_HISTORY_LINES},
}

ANSWERS = {
    VoteStatus.ACCEPTED: b'{"status":"accepted"}',
    VoteStatus.DUPLICATE: b'{"status":"duplicate"}',
}
REFUSALS = {
    VoteStatus.CLOSED: Refusal(RefusalCode.CLOSED, "closed"),
    VoteStatus.NO_POLL: Refusal(RefusalCode.UNKNOWN, "no such poll"),
    VoteStatus.NO_CHOICE: Refusal(RefusalCode.NO_CHOICE, "no such choice"),
    VoteStatus.BANNED: Refusal(RefusalCode.BANNED, "banned"),
    VoteStatus.FINAL: Refusal(RefusalCode.FINAL, "the first vote stands"),
    VoteStatus.LATE: Refusal(RefusalCode.LATE, "late"),
    VoteStatus.UNAVAILABLE: Refusal(RefusalCode.UNAVAILABLE, "votes cannot be kept now", True),
    VoteStatus.BUSY: Refusal(RefusalCode.UNAVAILABLE, "too many votes come now", True),
}


class Replies(Protocol):
    """Who answers a command of a client; data is JSON."""

    def __call__(self, client: int, command: int, answer: bytes | Refusal) -> None: ...


class NativeBallots:
    """Ballots in the core. What waits for the disk is called in a thread."""

    def __init__(self, edge: Edge) -> None:
        self._votes = edge.votes

    def open(self, poll: int, journal: Path, rules: BallotRules) -> int:
        """See Ballots. Raises JournalError for a journal that cannot be read or written, too."""
        try:
            return self._votes.open(poll, journal, **rules._asdict())
        except (CoreJournalError, OverflowError) as error:
            raise JournalError(str(error)) from None
        except OSError as error:
            raise JournalError(f"journal {journal}: {error.strerror}") from None

    def close(self, poll: int) -> None:
        """See Ballots."""
        self._votes.close(poll)

    def forget(self, poll: int) -> None:
        """See Ballots."""
        self._votes.forget(poll)

    def tally(self, poll: int) -> Tally:
        """See Ballots."""
        return Tally(*self._votes.tally(poll))

    def register(self, poll: int, voter: int) -> Register | None:
        """See Ballots."""
        known = self._votes.register(poll, voter)
        return Register(*known) if known else None

    def ban(self, voter: int, banned: bool) -> None:
        """See Ballots."""
        self._votes.ban(voter, banned)

    def failing(self, poll: int | None = None) -> str:
        """See Ballots."""
        return self._votes.failing(poll)


class EdgeCore:
    """Channels, votes and reactions of an edge; a context manager that answers votes while open."""

    def __init__(self, edge: Edge, reply: Replies, numbers: Callable[[], list[int]]) -> None:
        self._edge = edge
        self._numbers = numbers
        self.reply = reply

    def __enter__(self) -> Self:
        self._fd = self._edge.votes.event_fd(self._edge.votes_port)
        asyncio.get_running_loop().add_reader(self._fd, self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)

    def check(self, event: str) -> None:
        """See Core."""
        for kind, options in CHANNELS.items():
            channel = self._edge.channels.get(f"{kind}:{event}")
            if channel and any(getattr(channel.options, k) != v for k, v in options.items()):
                raise EventError(f"id {event!r}: somebody else has made the channel {channel.name}")

    def outlets(self, event: str) -> Outlets:
        """See Core."""
        state, *newest, chat = (
            self._edge.channel(f"{kind}:{event}", **options) for kind, options in CHANNELS.items()
        )
        said = [one.data for one in chat.history() if isinstance(one.data, str)]
        tally, host, questions = (channel.publish for channel in newest)
        return Outlets(
            *(state.publish, tally, host, chat.publish, questions),
            viewers=lambda: state.viewers,
            said=said,
        )

    def vote(self, call: RpcCall, poll: int, seq: int, mask: int, elapsed_ms: int) -> None:
        """See Core."""
        votes = self._edge.votes
        if not votes.vote(
            *(self._edge.votes_port, call.client, call.identity.voter, poll, seq, mask),
            elapsed_ms=elapsed_ms,
            reply_id=call.command,
            received_ms=votes.unix_ms(call.received_ms),
            rtt_ms=call.rtt_ms,
        ):
            self.reply(call.client, call.command, REFUSALS[VoteStatus.BUSY])

    def reactions(self) -> Mapping[int, int]:
        """See Core."""
        return {
            number << KIND_BITS | kind: count
            for number in self._numbers()
            for kind, count in enumerate(self._edge.reactions(number))
        }

    def _answer(self) -> None:
        os.eventfd_read(self._fd)
        for client, _, _, command, status in self._edge.votes.acks(self._edge.votes_port):
            known = VoteStatus(status)
            self.reply(client, command, ANSWERS.get(known) or REFUSALS[known])

"""A server for fans with tickets that keeps registers of votes, and may break its word.

async with staged(booth.visit) as port: ...
"""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from ngage_core.protocol import verify_ticket
from tests.helpers.stage import Visit
from tests.helpers.tickets import SECRET
from tests.oracle.frames import BINARY, CLOSE, server_frame

ACCEPTED, DUPLICATE, CLOSED, NO_POLL, NO_CHOICE, BANNED, FINAL, LATE, UNAVAILABLE, BUSY = range(10)
REFUSED = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


class Vote(NamedTuple):
    voter: int
    poll: int
    seq: int
    mask: int


class Word(NamedTuple):
    """What becomes of a vote: whether it goes into the register, and what is said; None: nothing.

    gone: the connection ends after that, and what else the fan has said on it is lost.
    """

    counts: bool
    status: int | None
    gone: bool = False


TAKEN = Word(True, ACCEPTED)


def answer(poll: int, seq: int, status: int) -> bytes:
    return server_frame(struct.pack("<BBHII", 144, status, 0, poll, seq), BINARY)


@dataclass
class Booth:
    """policy: the word for a vote. cut: of the bytes of each answer."""

    policy: Callable[[Vote], Word] = lambda vote: TAKEN
    cut: int = 0
    registers: dict[int, tuple[int, int]] = field(default_factory=dict)
    log: list[tuple[Vote, Word]] = field(default_factory=list)
    reactions: list[tuple[int, int, int]] = field(default_factory=list)
    refused: int = 0
    nobodies: int = 0

    async def visit(self, visit: Visit) -> None:
        query = parse_qs(urlsplit(visit.path).query)
        ticket = query.get("ticket", [""])[0]
        known = verify_ticket(SECRET, ticket.encode(), int(time.time()))
        if ticket and known is None:
            self.refused += 1
            visit.send(REFUSED.encode())
            return
        visit.send(visit.head(100))
        while (frame := await visit.frame())[0] != CLOSE:
            if known is None:
                self.nobodies += 1
                continue
            word, said = self._take(known[0], frame[1])
            at = self.cut % (len(said) + 1)
            for piece in (said[:at], said[at:]):
                visit.send(piece)
                await visit.writer.drain()
            if word.gone:
                visit.writer.write_eof()
                await visit.end()
                return

    def _take(self, voter: int, verb: bytes) -> tuple[Word, bytes]:
        if verb[0] == 17:
            _, kind, count, event = struct.unpack("<BBHI", verb)
            self.reactions.append((kind, count, event))
            return Word(False, None), b""
        kind, _, _, poll, seq, mask, _ = struct.unpack("<BBHIIII", verb)
        assert kind == 16
        vote = Vote(voter, poll, seq, mask)
        word = self.policy(vote)
        self.log.append((vote, word))
        if word.counts:
            self.registers[voter] = max(self.registers.get(voter, (0, 0)), (seq, mask))
        return word, b"" if word.status is None else answer(poll, seq, word.status)

    @property
    def seen(self) -> list[Vote]:
        return [vote for vote, _ in self.log]

    def tally(self, choices: int) -> tuple[list[int], int]:
        """(counts, voters)"""
        masks = [mask for _, mask in self.registers.values()]
        return [sum(mask >> i & 1 for mask in masks) for i in range(choices)], len(masks)

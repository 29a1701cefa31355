"""What a poll must count, and what each vote must be told, in slow and obvious Python.

A vote that is accepted replaces the register of its voter, (seq, mask); the larger wins. Also the
journal's layout, a second time.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

(
    ACCEPTED,
    DUPLICATE,
    CLOSED,
    NO_POLL,
    NO_CHOICE,
    BANNED,
    FINAL,
    LATE,
    UNAVAILABLE,
    BUSY,
) = range(10)

GRACE_MS = 250
RTT_MS_MAX = 2000

HEAD = struct.Struct("<8sIIQ")
BATCH = struct.Struct("<IIII")
RECORD = struct.Struct("<QIIIHHQQ")
BATCH_MAGIC = int.from_bytes(b"NGVB", "little")


class Vote(NamedTuple):
    voter: int
    seq: int
    mask: int
    elapsed_ms: int = 0
    received_ms: int = 1
    rtt_ms: int = 0


class Rules(NamedTuple):
    """Times in Unix milliseconds, 0: none."""

    choices: int = 3
    most: int = 1
    final: bool = False
    opens_ms: int = 0
    closes_ms: int = 0
    window_ms: int = 0
    delay_max_ms: int = 0


@dataclass
class Poll:
    rules: Rules
    registers: dict[int, tuple[int, int]] = field(default_factory=dict)
    banned: set[int] = field(default_factory=set)
    closed: bool = False

    def cast(self, vote: Vote) -> int:
        """The status; the register is changed if it is ACCEPTED."""
        status = self.judge(vote)
        if status == ACCEPTED:
            self.registers[vote.voter] = (vote.seq, vote.mask)
        return status

    def judge(self, vote: Vote) -> int:
        rules = self.rules
        new, old = (vote.seq, vote.mask), self.registers.get(vote.voter)
        if vote.voter in self.banned:
            return BANNED
        if vote.seq == 0:
            return NO_CHOICE
        if old == new:
            return DUPLICATE
        if old and old > new and not rules.final:
            return DUPLICATE
        if self.closed or (rules.closes_ms and vote.received_ms > rules.closes_ms):
            return CLOSED
        if not rules.window_ms and vote.received_ms < rules.opens_ms:
            return CLOSED
        if old and rules.final:
            return FINAL
        if vote.mask >= 2**rules.choices or vote.mask.bit_count() > rules.most:
            return NO_CHOICE
        if vote.mask == 0 and rules.final:
            return NO_CHOICE
        if rules.window_ms:
            shown_ms = vote.received_ms - vote.elapsed_ms
            if vote.elapsed_ms > rules.window_ms + GRACE_MS:
                return LATE
            if rules.opens_ms and shown_ms < rules.opens_ms - GRACE_MS:
                return LATE
            shown_ms -= min(vote.rtt_ms, RTT_MS_MAX) // 2
            if rules.opens_ms and shown_ms > rules.opens_ms + rules.delay_max_ms:
                return LATE
        return ACCEPTED

    def tally(self) -> tuple[tuple[int, ...], int]:
        masks = [mask for _, mask in self.registers.values()]
        counts = [sum(mask >> i & 1 for mask in masks) for i in range(self.rules.choices)]
        return tuple(counts), sum(mask != 0 for mask in masks)


class Record(NamedTuple):
    voter: int
    seq: int
    mask: int
    elapsed_ms: int
    flags: int
    rtt_ms: int
    received_ms: int
    client: int


def batches(journal: bytes) -> Iterator[tuple[int, list[Record]]]:
    """Of a whole journal: where each batch ends, and its records."""
    magic, _, reserved, _ = HEAD.unpack_from(journal)
    assert (magic, reserved) == (b"ngagevt1", 0)
    at, expected = HEAD.size, 1
    while at < len(journal):
        magic, count, crc, sequence = BATCH.unpack_from(journal, at)
        assert (magic, sequence) == (BATCH_MAGIC, expected)
        records = journal[at + BATCH.size : at + BATCH.size + count * RECORD.size]
        assert len(records) == count * RECORD.size
        assert crc == zlib.crc32(records)
        at += BATCH.size + len(records)
        expected += 1
        yield at, [Record(*values) for values in RECORD.iter_unpack(records)]


def recount(journal: bytes) -> dict[int, tuple[int, int]]:
    """The registers that a journal leads to."""
    registers: dict[int, tuple[int, int]] = {}
    for _, records in batches(journal):
        for record in records:
            rank = record.seq, record.mask
            registers[record.voter] = max(registers.get(record.voter, (0, 0)), rank)
    return registers

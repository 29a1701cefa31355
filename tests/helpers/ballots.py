"""Ballots in memory, in slow and obvious Python, with a journal as the core writes it."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ngage.interaction import journal
from ngage.interaction.ballots import BallotRules, Register, Tally, VoteStatus
from ngage.interaction.clock import system_ms
from ngage.limits import QUIZ_GRACE_MS


class _Box:
    def __init__(self, path: Path, rules: BallotRules) -> None:
        self.path = path
        self.rules = rules
        self.closed = False
        self.batches = 0
        self.registers: dict[int, tuple[int, int]] = {}


class MemoryBallots:
    """The Protocol of ngage.interaction.ballots; vote() is what the core does with a VOTE.

    `broken` says by poll why it cannot keep votes, which are UNAVAILABLE then, until it is opened
    anew. Each vote is a batch. `opened` are the calls of open().
    """

    def __init__(self, now: Callable[[], int] = system_ms) -> None:
        self.broken: dict[int, str] = {}
        self.opened: list[int] = []
        self.boxes: dict[int, _Box] = {}
        self.banned: set[int] = set()
        self._now = now

    # The Protocol

    def open(self, poll: int, path: Path, rules: BallotRules) -> int:
        box = _Box(path, rules)
        if not path.exists():
            path.write_bytes(journal.encode_head(poll, self._now()))
        os.truncate(path, journal.digest(path).size)
        for records in journal.batches(path):
            box.batches += 1
            for voter, seq, mask, *_ in records.tolist():
                box.registers[voter] = max(box.registers.get(voter, (0, 0)), (seq, mask))
        self.boxes[poll] = box
        self.broken.pop(poll, None)
        self.opened.append(poll)
        return len(box.registers)

    def close(self, poll: int) -> None:
        self.boxes[poll].closed = True

    def forget(self, poll: int) -> None:
        del self.boxes[poll]

    def tally(self, poll: int) -> Tally:
        box = self.boxes[poll]
        masks = [mask for _, mask in box.registers.values()]
        counts = (sum(mask >> bit & 1 for mask in masks) for bit in range(box.rules.choices))
        return Tally(tuple(counts), sum(mask != 0 for mask in masks))

    def register(self, poll: int, voter: int) -> Register | None:
        found = self.boxes[poll].registers.get(voter)
        return Register(*found) if found else None

    def ban(self, voter: int, banned: bool) -> None:
        (self.banned.add if banned else self.banned.discard)(voter)

    def failing(self, poll: int | None = None) -> str:
        broken = self.broken if poll is None else self.broken.keys() & {poll}
        open_ones = (number for number in broken if not self.boxes[number].closed)
        return next((f"poll {number}: {self.broken[number]}" for number in open_ones), "")

    # What clients do

    def vote(self, poll: int, voter: int, seq: int, mask: int, elapsed_ms: int = 0) -> VoteStatus:
        box = self.boxes.get(poll)
        if box is None:
            return VoteStatus.NO_POLL
        now = self._now()
        refusal = self._refusal(box, voter, (seq, mask), elapsed_ms, now)
        if refusal is None and poll in self.broken:
            refusal = VoteStatus.UNAVAILABLE
        if refusal is not None:
            return refusal
        record = np.array([(voter, seq, mask, elapsed_ms, 0, 0, now, 0)], journal.RECORD)
        box.batches += 1
        with box.path.open("ab") as file:
            file.write(journal.encode_batch(box.batches, record))
        box.registers[voter] = (seq, mask)
        return VoteStatus.ACCEPTED

    def _refusal(
        self, box: _Box, voter: int, vote: tuple[int, int], elapsed_ms: int, now: int
    ) -> VoteStatus | None:
        rules, mask = box.rules, vote[1]
        known = box.registers.get(voter, (0, 0))
        shown = now - elapsed_ms
        in_window = (
            elapsed_ms <= rules.window_ms + QUIZ_GRACE_MS
            and rules.opens_ms - QUIZ_GRACE_MS <= shown <= rules.opens_ms + rules.delay_max_ms
        )
        checks = {
            VoteStatus.BANNED: voter in self.banned,
            VoteStatus.DUPLICATE: known == vote or (known > vote and not rules.final),
            VoteStatus.CLOSED: box.closed
            or (rules.closes_ms and now > rules.closes_ms)
            or (not rules.window_ms and now < rules.opens_ms),
            VoteStatus.FINAL: rules.final and known > (0, 0),
            VoteStatus.NO_CHOICE: mask >= 1 << rules.choices
            or mask.bit_count() > rules.most
            or (rules.final and not mask),
            VoteStatus.LATE: rules.window_ms and not in_window,
        }
        return next((status for status, applies in checks.items() if applies), None)

"""What a fan says about a poll, and what its register may hold in the end, in slow and obvious
Python: every vote by its seq, with how often it was sent and what was answered.
"""

from dataclasses import dataclass, field

ACCEPTED, DUPLICATE = 0, 1
LATER = (8, 9)  # unavailable, busy: to be sent again


@dataclass
class Sent:
    times: int = 0
    answers: list[int] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        return any(status > DUPLICATE and status not in LATER for status in self.answers)

    @property
    def accepted(self) -> bool:
        return ACCEPTED in self.answers or DUPLICATE in self.answers


@dataclass
class Voter:
    """Methods that act give the seqs that are sent, in order."""

    votes: dict[int, Sent] = field(default_factory=dict)
    acknowledged: int = 0  # how many votes
    refusals: int = 0
    put_off: int = 0
    repeated: int = 0

    @property
    def newest(self) -> int:
        return max(self.votes, default=0)

    @property
    def safe(self) -> int:
        """The highest seq that was acknowledged."""
        return max((seq for seq, vote in self.votes.items() if vote.accepted), default=0)

    @property
    def waits(self) -> bool:
        return self.newest > self.safe and not self.votes[self.newest].refused

    def vote(self, amount: int) -> list[int]:
        if self.waits:
            return self.retry()
        return self._send(range(self.newest + 1, self.newest + 1 + amount))

    def retry(self) -> list[int]:
        if not self.waits:
            return []
        again = range(self.safe + 1, self.newest + 1)
        self.repeated += len(again)
        return self._send(again)

    def come_back(self) -> list[int]:
        if self.waits:
            return self.retry()
        if not self.votes or self.newest > self.safe:
            return []
        self.repeated += 1
        return self._send(range(self.newest, self.newest + 1))

    def hear(self, seq: int, status: int) -> None:
        if status in LATER:
            self.put_off += 1
        elif status > DUPLICATE:
            self.refusals += seq > self.safe
        else:
            self.acknowledged += seq > self.safe
        self.votes[seq].answers.append(status)

    def may_hold(self) -> set[int]:
        """Seqs; 0: there may be no register at all."""
        open_ones = {seq for seq in self.votes if seq > self.safe}
        if all(self.votes[seq].times == 1 and self.votes[seq].refused for seq in open_ones):
            open_ones = set()
        return {self.safe} | open_ones

    def _send(self, seqs: range) -> list[int]:
        for seq in seqs:
            self.votes.setdefault(seq, Sent()).times += 1
        return list(seqs)

"""What a fan must find in the stream it gets, in slow and obvious Python: sets, no windows of bits.

The log of a channel holds publication n at offset n + SHIFT. A fan is given Events; `counts` and
`violations` are what it must have found then.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

SHIFT = 10
WINDOW = 64  # how far back a late publication is told from a repeated one


class Publication(NamedTuple):
    number: int


class Untimed(NamedTuple):
    """A publication without numbers: it has an offset, and nothing else."""


class Gap(NamedTuple):
    """Announced: `missing` publications from where the fan is, plus an error of the server's."""

    missing: int
    error: int = 0


class Return(NamedTuple):
    """The connection is lost, and the fan resumes; as the server says, with or without loss.

    offset: of the server's answer where it says without, beside where the fan is.
    """

    recovered: bool
    position: int = 0


Event = Publication | Untimed | Gap | Return


@dataclass
class Fan:
    """offset: of the newest publication it has or knows that it missed."""

    skips: bool = False
    offset: int = SHIFT
    next: int = 0  # 0: whatever comes first
    told: int = 0  # announced as missing, and not met yet
    recovering: bool = False
    missing: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    violations: list[tuple[str, int, int]] = field(default_factory=list)

    def see(self, event: Event) -> None:
        match event:
            case Publication(number):
                self._count("received")
                self.offset += 1
                self._publication(number)
            case Untimed():
                self._count("received")
                self._count("untimed")
                self.offset += 1
            case Gap(missing, error):
                self._count("pings")
                self._gap(self.offset + 1 + error, self.offset + error + missing)
            case Return(recovered, position):
                self._return(recovered, position)

    def _publication(self, number: int) -> None:
        if self.next == 0:
            self.next = number
        if number < self.next:
            self._late(number)
            return
        ahead = range(self.next, number)
        told, rest = ahead[: self.told], ahead[self.told :]
        self._count("told", len(told))
        if rest and self.skips:
            self._count("skipped", len(rest))
            self.offset += len(rest)
        elif rest:
            self._count("gaps", len(rest))
            self.missing.update(rest)
            self._violate("recovery" if self.recovering else "gap", rest[0], number)
        self.next = number + 1
        self.told = 0
        self.recovering = False

    def _late(self, number: int) -> None:
        if number in self.missing and number >= self.next - WINDOW:
            self.missing.remove(number)
            self._count("reordered")
            self._count("gaps", -1)
            self._violate("reordered", self.next, number)
        else:
            self._count("duplicates")
            self._violate("duplicate", self.next, number)

    def _gap(self, first: int, last: int) -> None:
        if first != self.offset + 1 or last < first:
            self._violate("gap_note", self.offset + 1, first)
            return
        self.told += last - first + 1
        self.offset = last

    def _return(self, recovered: bool, position: int) -> None:
        if recovered:
            self._count("recovered")
            self.recovering = True
            if position:
                self._violate("recovery", self.offset, self.offset + position)
            return
        self._count("unrecovered")
        self.offset += position
        self.next = self.told = 0
        self.missing.clear()
        self.recovering = False

    def _count(self, name: str, amount: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def _violate(self, kind: str, expected: int, got: int) -> None:
        self._count("violations")
        self.violations.append((kind, expected, got))

"""What a lever is: a record of two sides, and what its words with braces stand for."""

import socket

import msgspec

from bench.scale.estimate import ScaleError

SMALL, MIDDLE, LARGE = 128, 16_384, 65_535  # the largest with a length of two bytes
SENDS_PER_MS = 200  # of a core, roughly: a sweep is staggered over the time that it takes
NUMBERS = {  # asm-generic/socket.h; Python knows the others
    "SO_SNDBUFFORCE": 32,
    "SO_BUSY_POLL": 46,
    "SO_ZEROCOPY": 60,
}


class Side(msgspec.Struct, frozen=True):
    """what: in words. way, orders: of floor/crowd.c; orders are given before each broadcast.

    start: words of its command line. rules: for nft, within the server's network. Sides that
    differ in one of these two have sockets of their own. batch: a fan that is woken waits for the
    end of whoever sends on its CPU (SCHED_BATCH), as one on another host would not disturb it.
    """

    what: str
    way: str = "send"
    orders: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    rules: str = ""
    batch: bool = False

    @property
    def tracked(self) -> bool:
        """Whether connections are to be in the table of conntrack."""
        return bool(self.rules) and "notrack" not in self.rules


class Lever(msgspec.Struct, frozen=True):
    """why: it might help. orders: for both sides, once.

    spare: as many times the threads that are needed. fans_most: more would not fit or say more.
    lasting: what it does to sockets cannot be undone, so it gets some of its own. local, veth:
    whether it is taken on loopback and between two networks when none is named.
    """

    name: str
    why: str
    a: Side
    b: Side
    sizes: tuple[int, ...] = (SMALL,)
    orders: tuple[str, ...] = ()
    spare: int = 1
    fans_most: int = 4_000_000
    lasting: bool = False
    local: bool = True
    veth: bool = False

    @property
    def anew(self) -> bool:
        """Whether each side connects everybody for itself."""
        return (self.a.start, self.a.rules) != (self.b.start, self.b.rules)

    @property
    def tracks(self) -> bool:
        """Whether connections get into the table of conntrack."""
        return self.a.tracked or self.b.tracked

    @property
    def sides(self) -> tuple[tuple[str, Side], tuple[str, Side]]:
        return ("A", self.a), ("B", self.b)


class Absent(ScaleError):
    """What a lever needs is not there; the message says what."""


def filled(order: str, *, fans: int, cores: int, threads: int) -> str:
    """An order with its braces filled: {cores}, {threads}, {sweep_ms} (of all sockets)."""
    sweep_ms = max(1, fans // SENDS_PER_MS // cores)
    return order.format(cores=cores, threads=threads, sweep_ms=sweep_ms)


def option(level: str, name: str, value: int) -> str:
    """The order that sets an option on all sockets, such as ("IPPROTO_TCP", "TCP_NODELAY", 1)."""
    number = NUMBERS[name] if name in NUMBERS else getattr(socket, name)
    return f"option {getattr(socket, level)} {number} {value}"

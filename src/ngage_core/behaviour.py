"""What a fan does, a Markov table of steps with delays between them, and what it must never see.

Plain values, so that a scenario can be made, compared and shrunk without a compiled module. Delays
are in seconds. A swarm draws from random numbers that are a function of (seed, fan, draw), so equal
tables and seeds behave alike.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Target(NamedTuple):
    """Where fans connect: a numeric IPv4 address, a port, and the path with its query.

    Targets with the same path serve the same channel. skips: the channel's policy may leave out
    publications without a word (`latest`, `keyframe`).
    """

    host: str
    port: int
    path: str
    skips: bool = False


class Action(IntEnum):
    """What a fan does when it enters a step."""

    STAY = 0
    CONNECT = 1  # anew, at the newest publication
    RESUME = 2  # where it stopped: ?since=EPOCH:OFFSET
    LEAVE = 3  # close in order, with 1001 as a browser does
    DROP = 4  # reset the connection, as a lost network does
    PAUSE = 5  # stop reading, and so answering pings
    READ = 6  # read again
    SIP = 7  # while paused: read at most `amount` bytes
    ZAP = 8  # leave, then connect to another channel
    VOTE = (
        9  # change its mind `amount` times, in one send; or, while one is not acknowledged, RETRY
    )
    RETRY = 10  # send again what is not acknowledged
    REACT = 11  # `amount` reactions of a `kind`
    CHEAT = 12  # what the server must refuse: `amount` is a Way
    CHAT = 13  # a line of chat


class Way(IntEnum):
    """How to cheat. From FORGED on with a connection of its own, which the last one gets."""

    DOUBLE = 1  # another choice with the seq of the newest vote
    REPLAY = 2  # votes that were sent before, in order
    NO_CHOICE = 3  # for a choice that is not there, with a higher seq
    NO_POLL = 4  # in a poll that is not there
    FORGED = 5  # a ticket whose code is not right
    EXPIRED = 6
    CUT = 7  # a ticket that lacks its last character
    NOBODY = 8  # verbs without a ticket


ANY_KIND = 16  # of a reaction: one of those the event has


class Distribution(IntEnum):
    NEVER = 0
    CONSTANT = 1  # a
    UNIFORM = 2  # from a to b
    EXPONENTIAL = 3  # mean a
    LOGNORMAL = 4  # median a, sigma b
    PARETO = 5  # least a, shape b
    EMPIRICAL = 6  # one of `values`, each as likely


class Delay(NamedTuple):
    """A random time in seconds; NEVER waits for a stimulus."""

    distribution: Distribution = Distribution.NEVER
    a: float = 0.0
    b: float = 0.0
    values: tuple[float, ...] = ()


class Step(NamedTuple):
    """On entry `action`; after `think`, one of `next`: (probability, step) that sum to 1."""

    action: Action = Action.STAY
    amount: int = 0
    think: Delay = Delay()
    next: tuple[tuple[float, int], ...] = ()
    kind: int = ANY_KIND  # of a reaction


@dataclass(frozen=True, slots=True)
class Persona:
    """A kind of fan. A new fan enters steps[0] when it has connected for the first time.

    weight: its share of the fans, relative to the other personas. lost: the step to enter when the
    connection ended and the fan did not want that, or could not be made; -1: the fan stays away.
    A close code that forbids to come back is obeyed. receive_buffer: SO_RCVBUF in bytes, 0 for the
    kernel's choice. protocol: the name of a codec.
    """

    name: str = "lurker"
    weight: float = 1.0
    steps: tuple[Step, ...] = (Step(),)
    lost: int = -1
    receive_buffer: int = 0
    protocol: str = "raw"


LURKER = Persona()

VIOLATION_KINDS = (
    "gap",
    "duplicate",
    "reordered",
    "corrupt",
    "recovery",
    "tail",
    "gap_note",
    "malformed",
    "close_code",
    "ack",
    "forbidden",
    "vote_lost",
    "vote_doubled",
    "tally",
)


class Violation(NamedTuple):
    """Something a fan must never see. `kind` is one of VIOLATION_KINDS; at_ns is CLOCK_MONOTONIC.

    gap: publications `expected` to `got` - 1 are missing. duplicate, reordered: `got` came though
    `expected` was next. corrupt: the bytes of `got` are altered. recovery: the server said that
    nothing is missing, but `got` came where `expected` was next. tail: the fan stopped before
    `expected` (the last one published). gap_note: an announced gap begins at offset `got`, not
    `expected`. malformed: a rule of RFC 6455 was broken. close_code: `got` must not be sent. ack:
    vote `got` was acknowledged, and `expected` is the newest that was sent. forbidden: a cheater
    was answered with status `got` where `expected` is right. vote_lost, vote_doubled: the register
    of this fan does not hold what it may, or should not be there. tally: no fan's; the tally breaks
    a rule of its own.
    """

    kind: str
    fan: int
    channel: int
    persona: int
    expected: int
    got: int
    at_ns: int


class VoteBounds(NamedTuple):
    """What the tally of a poll may be, by what its fans have sent and what was acknowledged.

    least, most: by choice. voters_least: fans with an acknowledged vote. pending: fans that are
    connected and wait for an answer. With all acknowledged, least is most.
    """

    least: tuple[int, ...]
    most: tuple[int, ...]
    voters_least: int
    voters_most: int
    pending: int

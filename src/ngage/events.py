"""What the edge tells and is told: messages, publications, positions. Values only, no behaviour."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """What a client sent: bytes from a binary message, str from a text message.

    client is its id as Edge.send() takes it, channel the name it is connected to (empty if none),
    address where it comes from.
    """

    client: str
    channel: str
    data: bytes | str
    address: str


class ClientMessage(msgspec.Struct, frozen=True, gc=False):
    """What a client of the client protocol sent: `data` is one WebSocket message.

    client is its handle, identity what Clients.identify() was last told of it (b"": nothing yet),
    received_ms when it came, of CLOCK_MONOTONIC, rtt_ms the round trip to it as TCP knows it.
    """

    client: int
    identity: bytes
    data: bytes
    address: str
    received_ms: int
    rtt_ms: int


class Publication(msgspec.Struct, frozen=True, gc=False):
    """One publication that a channel still holds."""

    offset: int
    data: bytes | str


class Held(NamedTuple):
    """A publication that a channel still holds, without its data, whose size is in bytes."""

    size: int
    text: bool
    sync: bool
    group: int
    independent: bool


class Log(NamedTuple):
    """What a channel holds: its publications from the offset `first` on, and its preamble, if any.

    epoch is the number that positions show in hexadecimal.
    """

    epoch: int
    first: int
    held: list[Held]
    preamble: bytes | str


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel: offset counts publications from 1, epoch names the count.

    Offsets of different epochs cannot be compared.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        """EPOCH:OFFSET, as ?since= takes it."""
        return f"{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The position that str() wrote; ValueError if `text` is none."""
        epoch, separator, offset = text.rpartition(":")
        if not (epoch and separator and offset.isascii() and offset.isdigit()):
            raise ValueError(f"{text!r} is not EPOCH:OFFSET")
        return cls(epoch, int(offset))

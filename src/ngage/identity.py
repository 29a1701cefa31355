"""Who a connection is: a user as text, a voter as 64 bits.

The core keeps an identity as bytes for each connection and hands it back with every message, so
the control plane holds no object per connection. Votes and counts know the voter only: for a user
it is derived from the user, for an anonymous viewer it is random and kept by a ticket.
"""

import hashlib
import secrets
from typing import NamedTuple

import msgspec

from ngage.keys import SECRET_BYTES

ANONYMOUS = "anon-"
HOST = "host-"
# A token may not name a user who looks like one of those that are made here.
RESERVED = (ANONYMOUS, HOST)


class Identity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who a connection is, and what it may beyond what everybody may.

    info is JSON that others may see (the `info` of a token). monitor: it is not counted as a
    viewer. host: the event whose host it is, empty for none. expires: when the connection does, in
    Unix seconds, 0 for never. granted: channels that a subscription token opened, each with the
    Unix seconds at which that ends, 0 for never.
    """

    user: str
    voter: int
    info: bytes | None = None
    monitor: bool = False
    host: str = ""
    expires: int = 0
    granted: tuple[tuple[str, int], ...] = ()

    @property
    def anonymous(self) -> bool:
        """Whether nobody vouches for who this is."""
        return self.user.startswith(ANONYMOUS)

    def has_grant(self, channel: str, now: float) -> bool:
        """Whether a subscription token opened the channel, and still does."""
        return any(
            name == channel and (not expires or now < expires) for name, expires in self.granted
        )


class RpcCall(NamedTuple):
    """What a client calls by `rpc`: data is JSON, b"" for none.

    command is what a reply names; received_ms and rtt_ms are those of ngage.events.ClientMessage.
    """

    client: int
    identity: Identity
    method: str
    data: bytes
    command: int
    received_ms: int
    rtt_ms: int


_decoder = msgspec.msgpack.Decoder(Identity)
encode = msgspec.msgpack.Encoder().encode


def decode(blob: bytes) -> Identity:
    """The identity that encode() wrote."""
    return _decoder.decode(blob)


def voter_of(user: str, secret: bytes) -> int:
    """The voter of a user who is known by name; never 0."""
    digest = hashlib.blake2b(user.encode(), key=secret[:SECRET_BYTES], digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def anonymous(voter: int = 0, *, monitor: bool = False) -> Identity:
    """Somebody nobody vouches for: the one of a ticket's voter, or (0) one who is new."""
    voter = voter or secrets.randbits(64) or 1
    return Identity(f"{ANONYMOUS}{voter:016x}", voter, monitor=monitor)

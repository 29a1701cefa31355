"""Tickets: 43 characters that make somebody without an account the same voter again.

A ticket is base64url without padding of 32 bytes: u8 version 1, u8 flags, u16 0, u32 expires in
Unix seconds, u64 voter, all little-endian, then HMAC-SHA256 of those 16 bytes cut to 16. The core
reads the same bytes at /ws/CHANNEL?ticket=T. Only one text is a given ticket: spare bits are 0.
"""

import binascii
import hashlib
import hmac
import struct
from base64 import urlsafe_b64encode
from typing import NamedTuple

TICKET_CHARACTERS = 43
VERSION = 1
MONITOR = 1
MAC_BYTES = 16

_body = struct.Struct("<BBHIQ")
_to_base64 = str.maketrans("-_", "+/", "+/=")


class Ticket(NamedTuple):
    """What a genuine ticket says; expires is in Unix seconds."""

    voter: int
    expires: int
    monitor: bool

    def expired(self, now: float) -> bool:
        """Whether its time is over at `now`, in Unix seconds."""
        return now >= self.expires


def mint(secret: bytes, voter: int, expires: int, monitor: bool = False) -> str:
    """A ticket for a voter until `expires`, in Unix seconds below 2**32."""
    body = _body.pack(VERSION, MONITOR if monitor else 0, 0, expires, voter)
    return urlsafe_b64encode(body + _mac(secret, body))[:TICKET_CHARACTERS].decode()


def read(secret: bytes, ticket: str) -> Ticket | None:
    """What a ticket says, expired or not; None if the secret has not made it."""
    if len(ticket) != TICKET_CHARACTERS:
        return None
    try:
        raw = binascii.a2b_base64(ticket.translate(_to_base64) + "=", strict_mode=True)
    except ValueError:
        return None
    body = raw[: _body.size]
    if not hmac.compare_digest(raw[_body.size :], _mac(secret, body)):
        return None
    version, flags, zero, expires, voter = _body.unpack(body)
    # Several texts have the same bytes, because 43 characters hold two bits more.
    known = version == VERSION and not flags & ~MONITOR and not zero and voter
    if not known or urlsafe_b64encode(raw).decode() != ticket + "=":
        return None
    return Ticket(voter, expires, bool(flags & MONITOR))


def verify(secret: bytes, ticket: str, now: float) -> Ticket | None:
    """The same, but None if it has expired at `now`, in Unix seconds."""
    found = read(secret, ticket)
    return None if found is None or found.expired(now) else found


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, body, hashlib.sha256)[:MAC_BYTES]

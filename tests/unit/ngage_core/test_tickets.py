"""Tickets as the shards check them, against hmac of the standard library."""

import base64
import hashlib
import hmac
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage_core.protocol import hmac_sha256, sign_ticket, verify_ticket

SECRET = bytes(range(32))
VOTER = 0x0123456789ABCDEF
EXPIRES = 2_000_000_000


def sign(signed: bytes, secret: bytes = SECRET) -> bytes:
    code = hmac.digest(secret, signed, "sha256")[:16]
    return base64.urlsafe_b64encode(signed + code).rstrip(b"=")


def ticket(version: int = 1, flags: int = 0, expires: int = EXPIRES, voter: int = VOTER) -> bytes:
    return sign(struct.pack("<BBHIQ", version, flags, 0, expires, voter))


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=55))
def test_hmac_is_the_one_of_the_standard_library(secret: bytes, message: bytes) -> None:
    assert hmac_sha256(secret, message) == hmac.digest(secret, message, hashlib.sha256)


@given(st.binary(max_size=64), st.integers(1, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_a_ticket_is_signed_as_by_hand(secret: bytes, voter: int, expires: int) -> None:
    signed = struct.pack("<BBHIQ", 1, 1, 0, expires, voter)
    assert sign_ticket(secret, voter, expires, 1) == sign(signed, secret)


def test_a_ticket_tells_who_it_is_of_until_it_expires() -> None:
    assert verify_ticket(SECRET, ticket(), EXPIRES - 1) == (VOTER, EXPIRES, False)
    assert verify_ticket(SECRET, ticket(flags=1), 0) == (VOTER, EXPIRES, True)
    assert verify_ticket(SECRET, ticket(), EXPIRES) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        ticket(version=2),
        ticket(voter=0),
        sign(struct.pack("<BBHIQ", 1, 0, 0, EXPIRES, VOTER), b"another secret, of as many bytes"),
        ticket() + b"=",
        ticket().replace(ticket()[:1], b"+", 1),
        # The same bytes in other characters: the last one has two bits that say nothing.
        ticket()[:-1] + bytes([ticket()[-1] + 1]),
    ],
)
def test_a_forged_ticket_is_none(text: bytes) -> None:
    assert verify_ticket(SECRET, text, 0) is None


def test_a_ticket_that_is_cut_or_altered_anywhere_is_none() -> None:
    whole = ticket()
    for at in range(len(whole)):
        assert verify_ticket(SECRET, whole[:at], 0) is None
        other = b"A" if whole[at : at + 1] != b"A" else b"B"
        assert verify_ticket(SECRET, whole[:at] + other + whole[at + 1 :], 0) is None

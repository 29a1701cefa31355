import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.tickets import Ticket, mint, read, verify

SECRET = bytes(range(32))
TICKET = mint(SECRET, 0x0123456789ABCDEF, 2000, True)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def signed(body: bytes) -> str:
    """A ticket with any body, signed as a real one is."""
    mac = hmac.digest(SECRET, body, hashlib.sha256)[:16]
    return urlsafe_b64encode(body + mac).decode().rstrip("=")


def test_layout() -> None:
    raw = urlsafe_b64decode(TICKET + "=")
    assert raw[:16] == bytes.fromhex("01010000d0070000efcdab8967452301")
    assert raw[16:] == hmac.digest(SECRET, raw[:16], hashlib.sha256)[:16]
    assert len(TICKET) == 43


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**32 - 1), st.booleans(), st.binary(min_size=32))
def test_what_is_minted_is_read(voter: int, expires: int, monitor: bool, secret: bytes) -> None:
    assert read(secret, mint(secret, voter, expires, monitor)) == Ticket(voter, expires, monitor)


def test_expiry_is_the_first_second_at_which_it_does_not_hold() -> None:
    assert verify(SECRET, TICKET, 1999.9) is not None
    assert verify(SECRET, TICKET, 2000) is None
    found = read(SECRET, TICKET)
    assert found is not None
    assert found.expired(2000)


def test_another_secret() -> None:
    assert read(bytes(32), TICKET) is None


@pytest.mark.parametrize("length", range(len(TICKET)))
def test_cut(length: int) -> None:
    assert read(SECRET, TICKET[:length]) is None
    assert read(SECRET, TICKET[length + 1 :]) is None


def test_any_other_character_anywhere_is_a_forgery() -> None:
    """The spare bits of the last one too: a ticket has one text."""
    forged = [
        TICKET[:place] + character + TICKET[place + 1 :]
        for place in range(len(TICKET))
        for character in ALPHABET + "+/= \n\0\N{SNOWMAN}"
        if character != TICKET[place]
    ]
    assert [ticket for ticket in forged if read(SECRET, ticket) is not None] == []


@pytest.mark.parametrize(
    ("version", "flags", "zero", "voter"),
    [(0, 0, 0, 1), (2, 0, 0, 1), (1, 2, 0, 1), (1, 0, 1, 1), (1, 0, 0, 0)],
)
def test_signed_but_of_another_kind(version: int, flags: int, zero: int, voter: int) -> None:
    body = struct.pack("<BBHIQ", version, flags, zero, 2000, voter)
    assert read(SECRET, signed(body)) is None
    assert read(SECRET, signed(struct.pack("<BBHIQ", 1, 0, 0, 2000, 1))) == Ticket(1, 2000, False)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert read(SECRET, text) is None

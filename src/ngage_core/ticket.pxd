"""Tickets: who a viewer is, signed, so that a shard can tell without asking anybody.

32 bytes in base64url (RFC 4648 section 5, 43 characters without padding): version 1, flags, two
zeros, the Unix second after which it is no longer taken, the voter's number, all little-endian, and
the first half of an HMAC-SHA256 of those 16 bytes. ngage/tickets.py writes them; a crowd writes the
ones it shows by itself.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy

from ngage_core.sha256 cimport SHA256_BYTES, MacKey, mac_of

cdef enum:
    TICKET_BYTES = 32
    TICKET_SIGNED_BYTES = 16
    TICKET_TEXT_BYTES = 43
    TICKET_VERSION = 1
    TICKET_MONITOR = 1  # a flag: somebody who watches the show rather than takes part in it


cdef struct Ticket:
    uint64_t voter
    uint32_t expires
    bint monitor


cdef inline int base64url_digit(uint8_t c) noexcept nogil:
    if 65 <= c <= 90:
        return c - 65
    if 97 <= c <= 122:
        return c - 71
    if 48 <= c <= 57:
        return c + 4
    return 62 if c == 45 else 63 if c == 95 else -1


cdef inline bint ticket_decode(const uint8_t *text, size_t size, uint8_t *raw) noexcept nogil:
    cdef uint32_t bits = 0, have = 0
    cdef size_t i, at = 0
    cdef int digit
    if size != TICKET_TEXT_BYTES:
        return False
    for i in range(size):
        digit = base64url_digit(text[i])
        if digit < 0:
            return False
        bits = bits << 6 | <uint32_t> digit
        have += 6
        if have >= 8:
            have -= 8
            raw[at] = <uint8_t> (bits >> have)
            at += 1
    return bits & ((1 << have) - 1) == 0  # one text for each ticket


cdef inline void ticket_encode(const uint8_t *raw, uint8_t *text) noexcept nogil:
    """TICKET_BYTES in, TICKET_TEXT_BYTES out."""
    cdef const char *alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cdef uint32_t bits = 0, have = 0
    cdef size_t i, at = 0
    for i in range(<size_t> TICKET_BYTES):
        bits = bits << 8 | raw[i]
        have += 8
        while have >= 6:
            have -= 6
            text[at] = <uint8_t> alphabet[bits >> have & 63]
            at += 1
    text[at] = <uint8_t> alphabet[bits << (6 - have) & 63]


cdef inline void ticket_sign(
    const MacKey *key, uint64_t voter, uint32_t expires, uint8_t flags, uint8_t *raw
) noexcept nogil:
    """TICKET_BYTES of a ticket."""
    cdef uint8_t code[SHA256_BYTES]
    cdef uint32_t i
    raw[0] = TICKET_VERSION
    raw[1] = flags
    raw[2] = raw[3] = 0
    for i in range(4):
        raw[4 + i] = <uint8_t> (expires >> 8 * i)
    for i in range(8):
        raw[8 + i] = <uint8_t> (voter >> 8 * i)
    mac_of(key, raw, TICKET_SIGNED_BYTES, code)
    memcpy(raw + TICKET_SIGNED_BYTES, code, TICKET_BYTES - TICKET_SIGNED_BYTES)


cdef inline bint ticket_verify(
    const MacKey *key, const uint8_t *text, size_t size, uint64_t now_s, Ticket *ticket
) noexcept nogil:
    """Whether it is one of ours that still holds. Takes as long for every forged one."""
    cdef uint8_t raw[TICKET_BYTES]
    cdef uint8_t code[SHA256_BYTES]
    cdef uint8_t differs = 0
    cdef uint32_t i
    if not ticket_decode(text, size, raw):
        return False
    mac_of(key, raw, TICKET_SIGNED_BYTES, code)
    for i in range(<uint32_t> (TICKET_BYTES - TICKET_SIGNED_BYTES)):
        differs |= raw[TICKET_SIGNED_BYTES + i] ^ code[i]
    ticket.expires = 0
    ticket.voter = 0
    for i in range(4):
        ticket.expires |= <uint32_t> raw[4 + i] << 8 * i
    for i in range(8):
        ticket.voter |= <uint64_t> raw[8 + i] << 8 * i
    ticket.monitor = (raw[1] & TICKET_MONITOR) != 0
    return not differs and raw[0] == TICKET_VERSION and ticket.voter and ticket.expires > now_s

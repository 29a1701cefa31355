"""SHA-1 (RFC 3174) for the accept key of the upgrade, its only use (RFC 6455 section 1.3).

The input is always 60 bytes: 24 of the client's key and 36 of the protocol's GUID, which is two
blocks, the second all padding but four bytes.
"""

from libc.stdint cimport uint32_t, uint8_t
from libc.string cimport memcpy, memset

cdef enum:
    ACCEPT_KEY_BYTES = 28
    CLIENT_KEY_BYTES = 24


cdef inline uint32_t sha1_rotate(uint32_t word, uint32_t bits) noexcept nogil:
    return word << bits | word >> (32 - bits)


cdef inline void sha1_block(uint32_t *state, const uint8_t *block) noexcept nogil:
    cdef uint32_t w[80]
    cdef uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], mixed
    cdef int i
    for i in range(16):
        w[i] = (<uint32_t> block[4 * i] << 24 | <uint32_t> block[4 * i + 1] << 16
                | <uint32_t> block[4 * i + 2] << 8 | block[4 * i + 3])
    for i in range(16, 80):
        w[i] = sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1)
    for i in range(80):
        if i < 20:
            mixed = (b & c | ~b & d) + <uint32_t> 0x5A827999
        elif i < 40:
            mixed = (b ^ c ^ d) + <uint32_t> 0x6ED9EBA1
        elif i < 60:
            mixed = (b & c | b & d | c & d) + <uint32_t> 0x8F1BBCDC
        else:
            mixed = (b ^ c ^ d) + <uint32_t> 0xCA62C1D6
        mixed += sha1_rotate(a, 5) + e + w[i]
        e = d
        d = c
        c = sha1_rotate(b, 30)
        b = a
        a = mixed
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


cdef inline void accept_key_of(const uint8_t *key, uint8_t *accept) noexcept nogil:
    """Sec-WebSocket-Accept (28 base64 bytes) for a Sec-WebSocket-Key of 24 bytes."""
    cdef uint8_t message[128]
    cdef uint8_t digest[21]
    cdef uint32_t state[5]
    cdef const char *alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cdef uint32_t group
    cdef int i
    memset(message, 0, sizeof(message))
    memcpy(message, key, CLIENT_KEY_BYTES)
    memcpy(message + CLIENT_KEY_BYTES, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36)
    message[60] = 0x80
    message[126] = 60 * 8 >> 8
    message[127] = 60 * 8 & 0xFF
    state[0] = <uint32_t> 0x67452301
    state[1] = <uint32_t> 0xEFCDAB89
    state[2] = <uint32_t> 0x98BADCFE
    state[3] = <uint32_t> 0x10325476
    state[4] = <uint32_t> 0xC3D2E1F0
    sha1_block(state, message)
    sha1_block(state, message + 64)
    for i in range(20):
        digest[i] = <uint8_t> (state[i >> 2] >> (24 - 8 * (i & 3)))
    digest[20] = 0
    for i in range(7):
        group = (<uint32_t> digest[3 * i] << 16 | <uint32_t> digest[3 * i + 1] << 8
                 | digest[3 * i + 2])
        accept[4 * i] = <uint8_t> alphabet[group >> 18]
        accept[4 * i + 1] = <uint8_t> alphabet[group >> 12 & 63]
        accept[4 * i + 2] = <uint8_t> alphabet[group >> 6 & 63]
        accept[4 * i + 3] = <uint8_t> alphabet[group & 63]
    accept[27] = 61  # '=': 20 bytes leave one short in the last group

"""SHA-256 (FIPS 180-4) and HMAC (RFC 2104) for tickets: short messages, one key for all of them.

A key is kept as the two states that its padded blocks lead to, so that a code costs two more blocks
instead of four.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset

cdef enum:
    SHA256_BLOCK_BYTES = 64
    SHA256_BYTES = 32
    # What a message may be for its padding to fit into the same block.
    SHA256_TAIL_BYTES_MAX = 55

cdef extern from "ng_sha256.h" nogil:
    const uint32_t NG_SHA256_START[8]
    const uint32_t NG_SHA256_ROUNDS[64]


# Of an HMAC: the states after its key.
cdef struct MacKey:
    uint32_t inner[8]
    uint32_t outer[8]


cdef inline uint32_t sha256_rotate(uint32_t word, uint32_t bits) noexcept nogil:
    return word >> bits | word << (32 - bits)


cdef inline void sha256_block(uint32_t *state, const uint8_t *block) noexcept nogil:
    cdef uint32_t w[64]
    cdef uint32_t s[8]
    cdef uint32_t first, second, i
    for i in range(16):
        w[i] = (<uint32_t> block[4 * i] << 24 | <uint32_t> block[4 * i + 1] << 16
                | <uint32_t> block[4 * i + 2] << 8 | block[4 * i + 3])
    for i in range(16, 64):
        first = w[i - 15]
        second = w[i - 2]
        w[i] = (w[i - 16] + w[i - 7]
                + (sha256_rotate(first, 7) ^ sha256_rotate(first, 18) ^ first >> 3)
                + (sha256_rotate(second, 17) ^ sha256_rotate(second, 19) ^ second >> 10))
    memcpy(s, state, sizeof(s))
    for i in range(64):
        first = (s[7] + (sha256_rotate(s[4], 6) ^ sha256_rotate(s[4], 11) ^ sha256_rotate(s[4], 25))
                 + (s[4] & s[5] ^ ~s[4] & s[6]) + NG_SHA256_ROUNDS[i] + w[i])
        second = ((sha256_rotate(s[0], 2) ^ sha256_rotate(s[0], 13) ^ sha256_rotate(s[0], 22))
                  + (s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]))
        s[7] = s[6]
        s[6] = s[5]
        s[5] = s[4]
        s[4] = s[3] + first
        s[3] = s[2]
        s[2] = s[1]
        s[1] = s[0]
        s[0] = first + second
    for i in range(8):
        state[i] += s[i]


cdef inline void sha256_end(
    uint32_t *state, const uint8_t *tail, size_t size, uint64_t before, uint8_t *digest
) noexcept nogil:
    """The last block: `size` bytes (at most SHA256_TAIL_BYTES_MAX) that follow `before` others."""
    cdef uint8_t block[SHA256_BLOCK_BYTES]
    cdef uint64_t bits = (before + size) * 8
    cdef uint32_t i
    memset(block, 0, sizeof(block))
    memcpy(block, tail, size)
    block[size] = 0x80
    for i in range(8):
        block[56 + i] = <uint8_t> (bits >> (56 - 8 * i))
    sha256_block(state, block)
    for i in range(<uint32_t> SHA256_BYTES):
        digest[i] = <uint8_t> (state[i >> 2] >> (24 - 8 * (i & 3)))


cdef inline void mac_key_of(MacKey *key, const uint8_t *secret, size_t size) noexcept nogil:
    """`size` is at most a block; RFC 2104 section 2."""
    cdef uint8_t block[SHA256_BLOCK_BYTES]
    cdef uint32_t i
    memset(block, 0, sizeof(block))
    memcpy(block, secret, size)
    for i in range(<uint32_t> SHA256_BLOCK_BYTES):
        block[i] ^= 0x36
    memcpy(key.inner, NG_SHA256_START, sizeof(key.inner))
    sha256_block(key.inner, block)
    for i in range(<uint32_t> SHA256_BLOCK_BYTES):
        block[i] ^= 0x36 ^ 0x5C
    memcpy(key.outer, NG_SHA256_START, sizeof(key.outer))
    sha256_block(key.outer, block)


cdef inline void mac_of(
    const MacKey *key, const uint8_t *message, size_t size, uint8_t *code
) noexcept nogil:
    """HMAC-SHA256 of at most SHA256_TAIL_BYTES_MAX bytes."""
    cdef uint32_t state[8]
    cdef uint8_t digest[SHA256_BYTES]
    memcpy(state, key.inner, sizeof(state))
    sha256_end(state, message, size, SHA256_BLOCK_BYTES, digest)
    memcpy(state, key.outer, sizeof(state))
    sha256_end(state, digest, SHA256_BYTES, SHA256_BLOCK_BYTES, code)

"""A timed publication: two decimal numbers, a space after each, padding that can be checked.

design section 5: CLOCK_MONOTONIC ns of the intended send, then a sequence number.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    DIGITS_MAX = 20  # of a 64-bit number
    PREFIX_BYTES_MAX = 2 * (DIGITS_MAX + 1)


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    """The finalizer of splitmix64: neighbours in, unrelated words out."""
    value = (value ^ value >> 30) * <uint64_t> 0xBF58476D1CE4E5B9
    value = (value ^ value >> 27) * <uint64_t> 0x94D049BB133111EB
    return value ^ value >> 31


cdef inline uint64_t pad_word(uint64_t sequence, uint64_t index) noexcept nogil:
    """Eight printable bytes, so that publications may be text."""
    cdef uint64_t word = mix(sequence * <uint64_t> 0x9E3779B97F4A7C15 + index)
    return (word & <uint64_t> 0x3F3F3F3F3F3F3F3F) + <uint64_t> 0x3030303030303030


cdef inline void pad(uint8_t *out, size_t size, uint64_t sequence, uint64_t at) noexcept nogil:
    """Padding is a function of sequence and position: it can be checked from any cut onwards."""
    cdef uint64_t word
    cdef size_t piece
    while size:
        word = pad_word(sequence, at >> 3)
        piece = min(8 - (at & 7), size)
        memcpy(out, <uint8_t *> &word + (at & 7), piece)
        out += piece
        at += piece
        size -= piece


cdef inline bint padded(
    const uint8_t *data, size_t size, uint64_t sequence, uint64_t at
) noexcept nogil:
    cdef uint64_t word
    cdef size_t piece
    while size:
        word = pad_word(sequence, at >> 3)
        piece = min(8 - (at & 7), size)
        if memcmp(data, <uint8_t *> &word + (at & 7), piece) != 0:
            return False
        data += piece
        at += piece
        size -= piece
    return True


cdef inline size_t read_number(const uint8_t *data, size_t size, uint64_t *number) noexcept nogil:
    """A decimal number and the space after it: bytes read, 0 if there is none."""
    cdef size_t i
    number[0] = 0
    for i in range(min(size, <size_t> DIGITS_MAX + 1)):
        if data[i] == 32:  # space
            return i + 1 if i else 0
        if not 48 <= data[i] <= 57:  # "0" to "9"
            return 0
        number[0] = number[0] * 10 + data[i] - 48
    return 0

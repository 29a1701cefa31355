"""Incremental UTF-8 check (RFC 3629 section 4), fail-fast at the first bad byte.

The state between two pieces is one word: how many continuation bytes are owed, and the range the
next one must lie in. Only the byte after the lead has a range narrower than 80..BF.
"""

from libc.stdint cimport uint8_t, uint32_t

from ngage_core.simd cimport ng_ascii_prefix

cdef enum:
    UTF8_COMPLETE = 0
    UTF8_INVALID = 0xFFFFFFFF


cdef inline uint32_t utf8_owed(uint32_t count, uint32_t low, uint32_t high) noexcept nogil:
    return count | low << 8 | high << 16


cdef inline uint32_t utf8_lead(uint8_t lead) noexcept nogil:
    if lead < 0x80:
        return UTF8_COMPLETE
    if lead < 0xC2:  # a continuation byte, or an overlong two-byte form
        return <uint32_t> UTF8_INVALID
    if lead < 0xE0:
        return utf8_owed(1, 0x80, 0xBF)
    if lead == 0xE0:  # below A0 it would be overlong
        return utf8_owed(2, 0xA0, 0xBF)
    if lead == 0xED:  # above 9F lie the surrogates
        return utf8_owed(2, 0x80, 0x9F)
    if lead < 0xF0:
        return utf8_owed(2, 0x80, 0xBF)
    if lead == 0xF0:
        return utf8_owed(3, 0x90, 0xBF)
    if lead < 0xF4:
        return utf8_owed(3, 0x80, 0xBF)
    if lead == 0xF4:  # above 8F lies U+110000
        return utf8_owed(3, 0x80, 0x8F)
    return <uint32_t> UTF8_INVALID


cdef inline uint32_t utf8_step(uint32_t state, const uint8_t *data, size_t size) noexcept nogil:
    """The state after these bytes: UTF8_COMPLETE, UTF8_INVALID, or what is still owed."""
    cdef size_t at = 0
    cdef uint8_t byte
    while at < size:
        if state == UTF8_COMPLETE:
            at += ng_ascii_prefix(data + at, size - at)
            if at == size:
                return state
            state = utf8_lead(data[at])
            if state == <uint32_t> UTF8_INVALID:
                return state
        else:
            byte = data[at]
            if byte < (state >> 8 & 0xFF) or byte > (state >> 16 & 0xFF):
                return <uint32_t> UTF8_INVALID
            if (state & 0xFF) > 1:
                state = utf8_owed((state & 0xFF) - 1, 0x80, 0xBF)
            else:
                state = UTF8_COMPLETE
        at += 1
    return state

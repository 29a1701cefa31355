"""Incremental UTF-8 check (RFC 3629 section 4), fail-fast at the first bad byte.

The state between two pieces is one word: how many continuation bytes are owed, and the range the
next one must lie in. Only the byte after the lead has a range narrower than 80..BF.
"""

from libc.stdint cimport uint32_t, uint8_t

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


cdef inline bint utf8_follows(uint8_t byte) noexcept nogil:
    return (byte & 0xC0) == 0x80


cdef inline size_t utf8_common(const uint8_t *data, size_t size) noexcept nogil:
    """Bytes of a whole character at `data` if it is one of the common, unconstrained forms, else 0.

    The rest (four bytes, leads E0 and ED, anything cut or wrong) is left to the state.
    """
    if size < 3 or data[0] < 0xC2 or not utf8_follows(data[1]):
        return 0
    if data[0] < 0xE0:
        return 2
    if data[0] == 0xE0 or data[0] == 0xED or data[0] >= 0xF0 or not utf8_follows(data[2]):
        return 0
    return 3


cdef inline uint32_t utf8_step(uint32_t state, const uint8_t *data, size_t size) noexcept nogil:
    """The state after these bytes: UTF8_COMPLETE, UTF8_INVALID, or what is still owed."""
    cdef size_t at = 0, skip
    cdef uint8_t byte
    while at < size:
        byte = data[at]
        if state != UTF8_COMPLETE:
            if byte < (state >> 8 & 0xFF) or byte > (state >> 16 & 0xFF):
                return <uint32_t> UTF8_INVALID
            if (state & 0xFF) > 1:
                state = utf8_owed((state & 0xFF) - 1, 0x80, 0xBF)
            else:
                state = UTF8_COMPLETE
            at += 1
        elif byte < 0x80:
            skip = ng_ascii_prefix(data + at, size - at)
            at += skip if skip else 1
        else:
            skip = utf8_common(data + at, size - at)
            if skip == 0:
                state = utf8_lead(byte)
                if state == <uint32_t> UTF8_INVALID:
                    return state
                skip = 1
            at += skip
    return state

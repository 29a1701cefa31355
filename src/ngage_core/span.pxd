"""Pieces of text in somebody else's buffer, and the cutting that HTTP headers need."""

from libc.stdint cimport uint8_t
from libc.string cimport memchr


cdef struct Span:
    const uint8_t *data
    size_t bytes


cdef inline bint is_token_byte(uint8_t c) noexcept nogil:
    """tchar, RFC 9110 section 5.6.2."""
    if 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122:
        return True
    return c in (33, 35, 36, 37, 38, 39, 42, 43, 45, 46, 94, 95, 96, 124, 126)


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef inline bint span_is(Span span, const char *text, size_t size) noexcept nogil:
    """Equal, ASCII letters in any case; `text` is lower case."""
    cdef size_t i
    if span.bytes != size:
        return False
    for i in range(size):
        if lower(span.data[i]) != <uint8_t> text[i]:
            return False
    return True


cdef inline Span span_of(const uint8_t *data, size_t size) noexcept nogil:
    cdef Span span
    span.data = data
    span.bytes = size
    return span


cdef inline Span trimmed(Span span) noexcept nogil:
    while span.bytes and span.data[0] in (32, 9):
        span.data += 1
        span.bytes -= 1
    while span.bytes and span.data[span.bytes - 1] in (32, 9):
        span.bytes -= 1
    return span


cdef inline Span cut(Span *rest, uint8_t separator) noexcept nogil:
    """Take what stands before the separator off `rest`, without the white space around it."""
    cdef Span piece = rest[0]
    cdef const uint8_t *at = NULL
    if rest.bytes:
        at = <const uint8_t *> memchr(rest.data, separator, rest.bytes)
    if at == NULL:
        rest[0] = span_of(rest.data + rest.bytes, 0)
    else:
        piece.bytes = <size_t> (at - piece.data)
        rest[0] = span_of(at + 1, rest.bytes - piece.bytes - 1)
    return trimmed(piece)


cdef inline Span cut_last(Span *rest, uint8_t separator) noexcept nogil:
    """Take what stands behind the last separator off `rest`, without the white space around it."""
    cdef Span piece = rest[0]
    while rest.bytes and rest.data[rest.bytes - 1] != separator:
        rest.bytes -= 1
    piece.data += rest.bytes
    piece.bytes -= rest.bytes
    if rest.bytes:
        rest.bytes -= 1
    return trimmed(piece)


cdef inline bint has_token(Span list_value, const char *token, size_t size) noexcept nogil:
    cdef Span rest = list_value
    while rest.bytes:
        if span_is(cut(&rest, 44), token, size):
            return True
    return False

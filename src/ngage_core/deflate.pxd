"""permessage-deflate without context takeover (RFC 7692): a message in, a message out.

One stream serves any number of connections, since nothing survives a message. Sending with a
smaller window than was agreed is always allowed (section 7.1.2.1), so one compressed variant of a
broadcast fits every client that asked for at least its window.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport realloc
from libc.string cimport memset


cdef extern from "<zlib.h>" nogil:
    ctypedef struct z_stream:
        const uint8_t *next_in
        unsigned int avail_in
        uint8_t *next_out
        unsigned int avail_out
        int data_type
    int Z_OK, Z_STREAM_END, Z_BUF_ERROR, Z_SYNC_FLUSH, Z_DEFLATED, Z_DEFAULT_STRATEGY
    int deflateInit2(z_stream *stream, int level, int method, int window_bits, int memory_level,
                     int strategy)
    int deflateReset(z_stream *stream)
    int deflateEnd(z_stream *stream)
    size_t deflateBound(z_stream *stream, size_t size)
    int z_deflate "deflate"(z_stream *stream, int flush)
    int inflateInit2(z_stream *stream, int window_bits)
    int inflateReset(z_stream *stream)
    int inflateEnd(z_stream *stream)
    int z_inflate "inflate"(z_stream *stream, int flush)

cdef enum:
    WINDOW_BITS_MIN = 9  # zlib cannot write the 256-byte window of 8
    WINDOW_BITS_MAX = 15
    DEFLATE_TAIL_BYTES = 4
    INFLATE_STEP_BYTES = 16384
    BETWEEN_BLOCKS = 128
    INFLATE_CORRUPT = -1
    INFLATE_TOO_BIG = -2
    INFLATE_NO_MEMORY = -3


cdef struct Buffer:
    uint8_t *data
    size_t capacity


cdef inline bint buffer_reserve(Buffer *buffer, size_t size) noexcept nogil:
    cdef uint8_t *grown
    if size <= buffer.capacity:
        return True
    grown = <uint8_t *> realloc(buffer.data, size)
    if grown == NULL:
        return False
    buffer.data = grown
    buffer.capacity = size
    return True


cdef inline bint deflate_open(z_stream *stream, int window_bits) noexcept nogil:
    memset(stream, 0, sizeof(z_stream))
    return deflateInit2(stream, 6, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK


cdef inline bint inflate_open(z_stream *stream) noexcept nogil:
    memset(stream, 0, sizeof(z_stream))
    return inflateInit2(stream, -WINDOW_BITS_MAX) == Z_OK


cdef inline size_t deflate_bound(z_stream *stream, size_t size) noexcept nogil:
    # deflateBound() knows nothing of the flush marker (zlib.h), hence the extra bytes.
    return deflateBound(stream, size) + 16


cdef inline int64_t deflate_message(
    z_stream *stream, const uint8_t *data, size_t size, uint8_t *out, size_t capacity
) noexcept nogil:
    """Bytes written, without the 00 00 FF FF that RFC 7692 section 7.2.1 takes off; or -1."""
    deflateReset(stream)
    stream.next_in = data
    stream.avail_in = <unsigned int> size
    stream.next_out = out
    stream.avail_out = <unsigned int> capacity
    if z_deflate(stream, Z_SYNC_FLUSH) != Z_OK or stream.avail_in or stream.avail_out == 0:
        return -1
    return <int64_t> capacity - <int64_t> stream.avail_out - DEFLATE_TAIL_BYTES


cdef inline int64_t inflate_message(
    z_stream *stream, const uint8_t *data, size_t size, Buffer *out, size_t limit
) noexcept nogil:
    """Bytes of the message now in `out`, or an INFLATE_ code.

    Inflates in steps and stops at limit + 1, so that a bomb costs no more than its limit.
    """
    cdef const uint8_t *tail = <const uint8_t *> b"\x00\x00\xff\xff"
    cdef size_t have = 0
    cdef bint in_tail = False
    cdef size_t room
    cdef int status
    inflateReset(stream)
    stream.next_in = data
    stream.avail_in = <unsigned int> size
    while True:
        if stream.avail_in == 0 and not in_tail:
            in_tail = True
            stream.next_in = tail
            stream.avail_in = DEFLATE_TAIL_BYTES
        if have == out.capacity and not buffer_reserve(out, 2 * have + INFLATE_STEP_BYTES):
            return INFLATE_NO_MEMORY
        room = min(out.capacity - have, limit + 1 - have)
        stream.next_out = out.data + have
        stream.avail_out = <unsigned int> room
        status = z_inflate(stream, Z_SYNC_FLUSH)
        have += room - stream.avail_out
        if have > limit:
            return INFLATE_TOO_BIG
        if status == Z_STREAM_END:
            # A sender may set BFINAL (section 7.2.3.5); what follows starts a new stream.
            inflateReset(stream)
        elif status != Z_OK and status != Z_BUF_ERROR:
            return INFLATE_CORRUPT
        if stream.avail_in == 0 and in_tail and stream.avail_out:
            # A whole message ends at the end of a block, and the tail was one (zlib.h, data_type).
            return <int64_t> have if stream.data_type & BETWEEN_BLOCKS else INFLATE_CORRUPT
        if status == Z_BUF_ERROR and stream.avail_in and stream.avail_out:
            return INFLATE_CORRUPT

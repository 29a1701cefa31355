"""Bytes that wait for one socket alone: control frames, answers, echoes, direct messages.

A chain of chunks, each either owning its bytes or holding a reference to a shared payload. A
connection has an outbox only while something waits in it; broadcasts never pass through here.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ngage_core.limits cimport CONTROL_BYTES_MAX, CONTROL_QUEUE_BYTES_MAX
from ngage_core.payload cimport Payload, payload_release


cdef struct Chunk:
    Chunk *next
    Payload *payload  # or NULL: the bytes follow the struct
    uint8_t *data
    uint32_t bytes
    uint32_t sent
    uint32_t cost  # of memory; if others hold the payload anyway, that of the chunk alone
    bint pong


cdef struct Outbox:
    Outbox *next_free
    Chunk *first
    Chunk *last
    uint64_t bytes  # of unsent chunks
    uint64_t cost  # theirs; over OUTBOX_BYTES_MAX the client is slow
    uint32_t control_bytes  # of unsent pongs among them


cdef inline void outbox_link(Outbox *outbox, Chunk *chunk, uint32_t held) noexcept nogil:
    """`held`: how many of its bytes are no cost."""
    chunk.next = NULL
    chunk.sent = 0
    chunk.cost = <uint32_t> sizeof(Chunk) + chunk.bytes - held
    if outbox.last == NULL:
        outbox.first = chunk
    else:
        outbox.last.next = chunk
    outbox.last = chunk
    outbox.bytes += chunk.bytes
    outbox.cost += chunk.cost


cdef inline uint8_t *outbox_room(Outbox *outbox, size_t size) noexcept nogil:
    """Append a chunk of `size` own bytes for the caller to fill; NULL: no memory."""
    cdef Chunk *chunk = <Chunk *> malloc(sizeof(Chunk) + size)
    if chunk == NULL:
        return NULL
    chunk.payload = NULL
    chunk.data = <uint8_t *> chunk + sizeof(Chunk)
    chunk.bytes = <uint32_t> size
    chunk.pong = False
    outbox_link(outbox, chunk, 0)
    return chunk.data


cdef inline bint outbox_share(
    Outbox *outbox, Payload *payload, uint8_t *data, uint32_t size, bint held
) noexcept nogil:
    """Append `size` bytes at `data` in a payload, taking over one reference. `held`: others have
    it too. False: no memory."""
    cdef Chunk *chunk = <Chunk *> malloc(sizeof(Chunk))
    if chunk == NULL:
        return False
    chunk.payload = payload
    chunk.data = data
    chunk.bytes = size
    chunk.pong = False
    outbox_link(outbox, chunk, size if held else 0)
    return True


cdef inline bint outbox_pong(Outbox *outbox, const uint8_t *frame, uint32_t size) noexcept nogil:
    """Queue a pong. When many wait, the newest takes the last one's place (RFC 6455 section 5.5.3).

    False: no memory, or the ping stays unanswered because older ones still wait to be sent.
    """
    cdef Chunk *chunk = outbox.last
    if outbox.control_bytes >= CONTROL_QUEUE_BYTES_MAX:
        if chunk == NULL or not chunk.pong or chunk.sent:
            return False
        outbox.bytes += size
        outbox.bytes -= chunk.bytes
        outbox.control_bytes += size
        outbox.control_bytes -= chunk.bytes
    else:
        # Room for any pong, so that a later one fits in its place.
        if outbox_room(outbox, CONTROL_BYTES_MAX + 2) == NULL:
            return False
        chunk = outbox.last
        chunk.pong = True
        outbox.bytes += size
        outbox.bytes -= chunk.bytes
        outbox.control_bytes += size
    chunk.bytes = size
    memcpy(chunk.data, frame, size)
    return True


cdef inline void outbox_drop_first(Outbox *outbox) noexcept nogil:
    cdef Chunk *chunk = outbox.first
    outbox.first = chunk.next
    if outbox.first == NULL:
        outbox.last = NULL
    outbox.bytes -= chunk.bytes
    outbox.cost -= chunk.cost
    if chunk.pong:
        outbox.control_bytes -= chunk.bytes
    if chunk.payload != NULL:
        payload_release(chunk.payload)
    free(chunk)


cdef inline uint64_t outbox_consume(Outbox *outbox, uint64_t sent) noexcept nogil:
    """Strike off what was sent from the front; returns how much of it was not ours."""
    cdef Chunk *chunk
    while sent and outbox.first != NULL:
        chunk = outbox.first
        if sent < chunk.bytes - chunk.sent:
            chunk.sent += <uint32_t> sent
            return 0
        sent -= chunk.bytes - chunk.sent
        outbox_drop_first(outbox)
    return sent


cdef inline void outbox_clear(Outbox *outbox) noexcept nogil:
    while outbox.first != NULL:
        outbox_drop_first(outbox)

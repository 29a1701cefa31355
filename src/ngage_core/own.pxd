"""Bytes that are one connection's own: room for them, shared payloads among them, its close frame.

They wait in the outbox until the turn's writes. When there is no memory for them the connection is
doomed: it could not be told what it must be told.
"""

from libc.stdint cimport uint32_t, uint8_t

from ngage_core.codes cimport CLOSE_SLOW, OP_CLOSE
from ngage_core.conn cimport CONN_CLOSING, CONN_OPEN, Conn
from ngage_core.frame cimport FIN
from ngage_core.lifecycle cimport doom, queue_write, set_deadline, unsubscribe_all
from ngage_core.limits cimport CLOSE_REASON_BYTES_MAX, OUTBOX_BYTES_MAX
from ngage_core.outbox cimport Outbox, outbox_room, outbox_share
from ngage_core.payload cimport Payload, payload_plain, payload_release
from ngage_core.shard cimport Shard, take_outbox


cdef inline Outbox *outbox_of(Shard *shard, Conn *conn) noexcept nogil:
    if conn.outbox == NULL:
        conn.outbox = take_outbox(shard)
    return conn.outbox


cdef inline uint8_t *own_room(Shard *shard, uint32_t index, size_t size) noexcept nogil:
    """Room for `size` bytes behind what waits already; no memory dooms the connection."""
    cdef Outbox *outbox = outbox_of(shard, &shard.slab.conns[index])
    cdef uint8_t *room = outbox_room(outbox, size) if outbox != NULL else NULL
    if room == NULL:
        doom(shard, index)
        return NULL
    queue_write(shard, index)
    return room


cdef inline bint own_share(
    Shard *shard, uint32_t index, Payload *payload, uint32_t first, uint32_t size, bint held
) noexcept nogil:
    """The same with `size` bytes of a shared payload from `first` on; its reference is taken over.
    `held`: the log or the path table has it too, so that it is no cost of this connection."""
    cdef Outbox *outbox = outbox_of(shard, &shard.slab.conns[index])
    if outbox == NULL or not outbox_share(
            outbox, payload, payload_plain(payload) + first, size, held):
        payload_release(payload)
        doom(shard, index)
        return False
    queue_write(shard, index)
    return True


cdef inline void begin_close(
    Shard *shard, uint32_t index, int code, const uint8_t *reason, size_t reason_bytes
) noexcept nogil:
    """Queue our close frame; nothing follows it. The peer has close_timeout_ms to answer."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef uint8_t *room
    cdef size_t size = 2 + min(reason_bytes, <size_t> CLOSE_REASON_BYTES_MAX) if code else 0
    cdef size_t i
    if conn.state != CONN_OPEN:
        return
    room = own_room(shard, index, 2 + size)
    if room == NULL:
        return
    room[0] = FIN | OP_CLOSE
    room[1] = <uint8_t> size
    if code:
        room[2] = <uint8_t> (code >> 8)
        room[3] = <uint8_t> code
        for i in range(size - 2):
            room[4 + i] = reason[i]
    conn.state = CONN_CLOSING
    unsubscribe_all(shard, index)
    set_deadline(shard, index, shard.hub.options.close_timeout_ms)


cdef inline bint is_too_slow(Shard *shard, uint32_t index, size_t size) noexcept nogil:
    """Whether `size` bytes more are over what may wait for one client; then it is closed."""
    cdef Outbox *outbox = shard.slab.conns[index].outbox
    if outbox == NULL or outbox.cost + size <= OUTBOX_BYTES_MAX:
        return False
    shard.counters.slow_closed += 1
    begin_close(shard, index, CLOSE_SLOW, <const uint8_t *> b"slow", 4)
    return True

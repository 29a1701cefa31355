"""What a frame that was read means: a message to echo or to hand up, a ping, a goodbye, a fault.

Echo is answered here and verbs are counted; what else clients say goes to the control plane in
batches, through a bounded ring. Over its message rate a client is closed; over its byte rate it is
not read for the rest of the second, and TCP pushes back.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ngage_core.atomic cimport ng_add, ng_peek
from ngage_core.client cimport is_client_pong
from ngage_core.codes cimport (
    CLOSE_INTERNAL, CLOSE_NO_STATUS, CLOSE_PAYLOAD, CLOSE_POLICY, CLOSE_SLOW, CLOSE_TOO_BIG,
    OP_BINARY, OP_PONG, OP_TEXT,
)
from ngage_core.conn cimport (
    CONN_CLOSING, CONN_OPEN, F_DEFLATE, F_SHUT_WHEN_SENT, KIND_CLIENT, KIND_ECHO, NONE, Conn,
    ConnCold, conn_handle,
)
from ngage_core.deflate cimport (
    INFLATE_NO_MEMORY, INFLATE_TOO_BIG, buffer_reserve, deflate_bound, deflate_message,
    deflate_open, inflate_message,
)
from ngage_core.frame cimport (
    FIN, FOUND_CLOSE, FOUND_PING, FOUND_PONG, RSV1, Finding, FrameLimits, header_bytes,
    write_header,
)
from ngage_core.identity cimport Identity
from ngage_core.lifecycle cimport doom, drop_inbound, identity_of, pause_reading, queue_write
from ngage_core.limits cimport (
    CONTROL_BYTES_MAX, ECHO_OUTBOX_BYTES_MAX, INFLATED_KEPT_BYTES, PONG_COST_BYTES,
)
from ngage_core.outbox cimport outbox_pong
from ngage_core.own cimport begin_close, outbox_of, own_room
from ngage_core.payload cimport payload_retain
from ngage_core.ring cimport Message, ring_free, ring_push_at, ring_pushed
from ngage_core.rung cimport take_wish
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport sys_round_trip_ms
from ngage_core.utf8 cimport UTF8_COMPLETE, utf8_step
from ngage_core.verbs cimport take_verb

cdef inline void fail(Shard *shard, uint32_t index, int code) noexcept nogil:
    """The peer broke the protocol: say so, shut our side, and throw away what still comes."""
    if code == CLOSE_POLICY:
        shard.counters.policy_closed += 1
    else:
        shard.counters.protocol_errors += 1
    begin_close(shard, index, code, NULL, 0)
    shard.slab.conns[index].flags |= F_SHUT_WHEN_SENT
    drop_inbound(shard, &shard.slab.conns[index])


cdef inline bint over_rate(
    Shard *shard, uint32_t index, int status, uint64_t size
) noexcept nogil:
    """Count a frame and its bytes in the client's current second; whether it is over its rate.

    Over the byte rate the socket is merely not read for the rest of the second. A pong counts by
    its bytes alone, each as a small frame's: a viewer who lags answers a ping for every gap.
    """
    cdef ConnCold *cold = &shard.slab.colds[index]
    cdef uint32_t second = <uint32_t> (shard.now_ms // 1000)
    if shard.slab.conns[index].kind == KIND_ECHO:
        return False
    if cold.rate_second != second:
        cold.rate_second = second
        cold.rate_messages = 0
        cold.rate_bytes = 0
    if status == FOUND_PONG:
        size += PONG_COST_BYTES
    elif cold.rate_messages < 65535:
        cold.rate_messages += 1
    cold.rate_bytes = <uint32_t> min(<uint64_t> 0x7FFFFFFF, cold.rate_bytes + size)
    if cold.rate_bytes > shard.hub.options.inbound_bytes_per_second:
        pause_reading(shard, index)
    return cold.rate_messages > shard.hub.options.inbound_messages_per_second


cdef inline int inflate_found(Shard *shard, Finding *found, uint64_t limit) noexcept nogil:
    """Replace a compressed finding by its inflated message: 0 or a negative close code."""
    cdef int64_t size = inflate_message(
        &shard.inflater, found.data, found.bytes, &shard.inflated, limit)
    if size == INFLATE_TOO_BIG:
        return -CLOSE_TOO_BIG
    if size == INFLATE_NO_MEMORY:
        return -CLOSE_INTERNAL
    if size < 0:
        return -CLOSE_PAYLOAD
    found.data = shard.inflated.data
    found.bytes = <uint64_t> size
    if found.opcode == OP_TEXT and utf8_step(
            UTF8_COMPLETE, found.data, found.bytes) != UTF8_COMPLETE:
        return -CLOSE_PAYLOAD
    return 0


cdef inline int64_t deflate_found(
    Shard *shard, uint32_t window_bits, const Finding *found
) noexcept nogil:
    """The message compressed into shard.deflated; its size, or negative to send it plain."""
    cdef uint32_t which = window_bits - 9
    cdef size_t bound
    if not shard.deflater_open[which]:
        if not deflate_open(&shard.deflaters[which], <int> window_bits):
            return -1
        shard.deflater_open[which] = True
    bound = deflate_bound(&shard.deflaters[which], found.bytes)
    if not buffer_reserve(&shard.deflated, bound):
        return -1
    return deflate_message(
        &shard.deflaters[which], found.data, found.bytes, shard.deflated.data, bound)


cdef inline void echo_message(Shard *shard, uint32_t index, const Finding *found) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    cdef const uint8_t *data = found.data
    cdef uint64_t size = found.bytes
    cdef uint32_t first_byte = FIN | found.opcode
    cdef int64_t deflated = -1
    cdef uint8_t *room
    if conn.flags & F_DEFLATE:
        deflated = deflate_found(shard, shard.slab.colds[index].window_bits, found)
    if deflated >= 0:
        data = shard.deflated.data
        size = <uint64_t> deflated
        first_byte |= RSV1
    if conn.outbox != NULL and conn.outbox.bytes + size > ECHO_OUTBOX_BYTES_MAX:
        begin_close(shard, index, CLOSE_SLOW, <const uint8_t *> b"slow", 4)
        return
    room = own_room(shard, index, header_bytes(size) + size)
    if room != NULL:
        room += write_header(room, first_byte, size)
        memcpy(room, data, size)


cdef inline void hand_up(Shard *shard, uint32_t index, const Finding *found) noexcept nogil:
    """A client's message for the control plane."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef bint speaks = conn.kind == KIND_CLIENT
    cdef Identity *identity = identity_of(shard, index) if speaks else NULL
    cdef Message *message
    if not (speaks or ng_peek(&shard.hub.deliver)) or ring_free(&shard.events_ring) == 0:
        shard.counters.messages_dropped += 1
        return
    message = <Message *> malloc(sizeof(Message) + found.bytes)
    if message == NULL:
        shard.counters.messages_dropped += 1
        return
    message.client = conn_handle(shard.number, conn.generation, index)
    message.channel = <uint64_t> NONE if speaks else (
        shard.subscriptions.items[conn.subscription].channel)
    message.speaks = speaks
    message.about = identity.about if identity != NULL else NULL
    if message.about != NULL:
        payload_retain(message.about)
    message.received_ms = shard.now_ms
    # For each, be it a vote or not: 0.57 us (a loop of getsockopt in C) beside 13 us of Python.
    message.rtt_ms = sys_round_trip_ms(conn.fd) if speaks else 0
    message.bytes = found.bytes
    message.opcode = found.opcode
    memcpy(message.address, shard.slab.colds[index].address, 16)
    memcpy(<uint8_t *> message + sizeof(Message), found.data, found.bytes)
    shard.events[ring_push_at(&shard.events_ring)] = message
    ng_add(&shard.event_bytes, found.bytes)
    ring_pushed(&shard.events_ring)
    shard.events_pushed = True


cdef inline void take_message(Shard *shard, uint32_t index, const Finding *found) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    if conn.kind == KIND_CLIENT:
        if is_client_pong(found.data, found.bytes):
            shard.counters.pongs_received += 1
        else:
            hand_up(shard, index, found)
    elif found.opcode == OP_BINARY and take_verb(shard, index, found.data, found.bytes):
        pass
    elif not take_wish(shard, conn.subscription, found.data, found.bytes):
        hand_up(shard, index, found)


cdef inline void answer_ping(Shard *shard, uint32_t index, const Finding *found) noexcept nogil:
    cdef uint8_t frame[CONTROL_BYTES_MAX + 2]
    cdef Conn *conn = &shard.slab.conns[index]
    if outbox_of(shard, conn) == NULL:
        doom(shard, index)
        return
    frame[0] = FIN | OP_PONG
    frame[1] = <uint8_t> found.bytes
    memcpy(frame + 2, found.data, found.bytes)
    outbox_pong(conn.outbox, frame, <uint32_t> found.bytes + 2)
    queue_write(shard, index)


cdef inline void answer_close(Shard *shard, uint32_t index, const Finding *found) noexcept nogil:
    """Echo the peer's code and shut our side (section 5.5.1); if we had begun, it is all done."""
    cdef int code = 0 if found.code == CLOSE_NO_STATUS else <int> found.code
    if shard.slab.conns[index].state == CONN_CLOSING:
        doom(shard, index)
        return
    begin_close(shard, index, code, NULL, 0)
    shard.slab.conns[index].flags |= F_SHUT_WHEN_SENT
    drop_inbound(shard, &shard.slab.conns[index])


cdef inline void take_finding(
    Shard *shard, uint32_t index, int status, Finding *found, const FrameLimits *limits
) noexcept nogil:
    if status == FOUND_CLOSE:
        answer_close(shard, index, found)
        return
    if shard.slab.conns[index].state != CONN_OPEN:
        return  # we have said goodbye; nothing but its answer counts
    if over_rate(shard, index, status, found.bytes):
        fail(shard, index, CLOSE_POLICY)
    elif status == FOUND_PING:
        shard.counters.pings_received += 1
        answer_ping(shard, index, found)
    elif status == FOUND_PONG:
        shard.counters.pongs_received += 1
    else:
        shard.counters.messages_received += 1
        status = inflate_found(shard, found, limits.message_bytes_max) if found.compressed else 0
        if status < 0:
            fail(shard, index, -status)
        elif shard.slab.conns[index].kind == KIND_ECHO:
            echo_message(shard, index, found)
        else:
            take_message(shard, index, found)
        if shard.inflated.capacity > INFLATED_KEPT_BYTES:
            free(shard.inflated.data)
            shard.inflated.data = NULL
            shard.inflated.capacity = 0

"""Reading: one buffer for the whole shard, frames parsed in it where they lie.

A connection keeps state only if a head or a message is cut at the end of what was read. Echo is
answered here; what raw clients say goes to the control plane in batches, through a bounded ring.
While that ring is short of room, or a client is over its byte rate, its socket is not read, and
TCP pushes back; over its message rate it is closed.
"""

from libc.errno cimport EAGAIN
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ngage_core.atomic cimport ng_add, ng_load, ng_peek
from ngage_core.codes cimport (
    CLOSE_INTERNAL, CLOSE_NO_STATUS, CLOSE_PAYLOAD, CLOSE_POLICY, CLOSE_SLOW, CLOSE_TOO_BIG,
    OP_PONG, OP_TEXT,
)
from ngage_core.conn cimport (
    CONN_CLOSING, CONN_DOOMED, CONN_FREE, CONN_HEAD, CONN_LINGER, CONN_OPEN, F_BLOCKED, F_DEFLATE,
    F_PAUSED, F_PEER_DONE, F_SHUT_WHEN_SENT, KIND_ECHO, KIND_NONE, KIND_RAW, KIND_REFUSED, NONE,
    Conn, ConnCold, conn_handle,
)
from ngage_core.deflate cimport (
    INFLATE_NO_MEMORY, INFLATE_TOO_BIG, buffer_reserve, deflate_bound, deflate_message,
    deflate_open, inflate_message,
)
from ngage_core.frame cimport (
    FIN, FOUND_CLOSE, FOUND_MESSAGE, FOUND_NOTHING, FOUND_PING, FOUND_PONG, RSV1, Finding,
    FrameLimits, Inbound, header_bytes, inbound_append, inbound_idle, inbound_step, write_header,
)
from ngage_core.handshake cimport refuse, serve_request
from ngage_core.lifecycle cimport (
    doom, drop_inbound, pause_reading, queue_read, queue_write, set_deadline,
)
from ngage_core.limits cimport (
    CONTROL_BYTES_MAX, ECHO_OUTBOX_BYTES_MAX, EVENT_BYTES_PER_SHARD, EVENT_ROOM_WANTED,
    HELD_BYTES_PER_SHARD, INFLATED_KEPT_BYTES, OUTBOX_PAUSE_BYTES,
    READ_BUFFER_BYTES, READS_PER_TURN,
)
from ngage_core.outbox cimport outbox_pong
from ngage_core.ring cimport Message, ring_free, ring_push_at, ring_pushed
from ngage_core.shard cimport Shard, give_inbound, take_inbound
from ngage_core.sysio cimport sys_receive
from ngage_core.upgrade cimport HEAD_DONE, HEAD_MORE, HEAD_NOT_HTTP, head_progress
from ngage_core.utf8 cimport UTF8_COMPLETE, utf8_step
from ngage_core.wheel cimport tick_of, ticks_of, wheel_move
from ngage_core.write cimport begin_close, outbox_of, own_room, write_conn


cdef inline void fail(Shard *shard, uint32_t index, int code) noexcept nogil:
    """The peer broke the protocol: say so, shut our side, and throw away what still comes."""
    if code == CLOSE_POLICY:
        shard.counters.policy_closed += 1
    else:
        shard.counters.protocol_errors += 1
    begin_close(shard, index, code, NULL, 0)
    shard.slab.conns[index].flags |= F_SHUT_WHEN_SENT
    drop_inbound(shard, &shard.slab.conns[index])


# What cut pieces cost.

cdef inline Inbound *inbound_of(Shard *shard, Conn *conn) noexcept nogil:
    if conn.inbound == NULL:
        conn.inbound = take_inbound(shard)
    return conn.inbound


cdef inline void park(Shard *shard, uint32_t index, uint64_t capacity_before) noexcept nogil:
    """Account for what is kept, and give the unfinished message its deadline."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef uint32_t due
    shard.counters.held_bytes += conn.inbound.capacity - capacity_before
    if conn.state != CONN_OPEN:
        return
    if shard.counters.held_bytes > HELD_BYTES_PER_SHARD:
        fail(shard, index, CLOSE_TOO_BIG)
        return
    if conn.inbound.since_ms == 0:
        conn.inbound.since_ms = shard.now_ms
        due = tick_of(shard.now_ms) + ticks_of(shard.hub.options.message_timeout_ms)
        if <int> (due - conn.deadline_tick) < 0:
            wheel_move(&shard.wheel, shard.slab.conns, index, due)


# The request head.

cdef inline void read_head(Shard *shard, uint32_t index, uint8_t *data, size_t size) noexcept nogil:
    """Bytes of a head; what is pipelined behind it are frames already."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef size_t checked = 0, head_size = 0
    cdef uint64_t before
    cdef int progress
    cdef Inbound *kept = conn.inbound
    if kept != NULL:
        before = kept.capacity
        checked = kept.left
        if not inbound_append(kept, data, size):
            doom(shard, index)
            return
        shard.counters.held_bytes += kept.capacity - before
        data = kept.data
        size = kept.bytes
    progress = head_progress(data, size, &checked, &head_size)
    if progress == HEAD_MORE:
        if kept == NULL:
            kept = inbound_of(shard, conn)
            if kept == NULL or not inbound_append(kept, data, size):
                doom(shard, index)
                return
            park(shard, index, 0)
        kept.left = checked  # a head has no use for it otherwise
        return
    if progress == HEAD_NOT_HTTP:
        shard.counters.not_http += 1
        doom(shard, index)
        return
    if progress != HEAD_DONE:
        refuse(shard, index, progress, b"the request head cannot be accepted")
        return
    conn.inbound = NULL  # out of the way of the frames; its bytes are still needed
    serve_request(shard, index, data, head_size)
    if conn.state == CONN_OPEN and size > head_size:
        read_frames(shard, index, data + head_size, size - head_size)
    if kept != NULL:
        give_inbound(shard, kept)


# Messages.

cdef inline bint over_rate(Shard *shard, uint32_t index, uint64_t size) noexcept nogil:
    """Count a frame and its bytes in the client's current second; whether it is over its rate.

    Over the byte rate the socket is merely not read for the rest of the second.
    """
    cdef ConnCold *cold = &shard.slab.colds[index]
    cdef uint32_t second = <uint32_t> (shard.now_ms // 1000)
    if shard.slab.conns[index].kind == KIND_ECHO:
        return False
    if cold.rate_second != second:
        cold.rate_second = second
        cold.rate_messages = 0
        cold.rate_bytes = 0
    if cold.rate_messages < 65535:
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
    """A raw client's message for the control plane."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef Message *message
    if not ng_peek(&shard.hub.deliver) or ring_free(&shard.events_ring) == 0:
        shard.counters.messages_dropped += 1
        return
    message = <Message *> malloc(sizeof(Message) + found.bytes)
    if message == NULL:
        shard.counters.messages_dropped += 1
        return
    message.client = conn_handle(shard.number, conn.generation, index)
    message.channel = shard.subscriptions.items[conn.subscription].channel
    message.bytes = found.bytes
    message.opcode = found.opcode
    memcpy(message.address, shard.slab.colds[index].address, 16)
    memcpy(<uint8_t *> message + sizeof(Message), found.data, found.bytes)
    shard.events[ring_push_at(&shard.events_ring)] = message
    ng_add(&shard.event_bytes, found.bytes)
    ring_pushed(&shard.events_ring)
    shard.events_pushed = True


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
    if over_rate(shard, index, found.bytes):
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
            hand_up(shard, index, found)
        if shard.inflated.capacity > INFLATED_KEPT_BYTES:
            free(shard.inflated.data)
            shard.inflated.data = NULL
            shard.inflated.capacity = 0


cdef inline void read_frames(
    Shard *shard, uint32_t index, uint8_t *data, size_t size
) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    cdef FrameLimits limits = (
        shard.echo_limits if conn.kind == KIND_ECHO else shard.raw_limits)
    cdef Inbound *state = inbound_of(shard, conn)
    cdef uint64_t capacity_before
    cdef size_t at = 0, used = 0
    cdef Finding found
    cdef int status
    if state == NULL:
        doom(shard, index)
        return
    limits.deflate = (conn.flags & F_DEFLATE) != 0
    capacity_before = state.capacity
    while at < size:
        status = inbound_step(state, &limits, data + at, size - at, &used, &found)
        at += used
        if status == FOUND_NOTHING:
            break
        if status == FOUND_MESSAGE:
            state.since_ms = 0
        shard.counters.held_bytes += state.capacity - capacity_before
        capacity_before = state.capacity
        if status < 0:
            if conn.state == CONN_OPEN:
                fail(shard, index, -status)
            else:
                doom(shard, index)
            return
        take_finding(shard, index, status, &found, &limits)
        if conn.inbound == NULL or conn.state == CONN_DOOMED:
            return
    if inbound_idle(state):
        shard.counters.held_bytes += state.capacity - capacity_before
        drop_inbound(shard, conn)
    else:
        park(shard, index, capacity_before)


# Sockets.

cdef inline bint may_read(Shard *shard, uint32_t index) noexcept nogil:
    """Whether there is room for what a full read buffer may hold; else the socket is paused."""
    cdef Conn *conn = &shard.slab.conns[index]
    if conn.flags & F_PAUSED:
        return False
    if conn.state != CONN_OPEN:
        return True
    if conn.kind == KIND_ECHO:
        if conn.outbox != NULL and conn.outbox.bytes > OUTBOX_PAUSE_BYTES:
            pause_reading(shard, index)
            return False
    elif ng_peek(&shard.hub.deliver) and (
            ring_free(&shard.events_ring) < EVENT_ROOM_WANTED
            or ng_load(&shard.event_bytes) > EVENT_BYTES_PER_SHARD):
        pause_reading(shard, index)
        return False
    return True


cdef inline void peer_done(Shard *shard, uint32_t index) noexcept nogil:
    """FIN. An answer under way is still finished; otherwise nobody is left to talk to."""
    cdef Conn *conn = &shard.slab.conns[index]
    conn.flags |= F_PEER_DONE
    if not (conn.state == CONN_CLOSING and conn.flags & F_SHUT_WHEN_SENT):
        doom(shard, index)


cdef inline void take_bytes(Shard *shard, uint32_t index, size_t size) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    shard.counters.received_bytes += size
    conn.heard_tick = tick_of(shard.now_ms)
    if conn.state == CONN_HEAD:
        read_head(shard, index, shard.read_buffer, size)
    elif conn.state == CONN_OPEN or (
            conn.state == CONN_CLOSING and not conn.flags & F_SHUT_WHEN_SENT):
        read_frames(shard, index, shard.read_buffer, size)


cdef inline void read_conn(Shard *shard, uint32_t index, bint until_end) noexcept nogil:
    """Read a socket as far as it has something, but for its share of the turn.

    A read that does not fill the buffer has emptied the socket (epoll(7), question 9), so the usual
    case is one system call; `until_end` asks on to hear of a hang-up.
    """
    cdef Conn *conn = &shard.slab.conns[index]
    cdef int64_t size
    cdef int reads = 0
    while reads < READS_PER_TURN:
        reads += 1
        if conn.state == CONN_FREE or conn.state == CONN_DOOMED or not may_read(shard, index):
            return
        size = sys_receive(conn.fd, shard.read_buffer, READ_BUFFER_BYTES)
        if size > 0:
            take_bytes(shard, index, <size_t> size)
        elif size == 0:
            peer_done(shard, index)
            return
        elif size == -EAGAIN:
            return
        else:
            doom(shard, index)
            return
        if size < READ_BUFFER_BYTES and not until_end:
            return
    queue_read(shard, index)

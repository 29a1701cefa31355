"""Reading: one buffer for the whole shard, frames parsed in it where they lie.

A connection keeps state only if a head or a message is cut at the end of what was read. Echo is
answered here; what raw clients say goes to the control plane in batches, through a bounded ring.
While that ring is short of room, or a client is over its byte rate, its socket is not read, and
TCP pushes back; over its message rate it is closed.
"""

from libc.errno cimport EAGAIN
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memmove

from ngage_core.answer cimport refuse
from ngage_core.atomic cimport ng_load, ng_peek
from ngage_core.codes cimport CLOSE_TOO_BIG
from ngage_core.conn cimport (
    CONN_ANSWERING, CONN_CLOSING, CONN_DOOMED, CONN_FREE, CONN_HEAD, CONN_OPEN, CONN_WAITING,
    F_DEFLATE, F_PAUSED, F_PEER_DONE, F_RESUME, F_SHUT_WHEN_SENT, KIND_CLIENT, KIND_ECHO, Conn,
)
from ngage_core.frame cimport (
    FOUND_MESSAGE, FOUND_NOTHING, Finding, FrameLimits, Inbound, inbound_append, inbound_idle,
    inbound_step,
)
from ngage_core.handshake cimport serve_request
from ngage_core.lifecycle cimport doom, drop_inbound, pause_reading, queue_read, set_deadline
from ngage_core.limits cimport (
    EVENT_BYTES_PER_SHARD, EVENT_ROOM_WANTED, HELD_BYTES_PER_SHARD, OUTBOX_PAUSE_BYTES,
    PIPELINED_BYTES_MAX, READS_PER_TURN, READ_BUFFER_BYTES, REQUESTS_PER_TURN,
)
from ngage_core.message cimport fail, take_finding
from ngage_core.ring cimport ring_free
from ngage_core.shard cimport Shard, give_inbound, take_inbound
from ngage_core.sysio cimport sys_receive
from ngage_core.upgrade cimport HEAD_DONE, HEAD_MORE, HEAD_NOT_HTTP, head_progress
from ngage_core.wheel cimport tick_of, ticks_of, wheel_move


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
        if <int> (due - conn.deadline.tick) < 0:
            wheel_move(&shard.wheel, index, due)


# Requests.

cdef inline bint hold(
    Shard *shard, uint32_t index, Inbound *kept, const uint8_t *data, size_t size
) noexcept nogil:
    """Add to what is kept of a connection's requests. False: too much, and it is doomed."""
    cdef uint64_t before = kept.capacity
    if size and not inbound_append(kept, data, size):
        doom(shard, index)
        return False
    shard.counters.held_bytes += kept.capacity - before
    if shard.counters.held_bytes > HELD_BYTES_PER_SHARD:
        doom(shard, index)
        return False
    return True


cdef inline void keep(
    Shard *shard, uint32_t index, const uint8_t *data, size_t size, size_t checked
) noexcept nogil:
    """Bytes that are for later; `checked`: how far they are known to be an unfinished head."""
    cdef Inbound *kept = inbound_of(shard, &shard.slab.conns[index])
    if kept == NULL:
        doom(shard, index)
    elif hold(shard, index, kept, data, size):
        kept.left = checked  # they have no other use for it


cdef inline void cannot_read(Shard *shard, uint32_t index, int progress) noexcept nogil:
    if progress != HEAD_NOT_HTTP:
        refuse(shard, index, progress, b"the request head cannot be accepted")
    elif shard.slab.colds[index].rate_messages:
        refuse(shard, index, 400, b"that is no request")  # a reset would take the last answer too
    else:
        shard.counters.not_http += 1
        doom(shard, index)


cdef inline void keep_rest(
    Shard *shard, uint32_t index, Inbound *kept, const uint8_t *data, size_t size, size_t checked
) noexcept nogil:
    """What is left of the bytes of requests, in `kept` or not yet, when some have been answered."""
    cdef Conn *conn = &shard.slab.conns[index]
    if kept != NULL:
        memmove(kept.data, data, size)
        kept.bytes = size
        kept.left = checked
        conn.inbound = kept
    else:
        keep(shard, index, data, size, checked)


cdef inline void read_requests(
    Shard *shard, uint32_t index, uint8_t *data, size_t size
) noexcept nogil:
    """Bytes of requests, behind those that are kept. They are answered in order, each when the
    answer before it is out; what is behind an upgrade are frames already."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef Inbound *kept = conn.inbound
    cdef size_t at = 0, checked = 0, head_size = 0
    cdef int progress = HEAD_DONE, served = 0
    if kept != NULL:
        checked = kept.left
        if not hold(shard, index, kept, data, size):
            return
        data = kept.data
        size = kept.bytes
        conn.inbound = NULL  # out of the way of frames; its bytes are still needed
    while at < size and conn.state == CONN_HEAD and served < REQUESTS_PER_TURN:
        progress = head_progress(data + at, size - at, &checked, &head_size)
        if progress != HEAD_DONE:
            break
        served += 1
        checked = 0
        at += head_size
        serve_request(shard, index, data + at - head_size, head_size)
    if conn.state == CONN_OPEN:
        if at < size:
            read_frames(shard, index, data + at, size - at)
    elif progress != HEAD_DONE and progress != HEAD_MORE:
        cannot_read(shard, index, progress)
    elif at < size and conn.state in (CONN_HEAD, CONN_WAITING, CONN_ANSWERING):
        keep_rest(shard, index, kept, data + at, size - at, checked)
        if progress == HEAD_DONE and conn.state == CONN_HEAD:
            queue_read(shard, index)
        elif shard.slab.colds[index].rate_messages and conn.state == CONN_HEAD and (
                at or kept == NULL):
            set_deadline(shard, index, shard.hub.options.handshake_timeout_ms)
    if kept != NULL and conn.inbound != kept:
        give_inbound(shard, kept)


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
    if conn.state == CONN_HEAD and conn.flags & F_RESUME:
        return False  # what is kept comes first
    if conn.state == CONN_WAITING or conn.state == CONN_ANSWERING:
        return conn.inbound == NULL or conn.inbound.bytes < PIPELINED_BYTES_MAX
    if conn.state != CONN_OPEN:
        return True
    if conn.kind == KIND_ECHO:
        if conn.outbox != NULL and conn.outbox.bytes > OUTBOX_PAUSE_BYTES:
            pause_reading(shard, index)
            return False
    elif (conn.kind == KIND_CLIENT or ng_peek(&shard.hub.deliver)) and (
            ring_free(&shard.events_ring) < EVENT_ROOM_WANTED
            or ng_load(&shard.event_bytes) > EVENT_BYTES_PER_SHARD):
        pause_reading(shard, index)
        return False
    return True


cdef inline void peer_done(Shard *shard, uint32_t index) noexcept nogil:
    """FIN. An answer under way is still finished; otherwise nobody is left to talk to."""
    cdef Conn *conn = &shard.slab.conns[index]
    conn.flags |= F_PEER_DONE
    if not (conn.state == CONN_CLOSING and conn.flags & F_SHUT_WHEN_SENT
            or conn.state == CONN_ANSWERING):
        doom(shard, index)


cdef inline void take_bytes(Shard *shard, uint32_t index, size_t size) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    shard.counters.received_bytes += size
    conn.heard_tick = tick_of(shard.now_ms)
    if conn.state == CONN_HEAD:
        read_requests(shard, index, shard.read_buffer, size)
    elif conn.state == CONN_WAITING or conn.state == CONN_ANSWERING:
        keep(shard, index, shard.read_buffer, size, 0)
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
    if conn.state == CONN_HEAD and conn.inbound != NULL:
        read_requests(shard, index, NULL, 0)
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

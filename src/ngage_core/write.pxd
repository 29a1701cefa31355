"""Writing to one socket: everything that waits for it, in one sendmsg.

The order on the wire: the rest of a frame that a short write cut, then what is the connection's own
(control frames, answers), then the publications of all its channels. Control frames thus never
land inside a frame (RFC 6455 section 5.4). The lag policy is applied first (lag.pxd). A short write
means the socket is full: no second try, the poller will tell.
"""

from libc.errno cimport EAGAIN, ENOBUFS, ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t

from ngage_core.atomic cimport ng_load, ng_load_pointer
from ngage_core.channel cimport Channel, channel_at
from ngage_core.conn cimport (
    CONN_ANSWERING, CONN_DOOMED, CONN_FREE, CONN_LINGER, CONN_OPEN, F_BLOCKED, F_CLOSE_WHEN_SENT,
    F_PARTIAL_DEFLATED, F_PEER_DONE, F_SHARED_DEFLATE, F_SHUT_WHEN_SENT, NONE, Conn,
)
from ngage_core.lag cimport apply_lag_to_all, bytes_at_once, send_flags
from ngage_core.lifecycle cimport doom, next_request, queue_write, set_blocked, set_deadline
from ngage_core.limits cimport IOVECS_MAX, WRITE_BYTES_PER_TURN
from ngage_core.members cimport S_WAITS, Members, Subscription
from ngage_core.outbox cimport Chunk, Outbox, outbox_consume
from ngage_core.own cimport begin_close
from ngage_core.payload cimport (
    Payload, payload_deflated, payload_plain, payload_release, payload_retain,
)
from ngage_core.rung cimport has_rungs
from ngage_core.shard cimport Shard, give_outbox
from ngage_core.sysio cimport iovec, sys_shutdown_writes

cdef extern from "ng_plant.h" nogil:
    bint NG_PLANT
    bint NG_PLANT_SWAP
    bint ng_plant_due(uint64_t deliveries)

cdef enum PieceKind:
    PIECE_PARTIAL = 0
    PIECE_OWN = 1
    PIECE_PREAMBLE = 2
    PIECE_PUBLICATION = 3


cdef struct Piece:
    int kind
    bint deflated
    Payload *payload
    Subscription *subscription
    uint32_t version  # of a preamble


cdef struct Gathered:
    size_t count
    uint64_t bytes
    int flags
    iovec parts[IOVECS_MAX]
    Piece pieces[IOVECS_MAX]


cdef inline bint has_deflated(const Conn *conn, const Payload *payload) noexcept nogil:
    return conn.flags & F_SHARED_DEFLATE and payload.deflated_bytes != 0


cdef inline void gather(
    Gathered *all, int kind, uint8_t *data, uint64_t size, Payload *payload, bint deflated,
    Subscription *subscription,
) noexcept nogil:
    all.parts[all.count].iov_base = data
    all.parts[all.count].iov_len = size
    all.pieces[all.count].kind = kind
    all.pieces[all.count].deflated = deflated
    all.pieces[all.count].payload = payload
    all.pieces[all.count].subscription = subscription
    all.count += 1
    all.bytes += size


cdef inline void gather_payload(
    Gathered *all, int kind, const Conn *conn, Payload *payload, Subscription *subscription
) noexcept nogil:
    if has_deflated(conn, payload):
        gather(all, kind, payload_deflated(payload), payload.deflated_bytes, payload, True,
               subscription)
    else:
        gather(all, kind, payload_plain(payload), payload.plain_bytes, payload, False, subscription)


cdef inline void gather_partial(Gathered *all, Conn *conn) noexcept nogil:
    cdef bint deflated = (conn.flags & F_PARTIAL_DEFLATED) != 0
    cdef Payload *payload = conn.partial
    if deflated:
        gather(all, PIECE_PARTIAL, payload_deflated(payload) + conn.partial_sent,
               payload.deflated_bytes - conn.partial_sent, payload, True, NULL)
    else:
        gather(all, PIECE_PARTIAL, payload_plain(payload) + conn.partial_sent,
               payload.plain_bytes - conn.partial_sent, payload, False, NULL)


cdef inline void gather_own(Gathered *all, Outbox *outbox) noexcept nogil:
    cdef Chunk *chunk = outbox.first
    while chunk != NULL and all.count < IOVECS_MAX:
        gather(all, PIECE_OWN, chunk.data + chunk.sent, chunk.bytes - chunk.sent, NULL, False, NULL)
        chunk = chunk.next


cdef inline void plant(Gathered *all) noexcept nogil:
    """The bug of a planted build: the last two publications gathered change places, or the first
    of them is left out."""
    cdef size_t last = all.count - 1
    cdef iovec part = all.parts[last - 1]
    if NG_PLANT_SWAP:
        all.parts[last - 1] = all.parts[last]
        all.parts[last] = part
        return
    all.parts[last - 1] = all.parts[last]
    all.pieces[last - 1] = all.pieces[last]
    all.bytes -= part.iov_len
    all.count = last


cdef inline bint ends_here(
    Shard *shard, const Subscription *subscription, const Payload *payload
) noexcept nogil:
    """Whether a write goes no further: who waits is sent only what is independent, and at a sync
    point of a ladder the rung may be another."""
    if subscription.flags & S_WAITS:
        return not payload.independent
    return (payload.sync and payload.offset != subscription.cursor
            and has_rungs(shard.members[subscription.channel].view))


cdef inline void gather_publications(
    Gathered *all, Shard *shard, Conn *conn, Subscription *subscription
) noexcept nogil:
    cdef Members *members = shard.members[subscription.channel]
    cdef Channel *channel = members.channel
    cdef uint64_t most = WRITE_BYTES_PER_TURN
    cdef uint64_t head = ng_load(&channel.head)
    cdef uint64_t offset = subscription.cursor, first
    cdef Payload *payload
    cdef uint32_t version = <uint32_t> ng_load(&channel.preamble_version)
    all.flags |= send_flags(channel)
    if subscription.preamble_seen != version:
        first = ng_load(&channel.preamble_first)
        payload = <Payload *> ng_load_pointer(<void **> &channel.preamble)
        if subscription.preamble_seen and offset < first:
            head = min(head, first)  # what is older goes with the preamble it has
        elif payload != NULL:
            gather_payload(all, PIECE_PREAMBLE, conn, payload, subscription)
            all.pieces[all.count - 1].version = version
        else:
            subscription.preamble_seen = version
    while offset < head and all.count < IOVECS_MAX and all.bytes < most:
        payload = channel_at(channel, offset)
        if payload == NULL or ends_here(shard, subscription, payload):
            return  # overtaken while looking, or for the next round to see about
        if offset == subscription.cursor:
            most = bytes_at_once(shard, subscription, members, payload)
        gather_payload(all, PIECE_PUBLICATION, conn, payload, subscription)
        offset += 1
    if (NG_PLANT and offset > subscription.cursor + 1
            and ng_plant_due(shard.counters.deliveries)):
        plant(all)


# What a write did.

cdef inline void stop_inside(
    Shard *shard, Conn *conn, Payload *payload, bint deflated, uint64_t sent
) noexcept nogil:
    """A short write ended within this frame: hold on to it until it is out."""
    payload_retain(payload)
    conn.partial = payload
    conn.partial_sent = <uint32_t> sent
    if deflated:
        conn.flags |= F_PARTIAL_DEFLATED
    else:
        conn.flags &= ~F_PARTIAL_DEFLATED


cdef inline void consume_partial(Conn *conn, uint64_t sent, bint whole) noexcept nogil:
    if whole:
        payload_release(conn.partial)
        conn.partial = NULL
        conn.partial_sent = 0
    else:
        conn.partial_sent += <uint32_t> sent


cdef inline void consume(Shard *shard, Conn *conn, Gathered *all, uint64_t sent) noexcept nogil:
    cdef size_t i
    cdef uint64_t taken
    cdef Piece *piece
    for i in range(all.count):
        if sent == 0:
            return
        piece = &all.pieces[i]
        taken = min(sent, <uint64_t> all.parts[i].iov_len)
        sent -= taken
        if piece.kind == PIECE_OWN:
            outbox_consume(conn.outbox, taken)
            continue
        if piece.kind == PIECE_PARTIAL:
            consume_partial(conn, taken, taken == all.parts[i].iov_len)
            continue
        if piece.kind == PIECE_PREAMBLE:
            piece.subscription.preamble_seen = piece.version
        else:
            piece.subscription.cursor = piece.payload.offset + 1
            shard.counters.deliveries += 1
        if taken < all.parts[i].iov_len:
            stop_inside(shard, conn, piece.payload, piece.deflated, taken)


cdef inline void write_failed(Shard *shard, uint32_t index, int64_t status) noexcept nogil:
    if status == -EAGAIN:
        set_blocked(shard, &shard.slab.conns[index], True)
    elif status == -ENOBUFS or status == -ENOMEM:
        # The kernel is short of memory, not the socket: no edge will come, so ask again.
        shard.counters.write_retries += 1
        shard.retry_soon = True
        queue_write(shard, index)
    else:
        doom(shard, index)


cdef inline bint is_behind(Shard *shard, const Conn *conn) noexcept nogil:
    cdef uint32_t item = conn.subscription
    cdef Subscription *subscription
    cdef Channel *channel
    if conn.partial != NULL or conn.outbox != NULL:
        return True
    while item != <uint32_t> NONE:
        subscription = &shard.subscriptions.items[item]
        channel = shard.members[subscription.channel].channel
        if (subscription.cursor < ng_load(&channel.head)
                or subscription.preamble_seen != <uint32_t> ng_load(&channel.preamble_version)):
            return True
        item = subscription.next
    return False


cdef inline void after_write(Shard *shard, uint32_t index) noexcept nogil:
    """What was waiting for the socket to have everything."""
    cdef Conn *conn = &shard.slab.conns[index]
    if conn.outbox != NULL and conn.outbox.first == NULL:
        give_outbox(shard, conn.outbox)
        conn.outbox = NULL
    if conn.state == CONN_OPEN and is_behind(shard, conn):
        if not conn.flags & F_BLOCKED:
            queue_write(shard, index)
    elif conn.flags & F_CLOSE_WHEN_SENT and conn.state == CONN_OPEN:
        conn.flags &= ~F_CLOSE_WHEN_SENT
        begin_close(shard, index, shard.drain.code, payload_plain(shard.drain.reason),
                    shard.drain.reason.plain_bytes)
    elif conn.flags & F_SHUT_WHEN_SENT and conn.partial == NULL and conn.outbox == NULL:
        conn.flags &= ~F_SHUT_WHEN_SENT
        conn.state = CONN_LINGER
        set_deadline(shard, index, shard.hub.options.close_timeout_ms)
        if conn.flags & F_PEER_DONE or sys_shutdown_writes(conn.fd) < 0:
            doom(shard, index)
    elif conn.state == CONN_ANSWERING and conn.outbox == NULL:
        next_request(shard, index)
    elif conn.outbox != NULL and not conn.flags & F_BLOCKED:
        queue_write(shard, index)


cdef inline void write_conn(Shard *shard, uint32_t index) noexcept nogil:
    """Send what waits for this socket, once."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef Gathered all
    cdef Subscription *subscription
    cdef uint32_t item
    cdef int64_t sent
    if conn.state == CONN_FREE or conn.state == CONN_DOOMED or conn.flags & F_BLOCKED:
        return
    if conn.state == CONN_OPEN:
        apply_lag_to_all(shard, index)
    all.count = 0
    all.bytes = 0
    all.flags = 0
    if conn.partial != NULL:
        gather_partial(&all, conn)
    if conn.outbox != NULL:
        gather_own(&all, conn.outbox)
    item = conn.subscription
    while item != <uint32_t> NONE and all.count + 1 < IOVECS_MAX:
        subscription = &shard.subscriptions.items[item]
        gather_publications(&all, shard, conn, subscription)
        item = subscription.next
    if all.count:
        sent = shard.ops.send_parts(shard.poller, conn.fd, all.parts, all.count, all.flags)
        if sent < 0:
            write_failed(shard, index, sent)
            return
        shard.counters.sends += 1
        shard.counters.sent_bytes += <uint64_t> sent
        consume(shard, conn, &all, <uint64_t> sent)
        if <uint64_t> sent < all.bytes:
            shard.counters.short_writes += 1
            set_blocked(shard, conn, True)
    after_write(shard, index)

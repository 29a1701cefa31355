"""What happens by itself: deadlines, pings, readers that wait, the paced drain.

A ping is spared when TCP says that the peer acknowledged data within the interval: then it is
alive, and whatever stands between has seen payload. Late by a whole suspension of the host
(SIGSTOP, a paused guest), deadlines are judged only after what had arrived meanwhile is read,
since the poller comes before the timers in a turn.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t

from ngage_core.answer cimport end_after_answer, refuse
from ngage_core.client cimport client_due_ms
from ngage_core.codes cimport CLOSE_NO_PONG, CLOSE_POLICY, OP_PING
from ngage_core.conn cimport (
    CONN_ANSWERING, CONN_CLOSING, CONN_DOOMED, CONN_FREE, CONN_HEAD, CONN_OPEN, CONN_WAITING,
    F_CLOSE_WHEN_SENT, F_PAUSED, F_PINGED, F_SHUT_WHEN_SENT, KIND_CLIENT, NONE, Conn,
)
from ngage_core.frame cimport FIN
from ngage_core.lifecycle cimport (
    doom, ping_interval_ms, queue_read, queue_write, set_deadline, set_ping_deadline,
)
from ngage_core.limits cimport DRAIN_STEP_MS, WHEEL_SLOTS, WHEEL_TICK_MS
from ngage_core.message cimport fail
from ngage_core.own cimport begin_close, own_room
from ngage_core.payload cimport Payload, payload_release
from ngage_core.shard cimport Shard, list_add
from ngage_core.sysio cimport sys_tcp_info, tcp_info
from ngage_core.wheel cimport tick_of, tick_passed, ticks_of, wheel_add, wheel_remove


cdef inline bint recently_acknowledged(const Conn *conn, uint64_t within_ms) noexcept nogil:
    cdef tcp_info info
    if sys_tcp_info(conn.fd, &info) < 0:
        return False
    return info.tcpi_last_data_sent < within_ms and info.tcpi_last_ack_recv < within_ms


cdef inline void ping(Shard *shard, uint32_t index) noexcept nogil:
    cdef uint8_t *room = own_room(shard, index, 2)
    if room != NULL:
        room[0] = FIN | OP_PING
        room[1] = 0
        shard.slab.conns[index].flags |= F_PINGED
        shard.slab.conns[index].pinged_tick = tick_of(shard.now_ms)
        shard.counters.pings_sent += 1
        set_deadline(shard, index, shard.hub.options.pong_timeout_ms)


cdef inline uint64_t message_time_left(Shard *shard, const Conn *conn) noexcept nogil:
    """Until the unfinished message is over its time; a long way off if there is none."""
    cdef uint64_t due
    if conn.inbound == NULL or conn.inbound.since_ms == 0:
        return 3600000
    due = conn.inbound.since_ms + shard.hub.options.message_timeout_ms
    return due - shard.now_ms if due > shard.now_ms else 0


cdef inline void open_deadline(Shard *shard, uint32_t index) noexcept nogil:
    """A WebSocket's deadline came round: look which of its clocks, if any, has run out."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef uint32_t now = tick_of(shard.now_ms)
    cdef uint64_t interval = ping_interval_ms(shard)
    cdef uint64_t message_left = message_time_left(shard, conn)
    cdef uint64_t quiet = <uint64_t> (now - conn.heard_tick) * WHEEL_TICK_MS
    if message_left == 0:
        fail(shard, index, CLOSE_POLICY)
        return
    if conn.kind == KIND_CLIENT:
        interval = client_due_ms(shard, index)
        if interval:
            set_deadline(shard, index, min(message_left, interval))
        return
    if interval == 0:
        set_deadline(shard, index, message_left)
        return
    if conn.flags & F_PINGED and not tick_passed(conn.pinged_tick, conn.heard_tick):
        if now - conn.pinged_tick >= ticks_of(shard.hub.options.pong_timeout_ms):
            shard.counters.no_pong_closed += 1
            begin_close(shard, index, CLOSE_NO_PONG, <const uint8_t *> b"no pong", 7)
        else:
            set_deadline(shard, index, min(message_left, <uint64_t> WHEEL_TICK_MS))
        return
    conn.flags &= ~F_PINGED
    if quiet >= interval and not recently_acknowledged(conn, interval):
        ping(shard, index)
        return
    if quiet >= interval:
        shard.counters.pings_spared += 1
        quiet = 0
    if message_left < interval - quiet:
        set_deadline(shard, index, message_left)
    else:
        set_ping_deadline(shard, index, interval - quiet)


cdef inline bint is_idle(const Shard *shard, uint32_t index) noexcept nogil:
    """Between two requests."""
    return (shard.slab.conns[index].state == CONN_HEAD and shard.slab.conns[index].inbound == NULL
            and shard.slab.colds[index].rate_messages != 0)


cdef inline void deadline_came(Shard *shard, uint32_t index) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    if is_idle(shard, index):
        end_after_answer(shard, index)
    elif conn.state == CONN_HEAD:
        shard.counters.handshake_timeouts += 1
        refuse(shard, index, 408, b"the request took too long")
    elif conn.state == CONN_OPEN:
        open_deadline(shard, index)
    elif conn.state == CONN_WAITING:
        shard.counters.http_wait_timeouts += 1
        refuse(shard, index, 503, b"what was asked for has not come")
    elif (conn.state == CONN_ANSWERING or conn.flags & F_SHUT_WHEN_SENT) and recently_acknowledged(
            conn, shard.hub.options.close_timeout_ms):
        set_deadline(shard, index, shard.hub.options.close_timeout_ms)  # a long answer, arriving
    else:
        doom(shard, index)


cdef inline void turn_wheel(Shard *shard) noexcept nogil:
    """Every deadline up to now. Each list is taken off first, since its members are put back."""
    cdef uint32_t now = tick_of(shard.now_ms), index, following, done = 0
    while tick_passed(shard.wheel.tick, now) and done < WHEEL_SLOTS:
        index = shard.wheel.slots[shard.wheel.tick & (WHEEL_SLOTS - 1)]
        shard.wheel.tick += 1
        done += 1
        while index != <uint32_t> NONE:
            following = shard.slab.conns[index].deadline.next
            if tick_passed(shard.slab.conns[index].deadline.tick, now):
                wheel_remove(&shard.wheel, index)
                # Linked again at once, a tick ahead, so that whoever moves it finds it linked.
                wheel_add(&shard.wheel, index, now + 1)
                deadline_came(shard, index)
            index = following
    if tick_passed(shard.wheel.tick, now):
        shard.wheel.tick = now + 1


cdef inline void try_paused(Shard *shard) noexcept nogil:
    """Read again where the reason to wait has passed."""
    cdef uint32_t count = shard.paused.count, i, index
    cdef uint32_t second = <uint32_t> (shard.now_ms // 1000)
    cdef Conn *conn
    shard.paused.count = 0
    for i in range(count):
        index = shard.paused.items[i]
        conn = &shard.slab.conns[index]
        if (conn.state == CONN_OPEN and shard.slab.colds[index].rate_second == second
                and shard.slab.colds[index].rate_bytes
                > shard.hub.options.inbound_bytes_per_second):
            list_add(&shard.paused, index)
            continue
        conn.flags &= ~F_PAUSED
        if conn.state != CONN_FREE and conn.state != CONN_DOOMED:
            queue_read(shard, index)


# The drain.

cdef inline void close_when_sent(Shard *shard, uint32_t index) noexcept nogil:
    """Close after everything published so far is out; the deadline bounds a slow reader's."""
    cdef Conn *conn = &shard.slab.conns[index]
    if conn.state == CONN_OPEN:
        conn.flags |= F_CLOSE_WHEN_SENT
        queue_write(shard, index)
    elif conn.state == CONN_ANSWERING:
        conn.state = CONN_CLOSING
        conn.flags |= F_SHUT_WHEN_SENT
    elif is_idle(shard, index):
        end_after_answer(shard, index)
    else:
        refuse(shard, index, 503, b"this server is going away")


cdef inline void drain_begin(
    Shard *shard, int code, Payload *reason, uint64_t milliseconds
) noexcept nogil:
    """Spread over the time, but not slower than a thousand a second in all shards together."""
    cdef uint64_t steps = milliseconds // DRAIN_STEP_MS + 1
    cdef uint64_t least = 1000 // (1000 // DRAIN_STEP_MS) // shard.hub.options.shards + 1
    cdef uint64_t per_step = shard.slab.used // steps + 1
    if shard.drain.on:
        payload_release(shard.drain.reason)
    shard.drain.on = True
    shard.drain.code = code
    shard.drain.reason = reason
    shard.drain.next = 0
    shard.drain.due_ms = shard.now_ms
    shard.drain.per_step = <uint32_t> (per_step if per_step > least else least)


cdef inline void drain_step(Shard *shard) noexcept nogil:
    """Every step that is due: a busy host comes late to one, and must not be late in all."""
    cdef uint32_t closed, index
    while shard.now_ms >= shard.drain.due_ms and drain_unfinished(shard):
        shard.drain.due_ms += DRAIN_STEP_MS
        closed = 0
        while drain_unfinished(shard) and closed < shard.drain.per_step:
            index = shard.drain.next
            shard.drain.next += 1
            if shard.slab.conns[index].state in (
                    CONN_HEAD, CONN_OPEN, CONN_WAITING, CONN_ANSWERING):
                close_when_sent(shard, index)
                closed += 1


cdef inline bint drain_unfinished(const Shard *shard) noexcept nogil:
    return shard.drain.on and shard.drain.next < shard.slab.touched

"""The shard's part of the client protocol (Centrifugo's, JSON): liveness and subscriptions.

What a client says goes to the control plane, which knows tokens and permissions and answers through
the commands here. Two things it could not do as well: pings, which are the same for everybody, and
the answer to who comes back. That has the publications that were missed in it, which are parts of
what the log holds anyway, so the answer refers to them and copies none.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strlen

from ngage_core.atomic cimport ng_load
from ngage_core.channel cimport Channel, channel_at
from ngage_core.codes cimport (
    CLOSE_EXPIRED, CLOSE_INSUFFICIENT_STATE, CLOSE_NO_PONG, CLOSE_STALE, OP_TEXT,
)
from ngage_core.conn cimport F_PAUSED, F_PINGED, F_RESUME, NONE, Conn
from ngage_core.frame cimport FIN, header_bytes, write_header
from ngage_core.identity cimport Identity
from ngage_core.lifecycle cimport (
    identify, identity_of, queue_write, set_deadline, spread_ms, subscribe, subscription_to,
    unsubscribe,
)
from ngage_core.limits cimport (
    EXPIRY_GRACE_S, RECOVERED_MAX, RECOVERED_ON_TOP_MAX, SUBSCRIPTIONS_PER_CONNECTION,
    WHEEL_TICK_MS,
)
from ngage_core.members cimport Subscription
from ngage_core.own cimport begin_close, is_too_slow, own_room, own_share
from ngage_core.payload cimport Payload, payload_plain, payload_release, payload_retain
from ngage_core.ring cimport Command
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport sys_unix_s
from ngage_core.wheel cimport tick_of, tick_passed, ticks_of

cdef enum:
    PUSH_TAIL_BYTES = 2  # the }} behind the publication in a push
    MISSED_MAX = RECOVERED_MAX + RECOVERED_ON_TOP_MAX


# What a client missed, found before it is told so: the log moves on meanwhile.
cdef struct Missed:
    Payload *pushes[MISSED_MAX]
    uint64_t count
    uint64_t bytes  # of the publications in them


# Pings: an empty JSON object, which the client sends back.

cdef inline bint is_client_pong(const uint8_t *data, uint64_t size) noexcept nogil:
    return size == 2 and data[0] == 123 and data[1] == 125


cdef inline void client_ping(Shard *shard, uint32_t index) noexcept nogil:
    cdef uint8_t *room = own_room(shard, index, 4)
    if room != NULL:
        room[0] = FIN | OP_TEXT
        room[1] = 2
        room[2] = 123
        room[3] = 125
        shard.slab.conns[index].flags |= F_PINGED
        shard.slab.conns[index].pinged_tick = tick_of(shard.now_ms)
        shard.counters.pings_sent += 1


cdef inline uint64_t client_interval_ms(const Shard *shard) noexcept nogil:
    """Between pings, or where there are none between two looks at a token's end."""
    return shard.hub.options.client_ping_ms or EXPIRY_GRACE_S * 1000


cdef inline void spread_client_pings(Shard *shard, uint32_t index) noexcept nogil:
    """As if it had been pinged some part of the interval ago."""
    cdef uint64_t passed = spread_ms(index, client_interval_ms(shard))
    shard.slab.conns[index].flags &= ~F_PINGED
    shard.slab.conns[index].pinged_tick = tick_of(shard.now_ms) - ticks_of(passed)


cdef inline uint64_t ping_due_ms(Shard *shard, uint32_t index) noexcept nogil:
    """Ping, or judge by the pong, if it is time; until the next. 0: it was closed.

    A ping is never spared and comes at the interval it was told: some SDKs count nothing else as a
    sign of life.
    """
    cdef Conn *conn = &shard.slab.conns[index]
    cdef uint64_t interval = client_interval_ms(shard), left
    cdef uint64_t pong_ms = min(<uint64_t> shard.hub.options.pong_timeout_ms, interval)
    cdef uint32_t now = tick_of(shard.now_ms)
    cdef uint64_t since = <uint64_t> (now - conn.pinged_tick) * WHEEL_TICK_MS
    if not conn.flags & F_PINGED or tick_passed(conn.pinged_tick, conn.heard_tick):
        conn.flags &= ~F_PINGED
        left = interval
    elif conn.flags & (F_PAUSED | F_RESUME):
        left = WHEEL_TICK_MS  # its pong may be among what is not read yet
    elif since < pong_ms:
        left = pong_ms - since
    else:
        shard.counters.no_pong_closed += 1
        begin_close(shard, index, CLOSE_NO_PONG, <const uint8_t *> b"no pong", 7)
        return 0
    if since < interval:
        return min(interval - since, left)
    if shard.hub.options.client_ping_ms == 0:
        conn.pinged_tick = now
        return interval
    client_ping(shard, index)
    return pong_ms


cdef inline uint64_t expiry_due_ms(const Identity *identity) noexcept nogil:
    """Until the client is closed because its token has ended."""
    cdef uint64_t now_s, end_s = <uint64_t> identity.expires_s + EXPIRY_GRACE_S
    if identity.expires_s == 0:
        return 3600000
    now_s = sys_unix_s()
    return (end_s - now_s) * 1000 if now_s < end_s else 0


cdef inline uint64_t client_due_ms(Shard *shard, uint32_t index) noexcept nogil:
    """A client's deadline came round, or that of a message: what is due is done; until the next. 0:
    it was closed."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef Identity *identity = identity_of(shard, index)
    cdef uint32_t now = tick_of(shard.now_ms)
    cdef uint64_t left
    if identity == NULL:
        if not tick_passed(conn.pinged_tick, now):
            return <uint64_t> (conn.pinged_tick - now) * WHEEL_TICK_MS
        begin_close(shard, index, CLOSE_STALE, <const uint8_t *> b"stale", 5)
        return 0
    left = expiry_due_ms(identity)
    if left == 0:
        shard.counters.expired_closed += 1
        begin_close(shard, index, CLOSE_EXPIRED, <const uint8_t *> b"connection expired", 18)
        return 0
    return min(left, ping_due_ms(shard, index))


# Commands of the control plane about a client.

cdef inline void command_identify(
    Shard *shard, uint32_t index, const Command *command
) noexcept nogil:
    cdef bint known = identity_of(shard, index) != NULL
    if not identify(shard, index, command.number, command.id, command.payload):
        begin_close(shard, index, CLOSE_INSUFFICIENT_STATE, NULL, 0)
        return
    if not known:
        spread_client_pings(shard, index)
    set_deadline(shard, index, WHEEL_TICK_MS)  # all deadlines are looked at anew


cdef inline void answer_error(
    Shard *shard, uint32_t index, uint32_t id, uint32_t code, const char *message
) noexcept nogil:
    cdef char text[128]
    cdef int size = snprintf(
        text, sizeof(text), b"{\"id\":%u,\"error\":{\"code\":%u,\"message\":\"%s\"}}", id, code,
        message)
    cdef uint8_t *room = own_room(shard, index, header_bytes(<uint64_t> size) + <size_t> size)
    if room != NULL:
        room += write_header(room, FIN | OP_TEXT, <uint64_t> size)
        memcpy(room, text, <size_t> size)


cdef inline bint own_text(Shard *shard, uint32_t index, const char *text) noexcept nogil:
    cdef size_t size = strlen(text)
    cdef uint8_t *room = own_room(shard, index, size)
    if room != NULL:
        memcpy(room, text, size)
    return room != NULL


cdef inline uint32_t publication_bytes(const Channel *log, const Payload *push) noexcept nogil:
    return push.plain_bytes - push.head_bytes - log.push_head_bytes - PUSH_TAIL_BYTES


cdef inline bint find_missed(
    Channel *log, uint64_t first, uint64_t head, Missed *missed
) noexcept nogil:
    """False: they are not all there."""
    cdef uint64_t offset
    missed.count = 0
    missed.bytes = 0
    if head - first > <uint64_t> MISSED_MAX:
        return False
    for offset in range(first, head):
        missed.pushes[missed.count] = channel_at(log, offset)
        if missed.pushes[missed.count] == NULL:
            return False
        missed.bytes += publication_bytes(log, missed.pushes[missed.count])
        missed.count += 1
    return True


cdef inline bint own_missed(
    Shard *shard, uint32_t index, const Channel *log, const Missed *missed
) noexcept nogil:
    """As a JSON array's members. False: the connection is doomed."""
    cdef uint64_t i
    cdef Payload *push
    for i in range(missed.count):
        push = missed.pushes[i]
        if i and not own_text(shard, index, b","):
            return False
        payload_retain(push)
        if not own_share(shard, index, push, push.head_bytes + log.push_head_bytes,
                         publication_bytes(log, push), True):
            return False
    return True


cdef inline void answer_subscribed(
    Shard *shard, uint32_t index, const Channel *log, const Command *command, const Missed *missed
) noexcept nogil:
    """{"id":ID,"subscribe":{RESULT,"publications":[...]}}; the result's members are the control
    plane's."""
    cdef char opening[48]
    cdef const char *before = b",\"publications\":["
    cdef const char *ending = b"]}}" if missed.count else b"}}"
    cdef Payload *result = command.payload
    cdef size_t open_bytes = <size_t> snprintf(
        opening, sizeof(opening), b"{\"id\":%u,\"subscribe\":{", command.id)
    cdef uint64_t size = open_bytes + result.plain_bytes + strlen(ending)
    cdef uint8_t *room
    if missed.count:
        size += strlen(before) + missed.bytes + missed.count - 1
    room = own_room(shard, index, header_bytes(size) + open_bytes + result.plain_bytes)
    if room == NULL:
        return
    room += write_header(room, FIN | OP_TEXT, size)
    memcpy(room, opening, open_bytes)
    memcpy(room + open_bytes, payload_plain(result), result.plain_bytes)
    if missed.count:
        shard.counters.recovered_publications += missed.count
        if not own_text(shard, index, before) or not own_missed(shard, index, log, missed):
            return
    own_text(shard, index, ending)


cdef inline uint32_t count_subscriptions(const Shard *shard, uint32_t index) noexcept nogil:
    cdef uint32_t item = shard.slab.conns[index].subscription, count = 0
    while item != <uint32_t> NONE:
        count += 1
        item = shard.subscriptions.items[item].next
    return count


cdef inline void command_subscribe(
    Shard *shard, uint32_t index, const Command *command
) noexcept nogil:
    """From offset `number` on; if it recovers, with what there is by now in the answer. One of id 0
    is the control plane's own doing, which tells of it elsewhere."""
    cdef Channel *log = shard.hub.channels[command.code]
    cdef uint64_t head = ng_load(&log.head) if command.recovers else command.number
    cdef Subscription *subscription
    cdef Missed missed
    if is_too_slow(shard, index, command.payload.plain_bytes):
        return
    if subscription_to(shard, index, log.id) != <uint32_t> NONE:
        answer_error(shard, index, command.id, 105, b"already subscribed")
    elif count_subscriptions(shard, index) >= SUBSCRIPTIONS_PER_CONNECTION:
        answer_error(shard, index, command.id, 106, b"limit exceeded")
    elif not find_missed(log, command.number, head, &missed):
        # It has left the log since the control plane looked: the client is to ask anew.
        begin_close(shard, index, CLOSE_INSUFFICIENT_STATE,
                    <const uint8_t *> b"insufficient state", 18)
    else:
        subscription = subscribe(shard, index, log)
        if subscription == NULL:
            answer_error(shard, index, command.id, 100, b"internal server error")
            return
        subscription.cursor = head
        if command.id:
            answer_subscribed(shard, index, log, command, &missed)
        elif head < ng_load(&log.head):
            queue_write(shard, index)  # the sweep may have been there already


cdef inline void command_unsubscribe(
    Shard *shard, uint32_t index, const Command *command
) noexcept nogil:
    cdef uint32_t item = subscription_to(shard, index, <uint32_t> command.code)
    if item != <uint32_t> NONE:
        unsubscribe(shard, index, item)

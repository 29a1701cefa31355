"""How a connection begins, what it is a member of, and how its slot comes back.

Nobody closes a socket in the middle of a turn: it is doomed, which every other step respects, and
reaped at the end. So a sweep or a batch of ready events never meets a slot that changed hands.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, memset

from ngage_core.atomic cimport ng_add, ng_load, ng_store_pointer, ng_sub
from ngage_core.channel cimport Channel
from ngage_core.conn cimport (
    CONN_DOOMED, CONN_FREE, CONN_HEAD, CONN_OPEN, F_BLOCKED, F_PEER_DONE, F_PAUSED, F_QUEUED,
    F_RESUME, F_SHARED_DEFLATE, NONE, Conn, ConnCold, handle_generation, handle_index, is_websocket,
    slab_give, slab_take,
)
from ngage_core.identity cimport NO_IDENTITY, Identity, identity_give, identity_take
from ngage_core.limits cimport PING_STEP_TICKS, SUBSCRIPTIONS_PER_CONNECTION, WHEEL_TICK_MS
from ngage_core.members cimport (
    Members, Subscription, members_join, members_leave, subscription_give, subscription_take,
)
from ngage_core.payload cimport Payload, payload_release
from ngage_core.presence cimport presence_join, presence_key, presence_leave
from ngage_core.shard cimport Shard, give_inbound, give_outbox, list_add
from ngage_core.sysio cimport sys_close
from ngage_core.waiters cimport NO_WAITER, waiter_leave
from ngage_core.wheel cimport tick_of, ticks_of, wheel_add, wheel_move, wheel_remove


cdef inline void set_deadline(Shard *shard, uint32_t index, uint64_t in_ms) noexcept nogil:
    wheel_move(&shard.wheel, index, tick_of(shard.now_ms) + ticks_of(in_ms))


cdef inline uint64_t ping_interval_ms(const Shard *shard) noexcept nogil:
    """Longer for a crowd that pings_per_second would not reach within the interval; 0: no pings.

    A ping and its pong cost 20 us of CPU (0.067 of a core at 3,333 a second, 200,000 clients), so
    a million idle clients at 25 s would be 0.8 of a core.
    """
    cdef uint64_t interval = shard.hub.options.ping_interval_ms
    cdef uint64_t pings_per_second = shard.hub.options.pings_per_second
    cdef uint64_t clients = <uint64_t> shard.slab.used * shard.hub.options.shards
    if interval == 0 or pings_per_second == 0:
        return interval
    return max(interval, clients * 1000 // pings_per_second)


cdef inline uint64_t spread_ms(uint32_t index, uint64_t interval_ms) noexcept nogil:
    """A part of an interval, for each connection another: whoever joins at one moment is not pinged
    at one, but at the rate that is meant for so many."""
    return <uint64_t> index * <uint64_t> 2654435761 % 1024 * interval_ms // 1024


cdef inline void set_ping_deadline(Shard *shard, uint32_t index, uint64_t in_ms) noexcept nogil:
    """Put off to a moment at which this shard pings others too, by a sixteenth of the interval at
    most."""
    cdef uint32_t tick = tick_of(shard.now_ms) + ticks_of(in_ms)
    cdef uint32_t step = <uint32_t> min(
        <uint64_t> PING_STEP_TICKS, ping_interval_ms(shard) // (16 * WHEEL_TICK_MS) + 1)
    wheel_move(&shard.wheel, index, tick + step - 1 - (tick + shard.number) % step)


cdef inline void queue_write(Shard *shard, uint32_t index) noexcept nogil:
    if not shard.slab.conns[index].flags & F_QUEUED:
        shard.slab.conns[index].flags |= F_QUEUED
        list_add(&shard.writes, index)


cdef inline void queue_read(Shard *shard, uint32_t index) noexcept nogil:
    if not shard.slab.conns[index].flags & F_RESUME:
        shard.slab.conns[index].flags |= F_RESUME
        list_add(&shard.reads, index)


cdef inline void pause_reading(Shard *shard, uint32_t index) noexcept nogil:
    """Let TCP push back until the paused list is looked at again."""
    if not shard.slab.conns[index].flags & F_PAUSED:
        shard.slab.conns[index].flags |= F_PAUSED
        list_add(&shard.paused, index)


cdef inline uint32_t conn_open(
    Shard *shard, int fd, const uint8_t *address, uint8_t kind
) noexcept nogil:
    """A slot for an accepted socket, with the handshake's absolute deadline; NONE: slab full."""
    cdef uint32_t index = slab_take(&shard.slab)
    cdef Conn *conn
    if index == <uint32_t> NONE:
        return index
    conn = &shard.slab.conns[index]
    conn.fd = fd
    conn.state = CONN_HEAD
    conn.kind = kind
    # A list may still hold this slot for its last tenant: those flags say so and stay.
    conn.flags &= F_PAUSED | F_QUEUED | F_RESUME
    conn.subscription = <uint32_t> NONE
    conn.heard_tick = tick_of(shard.now_ms)
    conn.partial = NULL
    conn.partial_sent = 0
    conn.inbound = NULL
    conn.outbox = NULL
    memset(&shard.slab.colds[index], 0, sizeof(shard.slab.colds[index]))
    memcpy(shard.slab.colds[index].address, address, 16)
    wheel_add(&shard.wheel, index,
              tick_of(shard.now_ms) + ticks_of(shard.hub.options.handshake_timeout_ms))
    shard.counters.connections += 1
    return index


cdef inline bint find_open(const Shard *shard, uint64_t handle, uint32_t *index) noexcept nogil:
    """The slot of an open WebSocket, if the same client is still in it."""
    index[0] = handle_index(handle)
    return (index[0] < shard.slab.touched
            and shard.slab.conns[index[0]].state == CONN_OPEN
            and shard.slab.conns[index[0]].generation == handle_generation(handle))


# Who it is, and whether it counts as a viewer of a channel.

cdef inline Identity *identity_of(Shard *shard, uint32_t index) noexcept nogil:
    """Of a WebSocket. NULL: it has not said."""
    cdef uint32_t item = shard.slab.colds[index].record
    return NULL if item == <uint32_t> NO_IDENTITY else &shard.identities.items[item]


cdef inline bint identify(
    Shard *shard, uint32_t index, uint64_t voter, uint32_t expires_s, Payload *about
) noexcept nogil:
    """Takes the reference to `about` over. Who is known already stays the same voter. False: no
    record is left."""
    cdef ConnCold *cold = &shard.slab.colds[index]
    cdef Identity *identity
    if cold.record == <uint32_t> NO_IDENTITY:
        cold.record = identity_take(&shard.identities)
        if cold.record == <uint32_t> NO_IDENTITY:
            if about != NULL:
                payload_release(about)
            return False
        shard.identities.items[cold.record].voter = voter
    identity = &shard.identities.items[cold.record]
    if identity.about != NULL:
        payload_release(identity.about)
    identity.about = about
    identity.expires_s = expires_s
    return True


cdef inline void forget_identity(Shard *shard, uint32_t index) noexcept nogil:
    cdef ConnCold *cold = &shard.slab.colds[index]
    if cold.record != <uint32_t> NO_IDENTITY:
        identity_give(&shard.identities, cold.record)
        cold.record = <uint32_t> NO_IDENTITY


cdef inline void count_viewer(
    Shard *shard, uint32_t index, Channel *log, bint joins
) noexcept nogil:
    """Somebody joins a counted channel, or leaves it. A monitor is a voter of number 0. NULL: it is
    not counted."""
    cdef Identity *identity = identity_of(shard, index)
    cdef uint64_t *counted
    if log == NULL:
        return
    counted = &log.unnamed
    if identity != NULL and identity.voter == 0:
        counted = &log.monitors
    elif identity != NULL:
        counted = &log.unique
        if joins and not presence_join(
                &shard.hub.presence, presence_key(identity.voter, log.id)):
            return
        if not joins and not presence_leave(
                &shard.hub.presence, presence_key(identity.voter, log.id)):
            return
    if joins:
        ng_add(counted, 1)
    else:
        ng_sub(counted, 1)


# What it is a member of.

cdef inline Members *members_of(Shard *shard, Channel *channel) noexcept nogil:
    """This shard's side of a channel, made when first needed; NULL: no memory."""
    cdef Members *members = shard.members[channel.id]
    if members == NULL:
        members = <Members *> calloc(1, sizeof(Members))
        if members != NULL:
            members.channel = channel.log
            members.view = channel
            members.swept_head = ng_load(&channel.log.head)
            ng_store_pointer(<void **> &shard.members[channel.id], members)
    return members


cdef inline Subscription *subscribe(Shard *shard, uint32_t index, Channel *channel) noexcept nogil:
    """Make the connection a member; the caller sets the cursor. NULL: too many, or no memory."""
    cdef Conn *conn = &shard.slab.conns[index]
    cdef Members *members = members_of(shard, channel)
    cdef uint32_t item, count = 0
    cdef Subscription *subscription
    item = conn.subscription
    while item != <uint32_t> NONE:
        count += 1
        item = shard.subscriptions.items[item].next
    if members == NULL or count >= SUBSCRIPTIONS_PER_CONNECTION:
        return NULL
    item = subscription_take(&shard.subscriptions)
    if item == <uint32_t> NONE:
        return NULL
    if not members_join(members, &shard.subscriptions, item):
        subscription_give(&shard.subscriptions, item)
        return NULL
    subscription = &shard.subscriptions.items[item]
    subscription.cursor = ng_load(&channel.log.head)
    subscription.conn = index
    subscription.channel = <uint16_t> channel.id
    subscription.flags = 0
    subscription.preamble_seen = 0
    subscription.since_ms = <uint32_t> shard.now_ms
    subscription.next = conn.subscription
    conn.subscription = item
    shard.counters.subscriptions += 1
    count_viewer(shard, index, channel.viewers, True)
    return subscription


cdef inline uint32_t subscription_to(
    Shard *shard, uint32_t index, uint32_t channel
) noexcept nogil:
    """NONE: it has none."""
    cdef uint32_t item = shard.slab.conns[index].subscription
    while item != <uint32_t> NONE and shard.subscriptions.items[item].channel != channel:
        item = shard.subscriptions.items[item].next
    return item


cdef inline void end_subscription(Shard *shard, uint32_t index, uint32_t item) noexcept nogil:
    """Taken off the channel; the caller takes it off the connection's list."""
    cdef Members *members = shard.members[shard.subscriptions.items[item].channel]
    count_viewer(shard, index, members.view.viewers, False)
    members_leave(members, &shard.subscriptions, item)
    subscription_give(&shard.subscriptions, item)
    shard.counters.subscriptions -= 1


cdef inline void unsubscribe(Shard *shard, uint32_t index, uint32_t item) noexcept nogil:
    cdef uint32_t *link = &shard.slab.conns[index].subscription
    while link[0] != item:
        link = &shard.subscriptions.items[link[0]].next
    link[0] = shard.subscriptions.items[item].next
    end_subscription(shard, index, item)


cdef inline void unsubscribe_all(Shard *shard, uint32_t index) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    cdef uint32_t item = conn.subscription, following
    while item != <uint32_t> NONE:
        following = shard.subscriptions.items[item].next
        end_subscription(shard, index, item)
        item = following
    conn.subscription = <uint32_t> NONE


cdef inline void set_blocked(Shard *shard, Conn *conn, bint blocked) noexcept nogil:
    if blocked and not conn.flags & F_BLOCKED:
        conn.flags |= F_BLOCKED
        shard.counters.blocked += 1
    elif not blocked and conn.flags & F_BLOCKED:
        conn.flags &= ~F_BLOCKED
        shard.counters.blocked -= 1


cdef inline void drop_inbound(Shard *shard, Conn *conn) noexcept nogil:
    if conn.inbound != NULL:
        give_inbound(shard, conn.inbound)
        conn.inbound = NULL


cdef inline void wait_no_more(Shard *shard, uint32_t index) noexcept nogil:
    cdef ConnCold *cold = &shard.slab.colds[index]
    if cold.record != NO_WAITER:
        waiter_leave(&shard.waiters, cold.record)
        cold.record = NO_WAITER
        shard.counters.waiting -= 1


cdef inline void next_request(Shard *shard, uint32_t index) noexcept nogil:
    """An answer is out whole. What the client sent meanwhile is read in the next turn."""
    cdef Conn *conn = &shard.slab.conns[index]
    conn.state = CONN_HEAD
    if conn.inbound != NULL or conn.flags & F_PEER_DONE:
        set_deadline(shard, index, shard.hub.options.handshake_timeout_ms)
        queue_read(shard, index)
    else:
        set_deadline(shard, index, shard.hub.options.http_idle_timeout_ms)


cdef inline void doom(Shard *shard, uint32_t index) noexcept nogil:
    """This connection is over. Its slot is freed at the end of the turn."""
    cdef Conn *conn = &shard.slab.conns[index]
    if conn.state == CONN_DOOMED or conn.state == CONN_FREE:
        return
    conn.state = CONN_DOOMED
    list_add(&shard.doomed, index)


cdef inline void reap(Shard *shard) noexcept nogil:
    cdef uint32_t index
    cdef Conn *conn
    while shard.doomed.count:
        shard.doomed.count -= 1
        index = shard.doomed.items[shard.doomed.count]
        conn = &shard.slab.conns[index]
        unsubscribe_all(shard, index)
        if is_websocket(conn):
            shard.counters.websockets -= 1
            forget_identity(shard, index)
        else:
            wait_no_more(shard, index)
        wheel_remove(&shard.wheel, index)
        set_blocked(shard, conn, False)
        drop_inbound(shard, conn)
        if conn.outbox != NULL:
            give_outbox(shard, conn.outbox)
            conn.outbox = NULL
        if conn.partial != NULL:
            payload_release(conn.partial)
            conn.partial = NULL
        if conn.flags & F_SHARED_DEFLATE:
            shard.counters.deflate_clients -= 1
        sys_close(conn.fd)
        conn.fd = -1
        shard.counters.connections -= 1
        slab_give(&shard.slab, index)

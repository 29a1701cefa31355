"""The broadcast: a channel's members are offered what is new, a quantum of sockets at a time.

Each is sent all there is at that moment, so a burst that arrives during a sweep costs the sockets
still to come nothing, and those before it one more send in the sweep that follows. Neighbours are
sent the same bytes, in batches (plan.pxd). Whoever has something of its own to write, or stands
alone at its cursor, goes through write.pxd instead; whoever is blocked is passed over and keeps its
cursor.

Between quanta the poller is asked, so that neither a handshake nor a ping waits for a sweep; and
channels take turns by the quantum, so that a small one does not wait for a large one.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngage_core.atomic cimport ng_load, ng_take_seq
from ngage_core.channel cimport Channel
from ngage_core.codes cimport RELIABLE
from ngage_core.conn cimport CONN_OPEN, F_BLOCKED, F_SHARED_DEFLATE, NONE, Conn
from ngage_core.limits cimport (
    CHANNELS_MAX, CLOSES_PER_STEP, CLOSE_STEP_MS, SWEEP_QUANTUM, SWEEP_VISITS,
)
from ngage_core.lag cimport apply_lag, lags
from ngage_core.members cimport S_WAITS, Members, Subscription
from ngage_core.own cimport begin_close
from ngage_core.payload cimport payload_plain
from ngage_core.plan cimport forget_plans, plan_add, plan_build, plan_send
from ngage_core.platform cimport NG_LOWEST_BIT, NG_PREFETCH
from ngage_core.rung cimport changes_rung
from ngage_core.shard cimport DIRTY_SUMMARY, Plan, Shard
from ngage_core.write cimport write_conn

cdef enum:
    PREFETCH_AHEAD = 16  # members; while a batch fills, a visit is much shorter than a cache miss


cdef inline bint others_idle(const Shard *shard, uint32_t item, uint32_t other) noexcept nogil:
    """Whether nothing waits in the other channels of a connection, whose list begins at `other`."""
    cdef const Subscription *subscription
    cdef Channel *log
    while other != <uint32_t> NONE:
        subscription = &shard.subscriptions.items[other]
        log = shard.members[subscription.channel].channel
        if other != item and (
                subscription.cursor < ng_load(&log.head)
                or subscription.preamble_seen != <uint32_t> ng_load(&log.preamble_version)):
            return False
        other = subscription.next
    return True


cdef inline bint is_plain(const Shard *shard, const Conn *conn, const Members *members,
                          uint32_t item, const Subscription *subscription) noexcept nogil:
    """Whether the channel's bytes are all this socket could be sent."""
    return (conn.state == CONN_OPEN and conn.partial == NULL and conn.outbox == NULL
            and (conn.subscription == item and subscription.next == <uint32_t> NONE
                 or others_idle(shard, item, conn.subscription))
            and not subscription.flags & S_WAITS
            and subscription.preamble_seen == <uint32_t> members.channel.preamble_version)


cdef inline Plan *plan_for(
    Shard *shard, Members *members, const Conn *conn, uint64_t cursor, uint64_t head
) noexcept nogil:
    """The plan from this cursor, built if the member before stood there too: only then is it worth
    its copy. NULL: this member is on its own."""
    cdef bint deflated = (conn.flags & F_SHARED_DEFLATE) != 0
    cdef bint shared = members.last_cursor == cursor
    cdef Plan *plan = &shard.plans[1 if deflated else 0]
    members.last_cursor = cursor
    if plan.members == members and plan.first == cursor and plan.head == head:
        return plan
    if not shared and cursor + 1 != head:
        return NULL
    return plan if plan_build(shard, plan, members, cursor, head, deflated) else NULL


cdef inline bint visit(Shard *shard, Members *members, uint32_t item) noexcept nogil:
    """Offer one member what is new; whether it is sent something, now or with its batch."""
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    cdef uint32_t index = subscription.conn
    cdef Conn *conn = &shard.slab.conns[index]
    cdef uint64_t head = ng_load(&members.channel.head)
    cdef Plan *plan = NULL
    if subscription.cursor >= head:
        return False
    if conn.flags & F_BLOCKED:
        if members.channel.lag == RELIABLE and lags(shard, subscription, members):
            apply_lag(shard, index, subscription, members.channel)
        return False
    if is_plain(shard, conn, members, item, subscription):
        plan = plan_for(shard, members, conn, subscription.cursor, head)
        if plan != NULL and plan.sync and changes_rung(shard, subscription, members.view):
            plan = NULL
    if plan == NULL:
        write_conn(shard, index)
        return True
    plan_add(shard, plan, conn.fd, item)
    return True


cdef inline uint64_t next_sweep_ms(const Shard *shard, const Members *members) noexcept nogil:
    """Now, or the channel's next tick: ticks are aligned, so ticked channels flow together."""
    cdef uint64_t tick = members.view.tick_ms
    return shard.now_ms if tick == 0 else (shard.now_ms // tick + 1) * tick


cdef inline void sweep_begin(Shard *shard, Members *members, uint64_t head) noexcept nogil:
    members.sweeping = True
    members.position = 0
    members.sweep_head = head
    members.due_ms = next_sweep_ms(shard, members)
    shard.counters.sweeps += 1


cdef inline void sweep_end(Members *members) noexcept nogil:
    members.sweeping = False
    members.position = 0
    members.swept_head = members.sweep_head


cdef inline void sweep_quantum(Shard *shard, Members *members) noexcept nogil:
    cdef uint32_t sends = 0, visits = 0, item, ahead
    while members.position < members.count and sends < SWEEP_QUANTUM and visits < SWEEP_VISITS:
        ahead = members.position + PREFETCH_AHEAD
        if ahead + PREFETCH_AHEAD < members.count:
            NG_PREFETCH(&shard.subscriptions.items[members.items[ahead + PREFETCH_AHEAD]])
            NG_PREFETCH(&shard.slab.conns[shard.subscriptions.items[members.items[ahead]].conn])
        item = members.items[members.position]
        members.position += 1
        visits += 1
        sends += visit(shard, members, item)
    plan_send(shard, &shard.plans[0])
    plan_send(shard, &shard.plans[1])
    if members.position >= members.count:
        sweep_end(members)


cdef inline void activate(Shard *shard, Members *members) noexcept nogil:
    if not members.active:
        members.active = True
        shard.active[(shard.active_first + shard.active_count) % CHANNELS_MAX] = members.view.id
        shard.active_count += 1


cdef inline void collect_dirty(Shard *shard) noexcept nogil:
    """Take up the channels in which the publisher left something."""
    cdef uint64_t summary, word
    cdef uint32_t s, w, number
    cdef Members *members
    for s in range(<uint32_t> DIRTY_SUMMARY):
        if ng_load(&shard.dirty_summary[s]) == 0:
            continue
        summary = ng_take_seq(&shard.dirty_summary[s])
        while summary:
            w = s * 64 + NG_LOWEST_BIT(summary)
            summary &= summary - 1
            word = ng_take_seq(&shard.dirty[w])
            while word:
                number = w * 64 + NG_LOWEST_BIT(word)
                word &= word - 1
                members = shard.members[number]
                if members != NULL and not members.active:
                    members.due_ms = next_sweep_ms(shard, members)
                    activate(shard, members)


cdef inline void close_some(Shard *shard, Members *members) noexcept nogil:
    """A step of a paced disconnect, from the youngest down, so that who joins now is not met."""
    cdef uint32_t step = 0
    members.close_due_ms = shard.now_ms + CLOSE_STEP_MS
    while members.closing and step < CLOSES_PER_STEP:
        step += 1
        members.closing -= 1
        if members.closing < members.count:
            begin_close(shard, shard.subscriptions.items[members.items[members.closing]].conn,
                        members.close_code, payload_plain(members.close_reason),
                        members.close_reason.plain_bytes)


cdef inline void serve_channel(Shard *shard, Members *members) noexcept nogil:
    """One quantum for one channel."""
    cdef uint64_t head = ng_load(&members.channel.head)
    if members.closing and shard.now_ms >= members.close_due_ms:
        close_some(shard, members)
    if not members.sweeping and head != members.swept_head and shard.now_ms >= members.due_ms:
        sweep_begin(shard, members, head)
    if members.sweeping:
        sweep_quantum(shard, members)


cdef inline int64_t channel_wait(Shard *shard, const Members *members) noexcept nogil:
    """Milliseconds until the channel wants another quantum: 0 is now, -1 is not at all."""
    cdef int64_t wait = -1, close_wait
    if members.sweeping:
        return 0
    if ng_load(&members.channel.head) != members.swept_head:
        wait = <int64_t> members.due_ms - <int64_t> shard.now_ms
        wait = wait if wait > 0 else 0
    if members.closing:
        close_wait = <int64_t> members.close_due_ms - <int64_t> shard.now_ms
        close_wait = close_wait if close_wait > 0 else 0
        wait = close_wait if wait < 0 or close_wait < wait else wait
    return wait


cdef inline int64_t serve_active(Shard *shard) noexcept nogil:
    """Quanta for the active channels in turn, one quantum's worth of sends in all.

    How long the shard may sleep for their sake: 0 is not at all, -1 as long as it likes.
    """
    cdef uint32_t left = shard.active_count
    cdef uint64_t sends_before = shard.counters.sends
    cdef int64_t wait = -1, channel_wants
    cdef Members *members
    forget_plans(shard)
    while left:
        left -= 1
        members = shard.members[shard.active[shard.active_first]]
        shard.active_first = (shard.active_first + 1) % CHANNELS_MAX
        shard.active_count -= 1
        members.active = False
        if shard.counters.sends - sends_before < SWEEP_QUANTUM:
            serve_channel(shard, members)
        channel_wants = channel_wait(shard, members)
        if channel_wants >= 0:
            activate(shard, members)
            wait = channel_wants if wait < 0 or channel_wants < wait else wait
    return wait

"""The lag policy: what happens to a cursor that falls off its log, or behind the time its channel
allows.

KEYFRAME is for pictures. Of a group that was begun, what depends on the rest is sent until it is
too late; then the picture waits for a sync point, while what is independent of it (sound) goes on.
Too late is twice the time allowed for who was not late before: a network that stood still for a
moment has caught up before the next sync point would come. It is that time for whose last group was
late, and half of it for who is late group after group. Measured on a link of 500 kbit/s for 800
(bench/slow_viewer.py): pictures are 0.43 s old at the median and 1.14 s at most; where each group
was finished, 1.27 s and 1.78 s.

A sync point is also where the rung is changed (rung.pxd): down for who has waited, or is late by
half of what is allowed, so that on a ladder hardly anybody has to wait.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t
from libc.stdio cimport snprintf

from ngage_core.atomic cimport ng_load
from ngage_core.channel cimport Channel, channel_at, channel_since, channel_sync_of
from ngage_core.codes cimport (
    CLOSE_INSUFFICIENT_STATE, CLOSE_SLOW, KEYFRAME, LATEST, OP_PING, RELIABLE,
)
from ngage_core.conn cimport CONN_OPEN, KIND_CLIENT, NONE
from ngage_core.frame cimport FIN
from ngage_core.limits cimport (
    LAG_NOTSENT_BYTES, PASSED_PER_WRITE, SYNCS_KEPT, WRITE_BYTES_PER_TURN,
)
from ngage_core.members cimport S_PASSED, S_WAITS, Members, Subscription
from ngage_core.own cimport begin_close, own_room
from ngage_core.payload cimport Payload, payload_age_ms
from ngage_core.rung cimport (
    LATE_OFTEN, LATE_STARVED, change_rung, lateness, rung_wanted, set_lateness,
)
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport MSG_EOR


cdef inline void tell_gap(
    Shard *shard, uint32_t index, uint64_t first, uint64_t last
) noexcept nogil:
    """A ping that names the offsets skipped: the one frame that may tell a raw client anything
    without being taken for a publication (docs/reference/raw-protocol.md)."""
    cdef char text[64]
    cdef int size = snprintf(text, sizeof(text), b"gap %llu-%llu", <unsigned long long> first,
                             <unsigned long long> last)
    cdef uint8_t *room = own_room(shard, index, 2 + <size_t> size)
    cdef int i
    if room == NULL:
        return
    room[0] = FIN | OP_PING
    room[1] = <uint8_t> size
    for i in range(size):
        room[2 + i] = <uint8_t> text[i]


cdef inline bint older(
    const Shard *shard, const Subscription *subscription, const Payload *payload, uint32_t age_ms
) noexcept nogil:
    """Whether a publication has waited for this subscriber longer than `age_ms`. Who joins at
    something older (a resume, a sync point) has as long from joining; so has who was late."""
    cdef uint32_t now_ms = <uint32_t> shard.now_ms
    return (now_ms - subscription.since_ms > age_ms
            and payload_age_ms(payload, now_ms) > <int64_t> age_ms)


cdef inline bint lags(
    const Shard *shard, const Subscription *subscription, const Members *members
) noexcept nogil:
    cdef Channel *channel = members.channel
    cdef Payload *payload
    if subscription.cursor < ng_load(&channel.tail):
        return True
    if channel.lag_ms == 0 or subscription.cursor >= ng_load(&channel.head):
        return False
    payload = channel_at(channel, subscription.cursor)
    return payload == NULL or older(
        shard, subscription, payload, channel.lag_ms + members.view.tick_ms)


cdef inline void apply_lag(
    Shard *shard, uint32_t index, Subscription *subscription, Channel *channel
) noexcept nogil:
    """For a cursor that lags, of any policy but KEYFRAME."""
    cdef uint64_t tail = ng_load(&channel.tail), head = ng_load(&channel.head)
    cdef uint64_t from_ = subscription.cursor
    if channel.lag == RELIABLE:
        shard.counters.slow_closed += 1
        begin_close(shard, index, CLOSE_SLOW, <const uint8_t *> b"slow", 4)
    elif channel.lag == LATEST:
        subscription.cursor = head - 1
        shard.counters.skipped_latest += subscription.cursor - from_
    elif shard.slab.conns[index].kind == KIND_CLIENT:
        # Its protocol has no word for a gap, but one to come anew and be given what was missed.
        shard.counters.slow_closed += 1
        begin_close(shard, index, CLOSE_INSUFFICIENT_STATE,
                    <const uint8_t *> b"insufficient state", 18)
    else:
        subscription.cursor = tail if from_ < tail else channel_since(
            channel, from_, head, <uint32_t> shard.now_ms, channel.lag_ms)
        shard.counters.skipped_ring += subscription.cursor - from_
        tell_gap(shard, index, from_, subscription.cursor - 1)


cdef inline int send_flags(const Channel *channel) noexcept nogil:
    """Where lag is bounded by time, what the kernel holds must be too. It lets the last of its
    buffers grow to 64 KB before it looks at TCP_NOTSENT_LOWAT (66 KB unsent were seen, a second of
    a slow link); after MSG_EOR (send(2)) the next send begins a new one."""
    return MSG_EOR if channel.lag_ms else 0


cdef inline uint64_t bytes_at_once(
    const Shard *shard, const Subscription *subscription, const Members *members,
    const Payload *payload,
) noexcept nogil:
    """How much one write may be. To who is late it is little: a send that has begun takes more than
    TCP_NOTSENT_LOWAT would leave, and no cursor can take that back."""
    cdef uint32_t half_ms = members.channel.lag_ms // 2 + members.view.tick_ms
    if members.channel.lag_ms and older(shard, subscription, payload, half_ms):
        return LAG_NOTSENT_BYTES // 2
    return WRITE_BYTES_PER_TURN


# KEYFRAME.

cdef inline bint in_first_half(Channel *channel, uint64_t offset) noexcept nogil:
    """Of its group, taken to be as long as the newest whole one."""
    cdef uint64_t count = ng_load(&channel.sync_count), back, first, newest, length
    if count < 2:
        return False
    newest = ng_load(&channel.syncs[(count - 1) % SYNCS_KEPT])
    length = newest - ng_load(&channel.syncs[(count - 2) % SYNCS_KEPT])
    for back in range(1, min(count, <uint64_t> SYNCS_KEPT) + 1):
        first = ng_load(&channel.syncs[(count - back) % SYNCS_KEPT])
        if first <= offset:
            return 2 * (offset - first) < length
    return True  # older than all that is known


cdef inline void begin_waiting(
    Shard *shard, Subscription *subscription, Channel *channel
) noexcept nogil:
    cdef uint32_t late = lateness(subscription)
    if subscription.flags & S_WAITS:
        return
    subscription.flags |= S_WAITS
    subscription.since_ms = <uint32_t> shard.now_ms
    shard.counters.picture_waits += 1
    if in_first_half(channel, subscription.cursor):
        set_lateness(subscription, late + LATE_STARVED)
    else:
        set_lateness(subscription, min(late + 1, <uint32_t> LATE_OFTEN))


cdef inline void pass_to(Shard *shard, Subscription *subscription, uint64_t offset) noexcept nogil:
    shard.counters.skipped_keyframe += offset - subscription.cursor
    subscription.cursor = offset


cdef inline uint32_t too_late_ms(
    const Subscription *subscription, const Members *members
) noexcept nogil:
    cdef uint32_t allowed = members.channel.lag_ms, late = lateness(subscription)
    allowed = allowed * 2 if late == 0 else allowed if late < LATE_OFTEN else allowed // 2
    return allowed + members.view.tick_ms


cdef inline bint is_too_late(
    Shard *shard, const Subscription *subscription, const Members *members, const Payload *payload
) noexcept nogil:
    """For the rest of its group; sooner if a newer one is there already."""
    cdef Channel *channel = members.channel
    if channel.lag_ms == 0:
        return False
    return (older(shard, subscription, payload, too_late_ms(subscription, members))
            or payload.offset < ng_load(&channel.sync) and lags(shard, subscription, members))


cdef inline bint is_stale(
    Shard *shard, const Subscription *subscription, const Payload *sync, uint32_t age_ms
) noexcept nogil:
    """Whether one who is late group after group waits for the next sync point rather than begin a
    group late again; not if it came during the wait."""
    return (lateness(subscription) >= LATE_OFTEN
            and <int32_t> (subscription.since_ms - sync.published_ms) >= 0
            and payload_age_ms(sync, <uint32_t> shard.now_ms) > <int64_t> age_ms)


cdef inline bint goes_on_at(Shard *shard, uint32_t item, Payload *sync) noexcept nogil:
    """Whether a subscriber goes on with the sync point it stands at, or with that of another rung.

    The rung below may be published a moment later: who has let its own sync point pass waits for
    the one below, once and for one group.
    """
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    cdef Members *members = shard.members[subscription.channel]
    cdef Channel *channel = members.channel
    cdef bint waits = (subscription.flags & S_WAITS) != 0
    cdef uint32_t half_ms = channel.lag_ms // 2 + members.view.tick_ms
    cdef bint late = waits or (channel.lag_ms and older(shard, subscription, sync, half_ms))
    cdef Channel *rung
    cdef uint64_t offset
    if not late:
        set_lateness(subscription, 0)
    rung = rung_wanted(shard, subscription, members.view, late)
    if rung != NULL:
        offset = channel_sync_of(rung.log, sync.group)
        if offset and change_rung(shard, item, rung, offset):
            return True
        if rung.rung > members.view.rung and not subscription.flags & S_PASSED:
            subscription.flags |= S_WAITS | S_PASSED
            subscription.since_ms = <uint32_t> shard.now_ms
            return False
    if (waits or lags(shard, subscription, members)) and sync.offset < ng_load(&channel.sync):
        begin_waiting(shard, subscription, channel)
        return False
    if waits and channel.lag_ms and is_stale(shard, subscription, sync, half_ms):
        set_lateness(subscription, lateness(subscription) + LATE_STARVED)
        return False
    if late and not waits:
        set_lateness(subscription, min(lateness(subscription) + 1, <uint32_t> LATE_OFTEN))
    subscription.flags &= ~S_WAITS
    return True


cdef inline bint found_below(Shard *shard, uint32_t item) noexcept nogil:
    """For one who has let its own sync point pass: whether that of the rung below is there now."""
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    cdef Members *members = shard.members[subscription.channel]
    cdef Channel *rung = rung_wanted(shard, subscription, members.view, True)
    cdef Payload *own = channel_at(members.channel, ng_load(&members.channel.sync))
    cdef uint64_t offset
    if rung == NULL or own == NULL:
        return False
    offset = channel_sync_of(rung.log, own.group)
    return offset != 0 and change_rung(shard, item, rung, offset)


cdef inline bint passes(Shard *shard, uint32_t item, Payload *payload) noexcept nogil:
    """Whether a subscriber is moved past the publication it stands at."""
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    cdef Members *members = shard.members[subscription.channel]
    if payload.sync:
        return not goes_on_at(shard, item, payload)
    if not subscription.flags & S_WAITS:
        if not is_too_late(shard, subscription, members, payload):
            return False
        begin_waiting(shard, subscription, members.channel)
    # Sound is late only where even that is more than the socket takes.
    return not payload.independent or (
        members.channel.lag_ms and payload_age_ms(payload, <uint32_t> shard.now_ms)
        > 2 * <int64_t> members.channel.lag_ms + members.view.tick_ms)


cdef inline void keep_up(Shard *shard, uint32_t item) noexcept nogil:
    """Move a subscriber of a KEYFRAME channel to what it is sent next."""
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    cdef Channel *channel
    cdef Payload *payload
    cdef uint64_t tail
    cdef uint32_t _step
    for _step in range(<uint32_t> PASSED_PER_WRITE):
        channel = shard.members[subscription.channel].channel
        tail = ng_load(&channel.tail)
        if subscription.cursor < tail:
            pass_to(shard, subscription, tail)
            if ng_load(&channel.sync):
                begin_waiting(shard, subscription, channel)
        if subscription.flags & S_WAITS and subscription.flags & S_PASSED and found_below(
                shard, item):
            continue
        if subscription.cursor >= ng_load(&channel.head):
            return
        payload = channel_at(channel, subscription.cursor)
        if payload != NULL:  # else it is overtaken just now
            if not passes(shard, item, payload):
                return
            pass_to(shard, subscription, payload.offset + 1)


cdef inline void apply_lag_to_all(Shard *shard, uint32_t index) noexcept nogil:
    cdef uint32_t item = shard.slab.conns[index].subscription, following
    cdef Subscription *subscription
    cdef Members *members
    while item != <uint32_t> NONE:
        subscription = &shard.subscriptions.items[item]
        members = shard.members[subscription.channel]
        following = subscription.next
        if members.channel.lag == KEYFRAME:
            keep_up(shard, item)
        elif lags(shard, subscription, members):
            apply_lag(shard, index, subscription, members.channel)
            if shard.slab.conns[index].state != CONN_OPEN:
                return
        item = following

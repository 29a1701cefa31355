"""The ladder: which rung a subscriber is on, and how it comes to another.

The rungs show the same at different rates. A change is only made at a sync point, to the sync point
of the same group in the other rung: what was sent before and what is sent afterwards fit together,
and no byte is written anew. Down goes who is late, so that what it is sent is less; up goes who has
not been late for a while, one rung at a time. A rung that did not hold is waited for longer the
next time: nobody knows what a socket could take before it is tried. A last resort (sound without a
picture) is only for who misses more than half of three groups in a row.

A viewer may say which rung is the highest it wants; between that and the lowest, the socket says.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcmp

from ngage_core.atomic cimport ng_load, ng_load_pointer
from ngage_core.channel cimport Channel
from ngage_core.conn cimport NONE
from ngage_core.lifecycle cimport count_viewer, members_of
from ngage_core.limits cimport CALM_MS, PATIENCE_MAX, RUNGS_MAX, TRIAL_MS
from ngage_core.members cimport (
    S_ASKED, S_CEILING_SHIFT, S_FIELD, S_LATE_SHIFT, S_PASSED, S_PATIENCE_SHIFT, S_RAISED, S_WAITS,
    Members, Subscription, members_join, members_leave, members_room,
)
from ngage_core.payload cimport Payload, payload_plain
from ngage_core.shard cimport Shard


cdef enum:
    LATE_OFTEN = 2  # a group that was late counts one, up to this
    LATE_STARVED = 4  # one of which more than half is missed counts so much
    LATE_HOPELESS = 3 * LATE_STARVED
    LATE_MOST = 15


cdef inline uint32_t lateness(const Subscription *subscription) noexcept nogil:
    return subscription.flags >> S_LATE_SHIFT & S_FIELD


cdef inline void set_lateness(Subscription *subscription, uint32_t late) noexcept nogil:
    subscription.flags &= ~(S_FIELD << S_LATE_SHIFT)
    subscription.flags |= <uint16_t> (min(late, <uint32_t> LATE_MOST) << S_LATE_SHIFT)


cdef inline uint32_t ceiling_of(const Subscription *subscription) noexcept nogil:
    return subscription.flags >> S_CEILING_SHIFT & S_FIELD


cdef inline uint32_t calm_ms(const Subscription *subscription) noexcept nogil:
    return <uint32_t> CALM_MS << (subscription.flags >> S_PATIENCE_SHIFT & S_FIELD)


cdef inline Channel *rung_below(Channel *view) noexcept nogil:
    return <Channel *> ng_load_pointer(<void **> &view.below)


cdef inline Channel *rung_above(Channel *view) noexcept nogil:
    return <Channel *> ng_load_pointer(<void **> &view.above)


cdef inline bint has_rungs(Channel *view) noexcept nogil:
    return rung_below(view) != NULL or rung_above(view) != NULL


cdef inline Channel *rung_wanted(
    Shard *shard, const Subscription *subscription, Channel *view, bint late
) noexcept nogil:
    """The rung to go on with from the next sync point; NULL: the one it is on."""
    cdef uint32_t ceiling = ceiling_of(subscription)
    cdef Channel *rung = rung_below(view)
    if rung != NULL and late and rung.last_resort and view.rung >= ceiling:
        late = lateness(subscription) >= LATE_HOPELESS
        if not late:
            return NULL
    if rung != NULL and (late or view.rung < ceiling):
        while rung.rung < ceiling and rung_below(rung) != NULL:
            rung = rung_below(rung)
        return rung
    rung = rung_above(view)
    if rung == NULL or rung.rung < ceiling or late:
        return NULL
    if subscription.flags & S_ASKED:
        while rung.rung > ceiling:
            rung = rung_above(rung)
        return rung
    if <uint32_t> shard.now_ms - subscription.since_ms >= calm_ms(subscription):
        return rung
    return NULL


cdef inline bint changes_rung(
    Shard *shard, const Subscription *subscription, Channel *view
) noexcept nogil:
    """Of one who keeps up."""
    return has_rungs(view) and rung_wanted(shard, subscription, view, False) != NULL


cdef inline bint same_preamble(Channel *a, Channel *b) noexcept nogil:
    cdef Payload *mine = <Payload *> ng_load_pointer(<void **> &a.preamble)
    cdef Payload *other = <Payload *> ng_load_pointer(<void **> &b.preamble)
    if mine == NULL or other == NULL or mine.plain_bytes != other.plain_bytes:
        return False
    return memcmp(payload_plain(mine), payload_plain(other), mine.plain_bytes) == 0


cdef inline void note_change(Shard *shard, Subscription *subscription, bint up) noexcept nogil:
    """A rung that did not hold costs patience; one that held for the time of its trial forgives."""
    cdef uint16_t patience = subscription.flags >> S_PATIENCE_SHIFT & S_FIELD
    cdef bint held = <uint32_t> shard.now_ms - subscription.since_ms >= <uint32_t> TRIAL_MS
    if up:
        shard.counters.rungs_up += 1
    else:
        shard.counters.rungs_down += 1
        if subscription.flags & S_RAISED:
            patience = <uint16_t> (0 if held else min(patience + 1, <int> PATIENCE_MAX))
    subscription.flags &= ~(S_WAITS | S_PASSED | S_RAISED | S_ASKED
                            | S_FIELD << S_PATIENCE_SHIFT)
    subscription.flags |= <uint16_t> (patience << S_PATIENCE_SHIFT | (S_RAISED if up else 0))
    subscription.since_ms = <uint32_t> shard.now_ms
    set_lateness(subscription, 0)


cdef inline bint change_rung(
    Shard *shard, uint32_t item, Channel *rung, uint64_t sync
) noexcept nogil:
    """Go on in another rung, at a sync point of it. False, and nothing has changed: no memory, or
    the sync point is older than what the rung begins with now."""
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    cdef Members *old = shard.members[subscription.channel]
    cdef Members *members = members_of(shard, rung)
    if members == NULL or sync < ng_load(&members.channel.preamble_first):
        return False
    if not members_room(members):
        return False
    if (subscription.preamble_seen == <uint32_t> ng_load(&old.channel.preamble_version)
            and same_preamble(old.channel, members.channel)):
        subscription.preamble_seen = <uint32_t> ng_load(&members.channel.preamble_version)
    else:
        subscription.preamble_seen = 0
    note_change(shard, subscription, rung.rung < old.view.rung)
    if rung.viewers != old.view.viewers:
        count_viewer(shard, subscription.conn, old.view.viewers, False)
        count_viewer(shard, subscription.conn, rung.viewers, True)
    members_leave(old, &shard.subscriptions, item)
    members_join(members, &shard.subscriptions, item)
    subscription.channel = <uint16_t> rung.id
    subscription.cursor = sync
    return True


# What a viewer says: {"t":"r","id":2}

cdef inline int wish_of(const uint8_t *data, uint64_t size) noexcept nogil:
    """The rung it names, or -1: this is no such message."""
    cdef int rung = 0
    cdef uint64_t i
    if size < 16 or size > 17 or data[size - 1] != 125:
        return -1
    if memcmp(data, b"{\"t\":\"r\",\"id\":", 14) != 0:
        return -1
    for i in range(14, size - 1):
        if not 48 <= data[i] <= 57:
            return -1
        rung = rung * 10 + (data[i] - 48)
    return rung


cdef inline bint take_wish(
    Shard *shard, uint32_t item, const uint8_t *data, uint64_t size
) noexcept nogil:
    """Whether it was one, of a viewer of a ladder. What is higher than now comes at the next sync
    point."""
    cdef Subscription *subscription
    cdef int rung
    if item == <uint32_t> NONE:
        return False
    subscription = &shard.subscriptions.items[item]
    if not has_rungs(shard.members[subscription.channel].view):
        return False
    rung = wish_of(data, size)
    if rung < 0:
        return False
    subscription.flags &= ~(S_FIELD << S_CEILING_SHIFT | S_FIELD << S_PATIENCE_SHIFT)
    subscription.flags |= <uint16_t> (
        S_ASKED | min(rung, <int> RUNGS_MAX - 1) << S_CEILING_SHIFT)
    return True

"""What neighbours in a channel are sent, and the batches in which they are sent it.

They stand at the same cursor, so the bytes are put together once, in a plan, and sent with one send
a socket; several small publications are copied once into the staging and are one buffer for all
(measured: one send of eight frames costs 5.9 us, eight sends 28). Whoever is to be sent a plan
waits in it until SEND_BATCH have come, the plan changes or the quantum ends; the backend is then
given them all at once. Nobody's cursor moves before the result is known.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy

from ngage_core.channel cimport channel_at
from ngage_core.conn cimport Conn
from ngage_core.lag cimport send_flags
from ngage_core.lifecycle cimport queue_write, set_blocked
from ngage_core.limits cimport PLAN_FRAMES_MAX, SEND_BATCH, STAGING_BYTES
from ngage_core.members cimport Members, Subscription
from ngage_core.payload cimport Payload, payload_deflated, payload_plain
from ngage_core.platform cimport NG_LIKELY
from ngage_core.shard cimport Plan, Shard
from ngage_core.write cimport stop_inside, write_failed


cdef inline bint plan_variant(const Payload *payload, bint deflated) noexcept nogil:
    return deflated and payload.deflated_bytes != 0


cdef inline void sent_short(
    Shard *shard, Subscription *subscription, Plan *plan, uint64_t sent
) noexcept nogil:
    """Find the frame in which a plan stopped. The log may have moved on since the plan was made."""
    cdef Conn *conn = &shard.slab.conns[subscription.conn]
    cdef Payload *payload
    cdef bint deflated
    cdef uint64_t size
    cdef uint32_t frame = 0
    while sent:
        payload = plan.frames[frame]
        frame += 1
        deflated = plan_variant(payload, plan.deflated)
        size = payload.deflated_bytes if deflated else payload.plain_bytes
        subscription.cursor += 1
        shard.counters.deliveries += 1
        if sent < size:
            stop_inside(shard, conn, payload, deflated, sent)
            break
        sent -= size
    shard.counters.short_writes += 1
    set_blocked(shard, conn, True)


cdef inline void plan_sent(Shard *shard, Plan *plan, uint32_t item, int64_t sent) noexcept nogil:
    """What became of one member's send."""
    cdef Subscription *subscription = &shard.subscriptions.items[item]
    if NG_LIKELY(sent == <int64_t> plan.bytes):
        shard.counters.deliveries += plan.after - subscription.cursor
        shard.counters.sends += 1
        shard.counters.sent_bytes += plan.bytes
        subscription.cursor = plan.after
        if plan.after < plan.head:
            queue_write(shard, subscription.conn)
    elif sent < 0:
        write_failed(shard, subscription.conn, sent)
    else:
        shard.counters.sends += 1
        shard.counters.sent_bytes += <uint64_t> sent
        sent_short(shard, subscription, plan, <uint64_t> sent)


cdef inline void plan_send(Shard *shard, Plan *plan) noexcept nogil:
    """To everybody who waits for it."""
    cdef int64_t sent[SEND_BATCH]
    cdef uint32_t i
    if plan.waiting == 0:
        return
    shard.ops.send_each(
        shard.poller, plan.fds, plan.waiting, plan.data, plan.bytes, plan.flags, sent)
    for i in range(plan.waiting):
        plan_sent(shard, plan, plan.items[i], sent[i])
    plan.waiting = 0


cdef inline void plan_add(Shard *shard, Plan *plan, int fd, uint32_t item) noexcept nogil:
    """One more who is to be sent it."""
    plan.fds[plan.waiting] = fd
    plan.items[plan.waiting] = item
    plan.waiting += 1
    if plan.waiting == SEND_BATCH:
        plan_send(shard, plan)


cdef inline bint plan_build(
    Shard *shard, Plan *plan, Members *members, uint64_t first, uint64_t head, bint deflated
) noexcept nogil:
    """The bytes from `first` to the head, or as many whole frames as the staging holds.
    False: `first` has left the log."""
    cdef uint8_t *staging = shard.staging[1 if deflated else 0]
    cdef uint64_t offset = first
    cdef Payload *payload
    cdef uint8_t *data
    cdef size_t size
    plan_send(shard, plan)  # the one that was
    plan.members = NULL
    plan.bytes = 0
    plan.count = 0
    plan.sync = False
    while offset < head and plan.count < PLAN_FRAMES_MAX:
        payload = channel_at(members.channel, offset)
        if payload == NULL:
            return False
        plan.sync = plan.sync or payload.sync
        if plan_variant(payload, deflated):
            data = payload_deflated(payload)
            size = payload.deflated_bytes
        else:
            data = payload_plain(payload)
            size = payload.plain_bytes
        if plan.bytes == 0 and (size > STAGING_BYTES or offset + 1 == head):
            plan.data = data
            plan.bytes = size
            plan.frames[0] = payload
            plan.count = 1
            offset += 1
            break
        if plan.bytes + size > STAGING_BYTES:
            break
        memcpy(staging + plan.bytes, data, size)
        plan.data = staging
        plan.bytes += size
        plan.frames[plan.count] = payload
        plan.count += 1
        offset += 1
    plan.members = members
    plan.flags = send_flags(members.channel)
    plan.first = first
    plan.head = head
    plan.after = offset
    plan.deflated = deflated
    return True


cdef inline void forget_plans(Shard *shard) noexcept nogil:
    """A plan points at payloads, and those hold only for the turn (reclaim.pxd)."""
    shard.plans[0].members = NULL
    shard.plans[1].members = NULL

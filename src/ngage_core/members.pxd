"""Who is in a channel: a subscription per (connection, channel), and per channel and shard a dense
array of them to sweep.

Joining appends, leaving moves the last one into the gap: O(1) each, and the order stays nearly the
order of accepting, which is the order of the kernel's sockets in memory. A sweep in progress keeps
its place when somebody leaves: what it has visited stays below its position.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from ngage_core.atomic cimport ng_store_seq
from ngage_core.channel cimport Channel
from ngage_core.conn cimport NONE
from ngage_core.payload cimport Payload
from ngage_core.platform cimport NG_ASSERT_STATIC


cdef enum SubscriptionFlag:
    S_WAITS = 1  # for a sync point, and is sent only what is independent
    S_PASSED = 2  # has let a sync point pass, for that of the rung below was to come
    S_RAISED = 4  # the last change of rung was one up
    S_ASKED = 8  # for the highest that it may have, without waiting for calm
    S_PATIENCE_SHIFT = 4  # 4 bits: how often a rung above did not hold
    S_CEILING_SHIFT = 8  # 4 bits: the highest rung that is wanted
    S_LATE_SHIFT = 12  # 4 bits: how late the last groups were (lag.pxd)
    S_FIELD = 15


cdef struct Subscription:
    uint64_t cursor  # offset of the next publication to begin
    uint32_t conn
    uint32_t next  # the connection's next subscription; doubles as the free list
    uint32_t place  # in the channel's array
    uint32_t preamble_seen
    uint32_t since_ms  # joined, was late or changed the rung; modulo 2**32, by the shard's clock
    uint16_t channel
    uint16_t flags


cdef struct Subscriptions:
    Subscription *items  # reserved address space, touched as it is used
    uint32_t capacity
    uint32_t touched
    uint32_t free
    uint32_t used


# One shard's side of one channel. `count` is also read by the control plane.
cdef struct Members:
    Channel *channel  # the log
    Channel *view  # what they subscribed to: the same, or a view of it
    uint32_t *items
    uint64_t count
    uint32_t capacity
    # The sweep: members below `position` have been offered everything before `sweep_head`, and
    # perhaps more.
    uint32_t position
    bint active  # in the shard's list of channels to sweep
    bint sweeping
    uint64_t sweep_head
    uint64_t swept_head  # everybody has been offered what is before it
    uint64_t last_cursor  # of the member visited last
    uint64_t due_ms  # no new sweep before this (the channel's tick)
    # A paced disconnect of those who were there when it was asked for: places below `closing`.
    uint32_t closing
    int close_code
    Payload *close_reason
    uint64_t close_due_ms


cdef inline void subscription_size_holds() noexcept nogil:
    NG_ASSERT_STATIC(sizeof(Subscription) == 32)


cdef inline uint32_t subscription_take(Subscriptions *pool) noexcept nogil:
    cdef uint32_t index = pool.free
    if index != <uint32_t> NONE:
        pool.free = pool.items[index].next
    elif pool.touched < pool.capacity:
        index = pool.touched
        pool.touched += 1
    else:
        return <uint32_t> NONE
    pool.used += 1
    return index


cdef inline void subscription_give(Subscriptions *pool, uint32_t index) noexcept nogil:
    pool.items[index].next = pool.free
    pool.free = index
    pool.used -= 1


cdef inline bint members_room(Members *members) noexcept nogil:
    """Room for one more; False: no memory."""
    cdef uint32_t *grown
    cdef uint32_t capacity
    if members.count == members.capacity:
        capacity = members.capacity + members.capacity // 2 + 16
        grown = <uint32_t *> realloc(members.items, capacity * sizeof(uint32_t))
        if grown == NULL:
            return False
        members.items = grown
        members.capacity = capacity
    return True


cdef inline bint members_join(Members *members, Subscriptions *pool, uint32_t index) noexcept nogil:
    """False: no memory. The count is stored before the joiner reads the head, and the publisher
    stores the head before it reads the count: one of them sees the other."""
    if not members_room(members):
        return False
    members.items[members.count] = index
    pool.items[index].place = <uint32_t> members.count
    ng_store_seq(&members.count, members.count + 1)
    return True


cdef inline void members_put(
    Members *members, Subscriptions *pool, uint32_t place, uint32_t index
) noexcept nogil:
    members.items[place] = index
    pool.items[index].place = place


cdef inline void members_leave(
    Members *members, Subscriptions *pool, uint32_t index
) noexcept nogil:
    cdef uint32_t place = pool.items[index].place
    cdef uint32_t last = <uint32_t> members.count - 1
    if place < members.position:
        # Close the gap among the visited with the last visited, so that the one taken from the
        # end lands among the unvisited.
        members.position -= 1
        members_put(members, pool, place, members.items[members.position])
        place = members.position
    if place != last:
        members_put(members, pool, place, members.items[last])
    ng_store_seq(&members.count, last)
    if last == 0:
        free(members.items)
        members.items = NULL
        members.capacity = 0

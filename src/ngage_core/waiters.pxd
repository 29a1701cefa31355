"""Requests that wait for an answer which is not there yet: a record each, in lists by path.

A shard has ROOMS lists, and a path's waiters are in the one its hash gives: paths that share it
cost each other a look. When a path's offer changes, its room is emptied into the list of those who
are due, which the turn works off a bounded number at a time. Lists are rings with an end of their
own, so whoever leaves needs not know which one it is in; everything here is O(1).
"""

from libc.stdint cimport uint32_t, uint64_t

from ngage_core.atomic cimport ng_load, ng_or_seq, ng_store_seq, ng_take_seq
from ngage_core.offer cimport Asked
from ngage_core.paths cimport PathEntry, entry_release, entry_retain
from ngage_core.platform cimport NG_ASSERT_STATIC, NG_LOWEST_BIT

cdef enum:
    ROOMS = 256
    ROOM_WORDS = ROOMS // 64
    DUE = ROOMS  # the end of that list; those of the rooms are before it
    FIRST_WAITER = ROOMS + 1
    NO_WAITER = 0  # no record has this number


cdef struct Waiter:
    PathEntry *entry  # one reference
    uint32_t next  # doubles as the free list
    uint32_t previous
    uint32_t conn
    Asked asked


cdef struct Waiters:
    uint64_t news[ROOM_WORDS]  # rooms in which something has changed, set by the control plane
    uint64_t counts[ROOMS]  # who waits; also read by the control plane
    Waiter *items  # reserved address space, touched as it is used
    uint32_t capacity
    uint32_t touched
    uint32_t free


cdef inline void waiters_open(Waiters *all, uint32_t capacity) noexcept nogil:
    """`items` has room for FIRST_WAITER + capacity."""
    cdef uint32_t end
    NG_ASSERT_STATIC(sizeof(Waiter) == 32)
    for end in range(<uint32_t> FIRST_WAITER):
        all.items[end].next = end
        all.items[end].previous = end
    all.capacity = FIRST_WAITER + capacity
    all.touched = FIRST_WAITER
    all.free = NO_WAITER


cdef inline uint32_t room_of(const PathEntry *entry) noexcept nogil:
    return <uint32_t> (entry.hashed >> 32) & (ROOMS - 1)


cdef inline void waiter_link(Waiters *all, uint32_t end, uint32_t item) noexcept nogil:
    """Last in the list."""
    cdef uint32_t last = all.items[end].previous
    all.items[item].next = end
    all.items[item].previous = last
    all.items[last].next = item
    all.items[end].previous = item


cdef inline void waiter_unlink(Waiters *all, uint32_t item) noexcept nogil:
    all.items[all.items[item].previous].next = all.items[item].next
    all.items[all.items[item].next].previous = all.items[item].previous


cdef inline uint32_t waiter_join(
    Waiters *all, PathEntry *entry, uint32_t conn, const Asked *asked
) noexcept nogil:
    """NO_WAITER: too many wait. The count is stored before the joiner looks at the offer once more,
    and the offer before the control plane looks at the count: one of them sees the other."""
    cdef uint32_t item = all.free
    cdef uint32_t room = room_of(entry)
    if item != NO_WAITER:
        all.free = all.items[item].next
    elif all.touched < all.capacity:
        item = all.touched
        all.touched += 1
    else:
        return NO_WAITER
    entry_retain(entry)
    all.items[item].entry = entry
    all.items[item].conn = conn
    all.items[item].asked = asked[0]
    waiter_link(all, room, item)
    ng_store_seq(&all.counts[room], all.counts[room] + 1)
    return item


cdef inline void waiter_leave(Waiters *all, uint32_t item) noexcept nogil:
    cdef uint32_t room = room_of(all.items[item].entry)
    waiter_unlink(all, item)
    ng_store_seq(&all.counts[room], all.counts[room] - 1)
    entry_release(all.items[item].entry)
    all.items[item].next = all.free
    all.free = item


cdef inline void waiter_back(Waiters *all, uint32_t item) noexcept nogil:
    """It was due and has to wait on."""
    waiter_unlink(all, item)
    waiter_link(all, room_of(all.items[item].entry), item)


cdef inline void room_empty(Waiters *all, uint32_t room) noexcept nogil:
    """Everybody in it is due, behind who is already."""
    cdef uint32_t first = all.items[room].next, last = all.items[room].previous
    cdef uint32_t behind = all.items[DUE].previous
    if first == room:
        return
    all.items[room].next = room
    all.items[room].previous = room
    all.items[behind].next = first
    all.items[first].previous = behind
    all.items[last].next = DUE
    all.items[DUE].previous = last


cdef inline void room_news(Waiters *all, uint32_t room) noexcept nogil:
    """Called by the control plane, and by the shard where it may have missed that."""
    ng_or_seq(&all.news[room >> 6], <uint64_t> 1 << (room & 63))


cdef inline bint any_news(const Waiters *all) noexcept nogil:
    cdef uint32_t word
    for word in range(<uint32_t> ROOM_WORDS):
        if ng_load(&all.news[word]):
            return True
    return False


cdef inline bint any_due(const Waiters *all) noexcept nogil:
    return all.items[DUE].next != DUE


cdef inline void collect_news(Waiters *all) noexcept nogil:
    cdef uint32_t word
    cdef uint64_t bits
    for word in range(<uint32_t> ROOM_WORDS):
        if ng_load(&all.news[word]) == 0:
            continue
        bits = ng_take_seq(&all.news[word])
        while bits:
            room_empty(all, word * 64 + NG_LOWEST_BIT(bits))
            bits &= bits - 1

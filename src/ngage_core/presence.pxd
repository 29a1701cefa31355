"""Who is in a counted channel, by the number of their connections: the unique viewers at O(1) each.

One table for all shards, since a viewer's tabs may be anywhere. It is cut in stripes with a lock of
their own, which a join or leave holds for some tens of nanoseconds; with 256 of them two shards
hardly ever meet. Open addressing with linear probing; what leaves is closed up, so that a crowd
that comes and goes leaves nothing behind.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from ngage_core.atomic cimport ng_lock, ng_unlock

cdef enum:
    STRIPES = 256
    STRIPE_SLOTS_FIRST = 64


cdef struct Present:
    uint64_t key  # 0: free
    uint64_t count


cdef struct Stripe:
    uint64_t lock
    Present *slots
    uint64_t mask
    uint64_t used
    uint64_t pad[4]  # a cache line each


cdef struct Presence:
    Stripe stripes[STRIPES]


cdef inline uint64_t presence_key(uint64_t voter, uint32_t channel) noexcept nogil:
    """Never 0. splitmix64's mix: voters are keyed hashes or drawn at random already."""
    cdef uint64_t mixed = voter + (<uint64_t> channel + 1) * <uint64_t> 0x9E3779B97F4A7C15
    mixed = (mixed ^ mixed >> 30) * <uint64_t> 0xBF58476D1CE4E5B9
    mixed = (mixed ^ mixed >> 27) * <uint64_t> 0x94D049BB133111EB
    mixed ^= mixed >> 31
    return mixed if mixed else 1


cdef inline uint64_t presence_slot(const Stripe *stripe, uint64_t key) noexcept nogil:
    """Where a key is, or the free place where it would be."""
    cdef uint64_t at = key >> 8 & stripe.mask
    while stripe.slots[at].key and stripe.slots[at].key != key:
        at = (at + 1) & stripe.mask
    return at


cdef inline bint stripe_grow(Stripe *stripe) noexcept nogil:
    cdef uint64_t slots = (stripe.mask + 1) * 2 if stripe.slots != NULL else STRIPE_SLOTS_FIRST
    cdef Stripe grown
    cdef uint64_t i
    grown.mask = slots - 1
    grown.slots = <Present *> calloc(slots, sizeof(Present))
    if grown.slots == NULL:
        return False
    if stripe.slots != NULL:
        for i in range(stripe.mask + 1):
            if stripe.slots[i].key:
                grown.slots[presence_slot(&grown, stripe.slots[i].key)] = stripe.slots[i]
    free(stripe.slots)
    stripe.slots = grown.slots
    stripe.mask = grown.mask
    return True


cdef inline void stripe_remove(Stripe *stripe, uint64_t at) noexcept nogil:
    """Close the gap: whoever probed past it moves up (Knuth 6.4, algorithm R)."""
    cdef uint64_t next_ = at, home
    while True:
        next_ = (next_ + 1) & stripe.mask
        if stripe.slots[next_].key == 0:
            break
        home = stripe.slots[next_].key >> 8 & stripe.mask
        if (next_ - home & stripe.mask) >= (next_ - at & stripe.mask):
            stripe.slots[at] = stripe.slots[next_]
            at = next_
    stripe.slots[at].key = 0
    stripe.used -= 1


cdef inline bint presence_join(Presence *all, uint64_t key) noexcept nogil:
    """Whether this is the first connection. Without memory nobody new is counted."""
    cdef Stripe *stripe = &all.stripes[key & (STRIPES - 1)]
    cdef bint first = False
    cdef uint64_t at
    ng_lock(&stripe.lock)
    if stripe.slots == NULL or 4 * (stripe.used + 1) > 3 * (stripe.mask + 1):
        stripe_grow(stripe)
    if stripe.slots != NULL and stripe.used < stripe.mask:
        at = presence_slot(stripe, key)
        first = stripe.slots[at].key == 0
        stripe.used += first
        stripe.slots[at].key = key
        stripe.slots[at].count += 1
    ng_unlock(&stripe.lock)
    return first


cdef inline bint presence_leave(Presence *all, uint64_t key) noexcept nogil:
    """Whether it was the last connection."""
    cdef Stripe *stripe = &all.stripes[key & (STRIPES - 1)]
    cdef bint last = False
    cdef uint64_t at
    ng_lock(&stripe.lock)
    if stripe.slots != NULL:
        at = presence_slot(stripe, key)
        if stripe.slots[at].key:
            stripe.slots[at].count -= 1
            last = stripe.slots[at].count == 0
            if last:
                stripe_remove(stripe, at)
    ng_unlock(&stripe.lock)
    return last


cdef inline void presence_free(Presence *all) noexcept nogil:
    cdef uint32_t i
    for i in range(<uint32_t> STRIPES):
        free(all.stripes[i].slots)

"""When memory that a shard may be reading can be freed (quiescent-state reclamation).

The control plane takes a thing out of sight (a ring slot, a table), then retires it under the
epoch that follows. At the top of each turn a shard notes the epoch it has seen; asleep it counts as
having seen everything. A retired thing is freed once every shard has seen its epoch, since a turn
keeps no pointer from the one before. Fences on both sides make sure that either the shard sees the
thing gone, or the control plane sees the shard awake in the older epoch.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc

from ngage_core.atomic cimport ng_add, ng_fence, ng_load_seq, ng_store, ng_store_seq
from ngage_core.offer cimport Offer, offer_release
from ngage_core.paths cimport PathEntry, entry_release
from ngage_core.payload cimport Payload, payload_release

cdef enum:
    RETIRED_MEMORY = 0
    RETIRED_PAYLOAD = 1
    RETIRED_OFFER = 2
    RETIRED_ENTRY = 3  # of a path: the table's reference to it

cdef enum:
    RECLAIM_ASLEEP = -1  # as uint64_t: later than any epoch


cdef struct Retired:
    void *thing
    uint64_t epoch
    int kind


cdef struct Reclaim:
    uint64_t epoch
    Retired *queue  # oldest first; only the control plane touches it
    size_t first
    size_t count
    size_t capacity


cdef inline void reclaim_awake(const Reclaim *reclaim, uint64_t *seen) noexcept nogil:
    """A shard starts or continues: nothing from before may be used now."""
    ng_store_seq(seen, ng_load_seq(&reclaim.epoch))
    ng_fence()


cdef inline void reclaim_asleep(uint64_t *seen) noexcept nogil:
    ng_store(seen, <uint64_t> RECLAIM_ASLEEP)


cdef inline bint retire(Reclaim *reclaim, void *thing, int kind) noexcept nogil:
    """False: no memory to remember it (it is leaked rather than freed too early)."""
    cdef Retired *grown
    cdef size_t i
    if thing == NULL:
        return True
    if reclaim.first + reclaim.count == reclaim.capacity:
        if reclaim.first >= reclaim.count and reclaim.first:
            for i in range(reclaim.count):
                reclaim.queue[i] = reclaim.queue[reclaim.first + i]
            reclaim.first = 0
        else:
            grown = <Retired *> realloc(
                reclaim.queue, (2 * reclaim.capacity + 64) * sizeof(Retired))
            if grown == NULL:
                return False
            reclaim.queue = grown
            reclaim.capacity = 2 * reclaim.capacity + 64
    i = reclaim.first + reclaim.count
    reclaim.queue[i].thing = thing
    reclaim.queue[i].kind = kind
    reclaim.queue[i].epoch = ng_add(&reclaim.epoch, 1)
    reclaim.count += 1
    return True


cdef inline void reclaim_seen(Reclaim *reclaim, uint64_t oldest_seen) noexcept nogil:
    """Free what every shard has seen retired."""
    cdef Retired *entry
    while reclaim.count:
        entry = &reclaim.queue[reclaim.first]
        if entry.epoch > oldest_seen:
            return
        if entry.kind == RETIRED_PAYLOAD:
            payload_release(<Payload *> entry.thing)
        elif entry.kind == RETIRED_OFFER:
            offer_release(<Offer *> entry.thing)
        elif entry.kind == RETIRED_ENTRY:
            entry_release(<PathEntry *> entry.thing)
        else:
            free(entry.thing)
        reclaim.first += 1
        reclaim.count -= 1
    reclaim.first = 0

"""Preencoded HTTP answers: path -> offer, that is complete response bytes or the promise of them.

The table is replaced as a whole when a path comes or goes, and an entry's offer is swapped in place
when its answer changes; old tables and offers are retired. A table has a few hundred paths, and the
readers (every shard) need no lock. An entry outlives its place in the table while a request waits
for it: it is counted.
"""

from libc.stdint cimport uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from ngage_core.atomic cimport ng_add, ng_load_pointer, ng_store_pointer, ng_sub
from ngage_core.channel cimport bytes_hash
from ngage_core.offer cimport Offer


cdef struct PathEntry:
    Offer *offer  # NULL: the path is served no more
    uint64_t references  # the table's, and one for each request that waits
    uint64_t hashed
    size_t bytes  # the path itself follows the struct


cdef struct PathTable:
    uint64_t mask
    size_t count
    PathEntry *slots[1]  # mask + 1 of them


cdef inline uint8_t *entry_path(PathEntry *entry) noexcept nogil:
    return <uint8_t *> entry + sizeof(PathEntry)


cdef inline PathTable *table_create(size_t count) noexcept nogil:
    """Room for `count` paths at half load; NULL: no memory."""
    cdef size_t slots = 8
    cdef PathTable *table
    while slots < 2 * count:
        slots *= 2
    table = <PathTable *> calloc(1, sizeof(PathTable) + (slots - 1) * sizeof(PathEntry *))
    if table != NULL:
        table.mask = slots - 1
    return table


cdef inline PathEntry *entry_create(
    const uint8_t *path, size_t size, uint64_t seed, Offer *offer
) noexcept nogil:
    cdef PathEntry *entry = <PathEntry *> malloc(sizeof(PathEntry) + size)
    if entry == NULL:
        return NULL
    entry.offer = offer
    entry.references = 1
    entry.hashed = bytes_hash(path, size, seed)
    entry.bytes = size
    memcpy(entry_path(entry), path, size)
    return entry


cdef inline void table_enter(PathTable *table, PathEntry *entry) noexcept nogil:
    cdef uint64_t slot = entry.hashed & table.mask
    while table.slots[slot] != NULL:
        slot = (slot + 1) & table.mask
    table.slots[slot] = entry
    table.count += 1


cdef inline PathEntry *table_find(
    PathTable *table, const uint8_t *path, size_t size, uint64_t seed
) noexcept nogil:
    cdef uint64_t hashed = bytes_hash(path, size, seed)
    cdef uint64_t slot = hashed & table.mask
    cdef PathEntry *entry = table.slots[slot]
    while entry != NULL:
        if entry.hashed == hashed and entry.bytes == size and memcmp(
                entry_path(entry), path, size) == 0:
            return entry
        slot = (slot + 1) & table.mask
        entry = table.slots[slot]
    return NULL


cdef inline PathTable *table_copy(
    PathTable *table, size_t count, PathEntry *without
) noexcept nogil:
    """The same entries in a table with room for `count`, but for one; NULL: no memory."""
    cdef PathTable *copy = table_create(count)
    cdef uint64_t slot
    if copy == NULL:
        return NULL
    for slot in range(table.mask + 1):
        if table.slots[slot] != NULL and table.slots[slot] != without:
            table_enter(copy, table.slots[slot])
    return copy


cdef inline void entry_retain(PathEntry *entry) noexcept nogil:
    ng_add(&entry.references, 1)


cdef inline void entry_release(PathEntry *entry) noexcept nogil:
    if ng_sub(&entry.references, 1) == 0:
        free(entry)


cdef inline Offer *entry_offer(PathEntry *entry) noexcept nogil:
    return <Offer *> ng_load_pointer(<void **> &entry.offer)


cdef inline Offer *entry_replace(PathEntry *entry, Offer *offer) noexcept nogil:
    """Swap the offer in place; the caller retires the old one, which is returned."""
    cdef Offer *old = entry.offer
    ng_store_pointer(<void **> &entry.offer, offer)
    return old

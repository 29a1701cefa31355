"""A request for a path: answered, or parked until what it asks for is there.

A parked request holds a record (waiters.pxd) and its connection; its answer is the same bytes for
everybody who asked the same, and no Python runs for it. It ends with the answer, with 503 at its
deadline or in a drain, with 404 when the path is served no more, or with its client.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from ngage_core.answer cimport refuse, send_answer
from ngage_core.atomic cimport ng_fence, ng_load_pointer
from ngage_core.conn cimport CONN_HEAD, CONN_WAITING, ConnCold
from ngage_core.lifecycle cimport set_deadline, wait_no_more
from ngage_core.limits cimport RELEASES_PER_TURN, REQUESTS_PER_CONNECTION
from ngage_core.offer cimport (
    ASKED_HEAD, ASKED_LAST, STANDING_EARLY, STANDING_READY, Asked, Offer, offer_answer,
    offer_standing, parse_directives,
)
from ngage_core.paths cimport PathEntry, PathTable, entry_offer, table_find
from ngage_core.shard cimport Shard
from ngage_core.upgrade cimport METHOD_HEAD, Request
from ngage_core.waiters cimport (
    DUE, NO_WAITER, Waiter, any_due, collect_news, room_news, room_of, waiter_back, waiter_join,
)


cdef inline void settle(
    Shard *shard, uint32_t index, const Offer *offer, const Asked *asked
) noexcept nogil:
    """What is to be said now."""
    if offer == NULL:
        refuse(shard, index, 404, b"nothing is here")
    elif offer_standing(offer, asked) == STANDING_READY:
        send_answer(shard, index, offer_answer(offer, asked), asked)
    else:
        refuse(shard, index, 400, b"these directives cannot be followed")


cdef inline void park(
    Shard *shard, uint32_t index, PathEntry *entry, const Offer *offer, const Asked *asked
) noexcept nogil:
    cdef uint32_t item = waiter_join(&shard.waiters, entry, index, asked)
    if item == NO_WAITER:
        shard.counters.http_waits_refused += 1
        refuse(shard, index, 503, b"too many requests wait")
        return
    shard.counters.http_waits += 1
    shard.counters.waiting += 1
    shard.slab.colds[index].record = item
    shard.slab.conns[index].state = CONN_WAITING
    set_deadline(shard, index, offer.wait_ms)
    ng_fence()
    if entry_offer(entry) != offer:
        room_news(&shard.waiters, room_of(entry))  # it came in between, and nobody was told


cdef inline PathEntry *find_entry(Shard *shard, const Request *request) noexcept nogil:
    """That of the target as sent, else of its path."""
    cdef PathTable *table = <PathTable *> ng_load_pointer(<void **> &shard.hub.paths)
    cdef PathEntry *entry = table_find(
        table, request.target.data, request.target.bytes, shard.hub.seed)
    if entry == NULL and request.path.bytes != request.target.bytes:
        entry = table_find(table, request.path.data, request.path.bytes, shard.hub.seed)
    return entry


cdef inline void answer_path(Shard *shard, uint32_t index, const Request *request) noexcept nogil:
    cdef PathEntry *entry = find_entry(shard, request)
    cdef Offer *offer = entry_offer(entry) if entry != NULL else NULL
    cdef ConnCold *cold = &shard.slab.colds[index]
    cdef Asked asked
    memset(&asked, 0, sizeof(Asked))
    parse_directives(request.query, &asked)
    cold.rate_messages += 1
    if request.method == METHOD_HEAD:
        asked.flags |= ASKED_HEAD
    if request.connection_close or cold.rate_messages >= REQUESTS_PER_CONNECTION:
        asked.flags |= ASKED_LAST
    if offer != NULL and offer_standing(offer, &asked) == STANDING_EARLY:
        park(shard, index, entry, offer, &asked)
    else:
        settle(shard, index, offer, &asked)


cdef inline void release(Shard *shard, uint32_t item) noexcept nogil:
    """Its path has something new: perhaps what was asked for."""
    cdef Waiter *waiter = &shard.waiters.items[item]
    cdef Offer *offer = entry_offer(waiter.entry)
    cdef Asked asked = waiter.asked
    cdef uint32_t index = waiter.conn
    if offer != NULL and offer_standing(offer, &asked) == STANDING_EARLY:
        waiter_back(&shard.waiters, item)
        return
    wait_no_more(shard, index)
    if shard.slab.conns[index].state == CONN_WAITING:  # not doomed since
        shard.slab.conns[index].state = CONN_HEAD
        settle(shard, index, offer, &asked)


cdef inline void release_waiting(Shard *shard) noexcept nogil:
    cdef int done = 0
    collect_news(&shard.waiters)
    while done < RELEASES_PER_TURN and any_due(&shard.waiters):
        done += 1
        release(shard, shard.waiters.items[DUE].next)

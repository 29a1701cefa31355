"""A channel: a named log of publications, with one writer and as many readers as there are shards.

The ring holds the publications [tail, head). The writer (the control plane) fills a slot, then
moves head; before it reuses one it moves tail. Readers keep cursors and take no lock: they load
head, then the slot, and know by the payload's own offset whether the slot was reused meanwhile.
What leaves the ring is freed by reclaim.pxd when no shard can still be looking at it.

Offsets start at 1, so that 0 is the position before the first publication.

A view of a channel has a name, a tick and members of its own, and the channel's log. Channels whose
publications show the same at different rates are the rungs of a ladder: their sync points are of
the same groups, and there a reader may change from one to another (rung.pxd).

A log may have a second one beside it, of the same publications as pushes of the client protocol.
The two move together, so that an offset is the same in both. Whoever speaks that protocol is a
member of the second, and everything else about a channel is the same for it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from ngage_core.atomic cimport ng_load, ng_load_pointer, ng_store, ng_store_pointer
from ngage_core.limits cimport (
    CHANNELS_MAX, CHANNEL_NAME_BYTES_MAX, SYNCS_KEPT, VIEWS_MAX,
)
from ngage_core.payload cimport Payload, payload_age_ms

cdef enum:
    NAME_SLOTS = 2 * CHANNELS_MAX  # open addressing at half load


cdef struct Channel:
    # Written by the publisher, read by every shard.
    uint64_t head  # the offset the next publication will have
    uint64_t tail  # the oldest one held
    uint64_t sync  # the newest sync point, 0 for none
    uint64_t syncs[SYNCS_KEPT]  # the newest ones, by their number
    uint64_t sync_count
    Payload **ring
    uint64_t mask
    Payload *preamble
    uint64_t preamble_version  # 0: none was ever set
    uint64_t preamble_first  # the offset it is for, and those that follow
    uint32_t lag
    uint32_t lag_ms  # the age at which `lag` applies to what comes next; 0: the log's end alone
    uint32_t tick_ms
    uint32_t id
    uint32_t epoch
    # The rest is of a view, or of the channel as its own first view.
    Channel *log  # where its publications are
    Channel *below  # the rungs beside it
    Channel *above
    uint32_t rung  # 0 is the highest
    bint last_resort  # the rung for who can take next to nothing
    bint hidden  # from the raw protocol
    bint cache  # who joins begins with the newest publication
    Channel *viewers  # where who joins is counted; NULL: nowhere
    uint64_t unique  # viewers that say who they are, each once
    uint64_t unnamed  # connections that do not
    uint64_t monitors  # connections that are no viewers
    Channel *pushes  # of a log: the one beside it
    uint32_t push_head_bytes  # of such a one: what stands before the publication in each push
    # The publisher's own.
    Channel *views[VIEWS_MAX]  # of this log
    uint32_t view_count
    uint64_t held_bytes
    uint64_t bytes_max
    bint deflate
    uint32_t name_bytes
    uint8_t name[CHANNEL_NAME_BYTES_MAX + 1]


cdef inline bint channel_name_valid(const uint8_t *name, size_t size) noexcept nogil:
    """Printable ASCII that is safe in a path, a log line and a NATS subject."""
    cdef size_t i
    cdef uint8_t c
    if size == 0 or size > CHANNEL_NAME_BYTES_MAX:
        return False
    for i in range(size):
        c = name[i]
        if not (48 <= c <= 58 or 64 <= c <= 90 or 97 <= c <= 122
                or c in (35, 36, 44, 45, 46, 61, 95, 126)):
            return False
    return True


cdef inline Channel *channel_create(
    uint32_t number, const uint8_t *name, size_t name_size, uint64_t ring_frames
) noexcept nogil:
    """`ring_frames` is a power of two. NULL: no memory."""
    cdef Channel *channel = view_create(number, name, name_size, NULL)
    if channel == NULL:
        return NULL
    channel.ring = <Payload **> calloc(ring_frames, sizeof(Payload *))
    if channel.ring == NULL:
        free(channel)
        return NULL
    channel.mask = ring_frames - 1
    channel.head = 1
    channel.tail = 1
    channel.log = channel
    channel_show(channel, channel)
    return channel


cdef inline Channel *view_create(
    uint32_t number, const uint8_t *name, size_t name_size, Channel *log
) noexcept nogil:
    """NULL: no memory."""
    cdef Channel *view = <Channel *> calloc(1, sizeof(Channel))
    if view != NULL:
        view.id = number
        view.name_bytes = <uint32_t> name_size
        view.log = log
        memcpy(view.name, name, name_size)
    return view


cdef inline void channel_show(Channel *log, Channel *view) noexcept nogil:
    log.views[log.view_count] = view
    log.view_count += 1


cdef inline Payload *channel_at(Channel *channel, uint64_t offset) noexcept nogil:
    """The publication at an offset, or NULL if it has left the ring."""
    cdef Payload *payload = <Payload *> ng_load_pointer(
        <void **> &channel.ring[offset & channel.mask])
    if payload == NULL or payload.offset != offset:
        return NULL
    return payload


cdef inline uint64_t channel_sync_of(Channel *channel, uint64_t group) noexcept nogil:
    """Where a group begins, or 0: it is not there, or no more."""
    cdef uint64_t count = ng_load(&channel.sync_count), back, offset
    cdef Payload *payload
    for back in range(1, min(count, <uint64_t> SYNCS_KEPT) + 1):
        offset = ng_load(&channel.syncs[(count - back) % SYNCS_KEPT])
        payload = channel_at(channel, offset)
        if payload != NULL and payload.sync and payload.group == group:
            return offset
    return 0


cdef inline uint64_t channel_since(
    Channel *channel, uint64_t first, uint64_t head, uint32_t now_ms, uint32_t age_ms
) noexcept nogil:
    """The oldest publication from `first` on that is at most `age_ms` old; `head`: none is."""
    cdef uint64_t middle
    cdef Payload *payload
    while first < head:
        middle = first + (head - first) // 2
        payload = channel_at(channel, middle)
        if payload == NULL or payload_age_ms(payload, now_ms) > <int64_t> age_ms:
            first = middle + 1
        else:
            head = middle
    return first


cdef inline Payload *channel_evict(Channel *channel) noexcept nogil:
    """Take the oldest publication off the log; the caller retires it."""
    cdef uint64_t oldest = channel.tail
    cdef Payload *payload = channel.ring[oldest & channel.mask]
    ng_store(&channel.tail, oldest + 1)
    ng_store_pointer(<void **> &channel.ring[oldest & channel.mask], NULL)
    channel.held_bytes -= payload.plain_bytes + payload.deflated_bytes
    return payload


cdef inline bint channel_full_for(const Channel *channel, uint64_t size) noexcept nogil:
    if channel.head == channel.tail:
        return False
    return (channel.head - channel.tail > channel.mask
            or channel.held_bytes + size > channel.bytes_max)


cdef inline uint64_t channel_append(Channel *channel, Payload *payload) noexcept nogil:
    cdef uint64_t offset = channel.head
    payload.offset = offset
    channel.held_bytes += payload.plain_bytes + payload.deflated_bytes
    ng_store_pointer(<void **> &channel.ring[offset & channel.mask], payload)
    if payload.sync:
        ng_store(&channel.syncs[channel.sync_count % SYNCS_KEPT], offset)
        ng_store(&channel.sync_count, channel.sync_count + 1)
        ng_store(&channel.sync, offset)
    ng_store(&channel.head, offset + 1)
    return offset


# Names: an insert-only table, so that a handshake finds its channel without a lock.

cdef inline uint64_t bytes_hash(const uint8_t *data, size_t size, uint64_t seed) noexcept nogil:
    """FNV-1a from a secret start, with a final mix (murmur3's) since only low bits are used."""
    cdef uint64_t mixed = seed ^ <uint64_t> 0xCBF29CE484222325
    cdef size_t i
    for i in range(size):
        mixed = (mixed ^ data[i]) * <uint64_t> 0x100000001B3
    mixed ^= mixed >> 33
    mixed *= <uint64_t> 0xFF51AFD7ED558CCD
    return mixed ^ mixed >> 33


cdef inline Channel *channel_named(
    uint64_t *names, Channel **channels, uint64_t seed, const uint8_t *name, size_t size
) noexcept nogil:
    cdef uint64_t slot = bytes_hash(name, size, seed) & (NAME_SLOTS - 1)
    cdef uint64_t entry
    cdef Channel *channel
    while True:
        entry = ng_load(&names[slot])
        if entry == 0:
            return NULL
        channel = channels[entry - 1]
        if channel.name_bytes == size and memcmp(channel.name, name, size) == 0:
            return channel
        slot = (slot + 1) & (NAME_SLOTS - 1)


cdef inline void channel_enter_name(
    uint64_t *names, uint64_t seed, const Channel *channel
) noexcept nogil:
    cdef uint64_t slot = bytes_hash(channel.name, channel.name_bytes, seed) & (NAME_SLOTS - 1)
    while names[slot]:
        slot = (slot + 1) & (NAME_SLOTS - 1)
    ng_store(&names[slot], <uint64_t> channel.id + 1)

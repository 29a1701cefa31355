"""A shard: the thread that owns a listener, a poller, a slab of connections and their descriptors.

Everything here belongs to that thread alone, but for what is marked otherwise.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc

from ngage_core.atomic cimport ng_load_seq, ng_or_seq, ng_store_seq
from ngage_core.buckets cimport Bucket
from ngage_core.conn cimport NONE, Conn, ConnCold, Slab
from ngage_core.counters cimport Counters
from ngage_core.deflate cimport Buffer, z_stream
from ngage_core.frame cimport FrameLimits, Inbound, inbound_clear, inbound_drop_data
from ngage_core.hub cimport Hub
from ngage_core.identity cimport Identities, Identity
from ngage_core.limits cimport (
    CHANNELS_MAX, COMMAND_RING, EVENT_RING, PLAN_FRAMES_MAX, POOLED_STATES_MAX,
    REACTION_EVENTS_MAX, REACTION_KINDS_MAX, READ_BUFFER_BYTES, REFUSALS_PER_SHARD, SEND_BATCH,
    STAGING_BYTES, SUBSCRIPTIONS_PER_SLOT,
)
from ngage_core.members cimport Members, Subscription, Subscriptions
from ngage_core.outbox cimport Outbox, outbox_clear
from ngage_core.payload cimport Payload, payload_release
from ngage_core.poller cimport PollerOps
from ngage_core.reclaim cimport RECLAIM_ASLEEP
from ngage_core.ring cimport Command, Message, Ring
from ngage_core.sysio cimport pthread_t, sem_t, sys_release, sys_reserve
from ngage_core.vote cimport VotesPort
from ngage_core.waiters cimport FIRST_WAITER, Waiter, Waiters, room_news, waiters_open
from ngage_core.wheel cimport Wheel

cdef enum:
    DIRTY_WORDS = CHANNELS_MAX // 64
    DIRTY_SUMMARY = DIRTY_WORDS // 64
    REACTION_SLOTS = REACTION_EVENTS_MAX * REACTION_KINDS_MAX


# The bytes that take a cursor from `first` to `after`: in place, or copied to the staging. And who
# stands at that cursor and is to be sent them, until there are enough of them for a batch.
cdef struct Plan:
    Members *members
    uint64_t first
    uint64_t after
    uint64_t head  # the channel's when it was made
    bint deflated
    bint sync  # a sync point is among them
    int flags  # of the sends
    uint8_t *data
    size_t bytes
    uint32_t count
    Payload *frames[PLAN_FRAMES_MAX]  # what the bytes are made of, good for the turn
    uint32_t waiting
    uint32_t items[SEND_BATCH]  # their subscriptions
    int fds[SEND_BATCH]


# Slots waiting for something; as long as the slab, since a flag keeps each in once.
cdef struct IndexList:
    uint32_t *items
    uint32_t count


cdef struct Drain:
    bint on
    uint32_t next
    uint32_t per_step
    uint64_t due_ms
    int code
    Payload *reason


cdef struct Shard:
    # Shared with the control plane, each on a cache line of its own.
    uint64_t seen  # reclaim epoch, or RECLAIM_ASLEEP
    uint64_t pad_a[7]
    uint64_t sleeping  # 1: only a wake brings it back before its time
    uint64_t pad_b[7]
    uint64_t dirty_summary[DIRTY_SUMMARY]  # channels with something new, set by the publisher
    uint64_t dirty[DIRTY_WORDS]
    Waiters waiters
    Ring commands_ring
    Ring events_ring
    uint64_t event_bytes  # held by messages under way to the control plane
    Command *commands
    Message **events
    Members **members  # by channel number; added by this thread, read by both
    Counters counters
    uint64_t reactions[REACTION_SLOTS]  # by event and kind; written by this thread, read by both
    int wake_fd
    # The thread's own.
    Hub *hub
    const PollerOps *ops
    void *poller
    uint32_t number
    int64_t start_status  # 0, or -errno of what start failed at
    sem_t started
    pthread_t thread
    bint running
    int listener
    int inbox  # what other shards pass on comes here; -1: an edge of one shard
    int spare_fd  # given up to accept and refuse when descriptors run out
    bint accepting
    uint64_t accept_again_ms  # 0: the listener is being watched
    uint64_t now_ms
    uint64_t turn
    Slab slab
    Subscriptions subscriptions
    Bucket connects
    Identities identities
    VotesPort *votes_port  # NULL: votes are not taken
    Wheel wheel
    IndexList writes
    IndexList reads
    IndexList paused
    IndexList doomed
    uint32_t *active  # channels to sweep, first in first served
    uint32_t active_first
    uint32_t active_count
    bint sweeping  # the last turn left a sweep unfinished
    uint64_t quantum_ended_us  # in CPU time
    Plan plans[2]
    uint8_t *staging[2]
    uint8_t *read_buffer
    Inbound *free_inbound
    uint32_t free_inbound_count
    Outbox *free_outbox
    uint32_t free_outbox_count
    z_stream inflater
    z_stream deflaters[7]  # by window bits - 9, opened when first needed
    bint deflater_open[7]
    Buffer inflated
    Buffer deflated
    FrameLimits raw_limits
    FrameLimits echo_limits
    Drain drain
    bint events_pushed
    bint retry_soon  # a write met ENOBUFS: the poller will not call


cdef inline uint32_t shard_slots(const Hub *hub) noexcept nogil:
    return hub.options.connections_per_shard + REFUSALS_PER_SHARD


cdef inline size_t waiter_slots(const Hub *hub) noexcept nogil:
    return <size_t> FIRST_WAITER + hub.options.waiting_per_shard


cdef inline bint shard_allocate(Shard *shard) noexcept nogil:
    """Reserve and allocate everything; False leaves what it got to shard_free()."""
    cdef size_t slots = shard_slots(shard.hub)
    shard.slab.capacity = <uint32_t> slots
    shard.slab.free = <uint32_t> NONE
    shard.slab.conns = <Conn *> sys_reserve(slots * sizeof(Conn))
    shard.slab.colds = <ConnCold *> sys_reserve(slots * sizeof(ConnCold))
    shard.subscriptions.capacity = <uint32_t> (slots * SUBSCRIPTIONS_PER_SLOT)
    shard.subscriptions.free = <uint32_t> NONE
    shard.subscriptions.items = <Subscription *> sys_reserve(
        slots * SUBSCRIPTIONS_PER_SLOT * sizeof(Subscription))
    shard.identities.capacity = <uint32_t> slots
    shard.identities.items = <Identity *> sys_reserve((slots + 1) * sizeof(Identity))
    shard.waiters.items = <Waiter *> sys_reserve(waiter_slots(shard.hub) * sizeof(Waiter))
    shard.commands = <Command *> sys_reserve(COMMAND_RING * sizeof(Command))
    shard.commands_ring.capacity = COMMAND_RING
    shard.events = <Message **> sys_reserve(EVENT_RING * sizeof(void *))
    shard.events_ring.capacity = EVENT_RING
    shard.members = <Members **> sys_reserve(CHANNELS_MAX * sizeof(void *))
    shard.active = <uint32_t *> sys_reserve(CHANNELS_MAX * sizeof(uint32_t))
    shard.writes.items = <uint32_t *> sys_reserve(slots * sizeof(uint32_t))
    shard.reads.items = <uint32_t *> sys_reserve(slots * sizeof(uint32_t))
    shard.paused.items = <uint32_t *> sys_reserve(slots * sizeof(uint32_t))
    shard.doomed.items = <uint32_t *> sys_reserve(slots * sizeof(uint32_t))
    shard.staging[0] = <uint8_t *> malloc(STAGING_BYTES)
    shard.staging[1] = <uint8_t *> malloc(STAGING_BYTES)
    shard.read_buffer = <uint8_t *> malloc(READ_BUFFER_BYTES)
    shard.seen = <uint64_t> RECLAIM_ASLEEP
    if shard.waiters.items != NULL:
        waiters_open(&shard.waiters, shard.hub.options.waiting_per_shard)
    return not (
        shard.slab.conns == NULL or shard.slab.colds == NULL or shard.subscriptions.items == NULL
        or shard.identities.items == NULL or shard.waiters.items == NULL
        or shard.commands == NULL or shard.events == NULL
        or shard.members == NULL or shard.active == NULL or shard.writes.items == NULL
        or shard.reads.items == NULL or shard.paused.items == NULL or shard.doomed.items == NULL
        or shard.staging[0] == NULL or shard.staging[1] == NULL or shard.read_buffer == NULL)


cdef inline void shard_release(Shard *shard) noexcept nogil:
    """Give everything back; the thread has ended and its connections are closed."""
    cdef size_t slots = shard.slab.capacity
    cdef Inbound *inbound
    cdef Outbox *outbox
    cdef uint64_t number
    for number in range(shard.hub.channel_count if shard.members != NULL else 0):
        if shard.members[number] != NULL:
            free(shard.members[number].items)
            if shard.members[number].close_reason != NULL:
                payload_release(shard.members[number].close_reason)
            free(shard.members[number])
    while shard.free_inbound != NULL:
        inbound = shard.free_inbound
        shard.free_inbound = inbound.next_free
        free(inbound)
    while shard.free_outbox != NULL:
        outbox = shard.free_outbox
        shard.free_outbox = outbox.next_free
        free(outbox)
    sys_release(shard.slab.conns, slots * sizeof(Conn))
    sys_release(shard.slab.colds, slots * sizeof(ConnCold))
    sys_release(shard.subscriptions.items, slots * SUBSCRIPTIONS_PER_SLOT * sizeof(Subscription))
    sys_release(shard.identities.items, (slots + 1) * sizeof(Identity))
    sys_release(shard.waiters.items, waiter_slots(shard.hub) * sizeof(Waiter))
    sys_release(shard.commands, COMMAND_RING * sizeof(Command))
    sys_release(shard.events, EVENT_RING * sizeof(void *))
    sys_release(shard.members, CHANNELS_MAX * sizeof(void *))
    sys_release(shard.active, CHANNELS_MAX * sizeof(uint32_t))
    sys_release(shard.writes.items, slots * sizeof(uint32_t))
    sys_release(shard.reads.items, slots * sizeof(uint32_t))
    sys_release(shard.paused.items, slots * sizeof(uint32_t))
    sys_release(shard.doomed.items, slots * sizeof(uint32_t))
    free(shard.staging[0])
    free(shard.staging[1])
    free(shard.read_buffer)
    free(shard.inflated.data)
    free(shard.deflated.data)


# The pools of what a connection has only while something is unfinished.

cdef inline Inbound *take_inbound(Shard *shard) noexcept nogil:
    cdef Inbound *state = shard.free_inbound
    if state != NULL:
        shard.free_inbound = state.next_free
        shard.free_inbound_count -= 1
    else:
        state = <Inbound *> calloc(1, sizeof(Inbound))
        if state == NULL:
            return NULL
    inbound_clear(state)
    shard.counters.inbound_states += 1
    return state


cdef inline void give_inbound(Shard *shard, Inbound *state) noexcept nogil:
    shard.counters.inbound_states -= 1
    shard.counters.held_bytes -= state.capacity
    inbound_drop_data(state)
    if shard.free_inbound_count >= POOLED_STATES_MAX:
        free(state)
        return
    state.next_free = shard.free_inbound
    shard.free_inbound = state
    shard.free_inbound_count += 1


cdef inline Outbox *take_outbox(Shard *shard) noexcept nogil:
    cdef Outbox *outbox = shard.free_outbox
    if outbox != NULL:
        shard.free_outbox = outbox.next_free
        shard.free_outbox_count -= 1
    else:
        outbox = <Outbox *> malloc(sizeof(Outbox))
        if outbox == NULL:
            return NULL
    outbox.first = NULL
    outbox.last = NULL
    outbox.bytes = 0
    outbox.cost = 0
    outbox.control_bytes = 0
    shard.counters.outboxes += 1
    return outbox


cdef inline void give_outbox(Shard *shard, Outbox *outbox) noexcept nogil:
    shard.counters.outboxes -= 1
    outbox_clear(outbox)
    if shard.free_outbox_count >= POOLED_STATES_MAX:
        free(outbox)
        return
    outbox.next_free = shard.free_outbox
    shard.free_outbox = outbox
    shard.free_outbox_count += 1


cdef inline void list_add(IndexList *waiting, uint32_t index) noexcept nogil:
    waiting.items[waiting.count] = index
    waiting.count += 1


# Called by the control plane.

cdef inline void shard_wake(Shard *shard) noexcept nogil:
    if ng_load_seq(&shard.sleeping):
        ng_store_seq(&shard.sleeping, 0)
        shard.ops.wake(shard.wake_fd)


cdef inline void shard_mark_dirty(Shard *shard, uint32_t channel) noexcept nogil:
    """Something new in a channel, for a shard that has members in it."""
    ng_or_seq(&shard.dirty[channel >> 6], <uint64_t> 1 << (channel & 63))
    ng_or_seq(&shard.dirty_summary[channel >> 12], <uint64_t> 1 << (channel >> 6 & 63))


cdef inline void shard_tell_waiters(Shard *shard, uint32_t room) noexcept nogil:
    """Something new at a path, for a shard in which somebody waits for it or its neighbours."""
    room_news(&shard.waiters, room)
    shard_wake(shard)

"""The writer's side of everything shared, below Python: what the engine does with the shards.

One thread at a time (the engine's caller holds the GIL). Whatever is taken out of the shards' sight
is retired here, and freed at the next call that finds every shard past it.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ngage_core.atomic cimport ng_fence, ng_load, ng_store, ng_store_pointer
from ngage_core.channel cimport Channel, channel_append, channel_at, channel_evict, channel_full_for
from ngage_core.hub cimport Hub, Rules
from ngage_core.offer cimport Offer, offer_release
from ngage_core.paths cimport (
    PathEntry, PathTable, entry_create, entry_release, entry_replace, table_copy, table_enter,
    table_find,
)
from ngage_core.payload cimport Payload, payload_release, payload_retain
from ngage_core.presence cimport presence_free
from ngage_core.reclaim cimport (
    RECLAIM_ASLEEP, RETIRED_ENTRY, RETIRED_MEMORY, RETIRED_OFFER, RETIRED_PAYLOAD, reclaim_seen,
    retire,
)
from ngage_core.ring cimport (
    COMMAND_STOP, Command, message_free, ring_free, ring_pop_at, ring_popped, ring_push_at,
    ring_pushed, ring_waiting,
)
from ngage_core.shard cimport (
    Shard, shard_allocate, shard_mark_dirty, shard_release, shard_tell_waiters, shard_wake,
)
from ngage_core.span cimport Span
from ngage_core.sysio cimport (
    SOL_SOCKET, SO_REUSEADDR, pthread_create, pthread_join, sem_destroy, sem_init, sem_wait,
    sys_bind, sys_close, sys_eventfd, sys_listen, sys_local_name, sys_option, sys_socket,
    sys_now_ms, sys_yield,
)
from ngage_core.thread cimport listener_open, thread_main
from ngage_core.vote cimport Wake
from ngage_core.waiters cimport room_of


cdef struct Control:
    Hub hub
    Shard **shards
    uint32_t running


cdef inline void reclaim(Control *control) noexcept nogil:
    cdef uint64_t oldest = <uint64_t> RECLAIM_ASLEEP, seen
    cdef uint32_t number
    ng_fence()
    for number in range(control.running):
        seen = ng_load(&control.shards[number].seen)
        oldest = seen if seen < oldest else oldest
    reclaim_seen(&control.hub.reclaim, oldest)


# Starting and ending.

cdef inline int64_t claim_port(Control *control, bint share) noexcept nogil:
    """Bind the port without serving it, to learn which one; a descriptor to close later, or -errno.

    SO_REUSEPORT would let a second daemon of the same user join in silently, so unless the port is
    to be shared, it is first asked for without.
    """
    cdef int64_t fd, status
    if not share:
        fd = sys_socket(control.hub.options.address.ss_family)
        if fd < 0:
            return fd
        sys_option(<int> fd, SOL_SOCKET, SO_REUSEADDR, 1)
        status = sys_bind(
            <int> fd, &control.hub.options.address, control.hub.options.address_bytes)
        if status >= 0:
            status = sys_listen(<int> fd, 1)
        sys_close(<int> fd)
        if status < 0:
            return status
    fd = listener_open(&control.hub.options)
    if fd >= 0:
        sys_local_name(<int> fd, &control.hub.options.address)
    return fd


cdef inline void wake_shard(void *who) noexcept nogil:
    """What the votes thread calls when there are answers for it."""
    shard_wake(<Shard *> who)


cdef inline void join_votes(Control *control, Shard *shard) noexcept nogil:
    if control.hub.votes != NULL:
        shard.votes_port = &control.hub.votes.ports[shard.number]
        shard.votes_port.who = shard
        ng_store_pointer(&shard.votes_port.wake, <void *> <Wake> wake_shard)


cdef inline int64_t start_shard(Control *control) noexcept nogil:
    """One more shard, listening when this returns. 0 or -errno."""
    cdef Shard *shard = <Shard *> calloc(1, sizeof(Shard))
    cdef int64_t status = -ENOMEM
    if shard == NULL:
        return status
    shard.hub = &control.hub
    shard.ops = control.hub.options.backend
    shard.number = control.running
    shard.wake_fd = -1
    join_votes(control, shard)
    if shard_allocate(shard):
        status = sys_eventfd()
        if status >= 0:
            shard.wake_fd = <int> status
            sem_init(&shard.started, 0, 0)
            status = -pthread_create(&shard.thread, NULL, thread_main, shard)
    if status < 0:
        if shard.wake_fd >= 0:
            sys_close(shard.wake_fd)
        shard_release(shard)
        free(shard)
        return status
    sem_wait(&shard.started)
    control.shards[control.running] = shard
    control.running += 1
    return shard.start_status


cdef inline void end_shards(Control *control) noexcept nogil:
    """Stop every thread and free what it had."""
    cdef uint32_t number
    cdef Command command
    cdef Shard *shard
    memset(&command, 0, sizeof(Command))
    command.kind = COMMAND_STOP
    push_to_all(control, &command)
    for number in range(control.running):
        shard = control.shards[number]
        pthread_join(shard.thread, NULL)
        sem_destroy(&shard.started)
        while ring_waiting(&shard.events_ring):
            message_free(shard.events[ring_pop_at(&shard.events_ring)])
            ring_popped(&shard.events_ring)
        sys_close(shard.wake_fd)
        shard_release(shard)
        free(shard)
    control.running = 0


# Commands.

cdef inline bint push(Control *control, uint64_t number, const Command *command) noexcept nogil:
    """False: the shard's ring is full, and the payload is still the caller's."""
    cdef Shard *shard = control.shards[number]
    if ring_free(&shard.commands_ring) == 0:
        shard_wake(shard)
        return False
    shard.commands[ring_push_at(&shard.commands_ring)] = command[0]
    ring_pushed(&shard.commands_ring)
    ng_fence()
    shard_wake(shard)
    return True


cdef inline void push_to_all(Control *control, const Command *command) noexcept nogil:
    """To every shard, each with a reference of its own to the payload, whose first is given up.

    It must arrive, so a full ring is waited for: a shard makes room within a turn.
    """
    cdef uint32_t number
    for number in range(control.running):
        if control.shards[number].start_status == 0:
            if command.payload != NULL:
                payload_retain(command.payload)
            while not push(control, number, command):
                sys_yield()
    if command.payload != NULL:
        payload_release(command.payload)


# Publishing.

cdef inline bint deflate_wanted(const Control *control) noexcept nogil:
    """Whether anybody here could be sent a deflated variant."""
    cdef uint32_t number
    for number in range(control.running):
        if control.shards[number].counters.deflate_clients:
            return True
    return False


cdef inline void evict(Control *control, Channel *log) noexcept nogil:
    retire(&control.hub.reclaim, channel_evict(log), RETIRED_PAYLOAD)
    if log.pushes != NULL:
        retire(&control.hub.reclaim, channel_evict(log.pushes), RETIRED_PAYLOAD)


cdef inline uint64_t publish(
    Control *control, Channel *channel, Payload *payload, Payload *push
) noexcept nogil:
    """Append, making room at the other end, and tell the shards that have members; the offset.

    `push` is for the log beside it, where there is one; ring_bytes does not count it.
    """
    cdef uint64_t size = payload.plain_bytes + payload.deflated_bytes
    cdef uint64_t offset
    cdef uint32_t number
    while channel_full_for(channel, size):
        evict(control, channel)
    if channel.lag_ms:
        payload.published_ms = <uint32_t> sys_now_ms()
    if channel.pushes != NULL:
        push.published_ms = payload.published_ms
        channel_append(channel.pushes, push)
    offset = channel_append(channel, payload)
    ng_fence()
    for number in range(control.running):
        tell_members(control.shards[number], channel)
    reclaim(control)
    return offset


cdef inline void tell_members(Shard *shard, const Channel *log) noexcept nogil:
    """Something new for those who see this log, in whichever view or as pushes."""
    cdef bint any = False
    cdef uint32_t i, id
    if log.pushes != NULL:
        id = log.pushes.id
        if shard.members[id] != NULL and ng_load(&shard.members[id].count):
            shard_mark_dirty(shard, id)
            any = True
    for i in range(log.view_count):
        id = log.views[i].id
        if shard.members[id] != NULL and ng_load(&shard.members[id].count):
            shard_mark_dirty(shard, id)
            any = True
    if any:
        shard_wake(shard)


cdef inline void set_preamble(Control *control, Channel *channel, Payload *payload) noexcept nogil:
    cdef Payload *old = channel.preamble
    ng_store_pointer(<void **> &channel.preamble, payload)
    ng_store(&channel.preamble_first, channel.head)
    ng_store(&channel.preamble_version, channel.preamble_version + 1)
    retire(&control.hub.reclaim, old, RETIRED_PAYLOAD)
    reclaim(control)


cdef inline uint64_t count_members(const Control *control, uint32_t id) noexcept nogil:
    cdef uint64_t count = 0
    cdef uint32_t number
    for number in range(control.running):
        if control.shards[number].members[id] != NULL:
            count += ng_load(&control.shards[number].members[id].count)
    return count


cdef inline uint64_t count_subscribers(const Control *control, const Channel *rung) noexcept nogil:
    """In every view of a channel and of the rungs below it, and of its pushes; of a view, its own.
    """
    cdef uint64_t count = 0
    cdef uint32_t i
    if rung.log != rung:
        return count_members(control, rung.id)
    while rung != NULL:
        for i in range(rung.view_count):
            count += count_members(control, rung.views[i].id)
        if rung.pushes != NULL:
            count += count_members(control, rung.pushes.id)
        rung = rung.below
    return count


# Answers and rules.

cdef inline void replace_paths(Control *control, PathTable *table) noexcept nogil:
    cdef PathTable *old = control.hub.paths
    ng_store_pointer(<void **> &control.hub.paths, table)
    retire(&control.hub.reclaim, old, RETIRED_MEMORY)


cdef inline void tell_waiters(Control *control, const PathEntry *entry) noexcept nogil:
    """The entry's offer is another: wake the shards in which somebody waits for it."""
    cdef uint32_t room = room_of(entry)
    cdef uint32_t number
    ng_fence()
    for number in range(control.running):
        if ng_load(&control.shards[number].waiters.counts[room]):
            shard_tell_waiters(control.shards[number], room)


cdef inline bint put_offer(Control *control, Span path, Offer *offer) noexcept nogil:
    """False: no memory, and the offer is still the caller's."""
    cdef PathEntry *entry = table_find(
        control.hub.paths, path.data, path.bytes, control.hub.seed)
    cdef PathTable *table
    if entry != NULL:
        retire(&control.hub.reclaim, entry_replace(entry, offer), RETIRED_OFFER)
        tell_waiters(control, entry)
    else:
        entry = entry_create(path.data, path.bytes, control.hub.seed, offer)
        table = table_copy(control.hub.paths, control.hub.paths.count + 1, NULL)
        if entry == NULL or table == NULL:
            free(entry)
            free(table)
            return False
        table_enter(table, entry)
        replace_paths(control, table)
    reclaim(control)
    return True


cdef inline bint remove_path(Control *control, PathEntry *entry) noexcept nogil:
    """Who waits for it is told that it is no more. False: no memory."""
    cdef PathTable *table = table_copy(control.hub.paths, control.hub.paths.count, entry)
    if table == NULL:
        return False
    replace_paths(control, table)
    retire(&control.hub.reclaim, entry_replace(entry, NULL), RETIRED_OFFER)
    tell_waiters(control, entry)
    retire(&control.hub.reclaim, entry, RETIRED_ENTRY)
    reclaim(control)
    return True


cdef inline void replace_rules(Control *control, Rules *rules) noexcept nogil:
    cdef Rules *old = control.hub.rules
    ng_store_pointer(<void **> &control.hub.rules, rules)
    retire(&control.hub.reclaim, old, RETIRED_MEMORY)
    reclaim(control)


# The end.

cdef inline void free_shared(Control *control) noexcept nogil:
    """Everything the shards shared, after the last of them."""
    cdef uint64_t number, offset
    cdef Channel *channel
    cdef PathTable *paths = control.hub.paths
    reclaim(control)
    free(control.hub.reclaim.queue)
    for number in range(control.hub.channel_count):
        channel = control.hub.channels[number]
        if channel.log != channel:
            free(channel)
            continue
        for offset in range(channel.tail, channel.head):
            payload_release(channel_at(channel, offset))
        if channel.preamble != NULL:
            payload_release(channel.preamble)
        free(channel.ring)
        free(channel)
    if paths != NULL:
        for number in range(paths.mask + 1):
            if paths.slots[number] != NULL:
                offer_release(paths.slots[number].offer)
                entry_release(paths.slots[number])
    free(paths)
    presence_free(&control.hub.presence)
    free(control.hub.rules)
    free(control.hub.inboxes)
    free(control.shards)

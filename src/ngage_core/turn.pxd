"""One turn of a shard, in its fixed order:

  commands - what is new in channels, and at paths that are waited for - poll - accept and read -
  deadlines - a quantum of the sweep - sockets with something to write - reap - tell the control
  plane - sleep

Reading comes before judging deadlines, writing after both, and nothing is freed before the end. A
turn is bounded by the *_PER_TURN limits, so the worst a handshake waits for is one quantum.
"""

from libc.errno cimport EAGAIN, ECONNABORTED
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset

from ngage_core.atomic cimport ng_fence, ng_load, ng_store, ng_store_seq
from ngage_core.codes cimport CLOSE_SLOW
from ngage_core.conn cimport (
    CONN_OPEN, F_BLOCKED, F_QUEUED, F_RESUME, KIND_NONE, KIND_REFUSED, NONE, Conn,
    handle_generation, handle_index,
)
from ngage_core.inbox cimport hand_on, take_handed_on
from ngage_core.ingest cimport read_conn
from ngage_core.lifecycle cimport conn_open, doom, reap, set_blocked
from ngage_core.limits cimport (
    ACCEPTS_PER_TURN, ACCEPTS_WHILE_SWEEPING, ACCEPT_PAUSE_MS, COMMANDS_PER_TURN, IDLE_TICKS_MAX,
    OUTBOX_BYTES_MAX, READY_PER_TURN, READY_WHILE_SWEEPING, WHEEL_TICK_MS,
)
from ngage_core.members cimport Members
from ngage_core.own cimport begin_close, own_share
from ngage_core.park cimport release_waiting
from ngage_core.payload cimport payload_plain, payload_release
from ngage_core.poller cimport READY_GONE, READY_READ, READY_WRITE, Ready
from ngage_core.reclaim cimport reclaim_asleep, reclaim_awake
from ngage_core.ring cimport (
    COMMAND_CLOSE, COMMAND_CLOSE_CHANNEL, COMMAND_DRAIN, COMMAND_SEND, Command, ring_pop_at,
    ring_popped, ring_waiting,
)
from ngage_core.shard cimport DIRTY_SUMMARY, Shard
from ngage_core.sweep cimport activate, collect_dirty, serve_active
from ngage_core.sysio cimport (
    AF_INET, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t, sys_close,
    sys_event_clear, sys_event_raise, sys_now_ms, sys_own_cpu_us, sys_peer_name,
    sys_spare_descriptor,
)
from ngage_core.timers cimport drain_begin, drain_step, drain_unfinished, try_paused, turn_wheel
from ngage_core.waiters cimport any_due, any_news
from ngage_core.wheel cimport tick_of, wheel_next
from ngage_core.write cimport write_conn

cdef enum:
    TAG_LISTENER = -1
    TAG_WAKE = -2
    TAG_INBOX = -3


# Commands.

cdef inline bint command_client(
    Shard *shard, const Command *command, uint32_t *index
) noexcept nogil:
    """The slot of a command's target, if the same client is still in it and open."""
    index[0] = handle_index(command.target)
    if (index[0] < shard.slab.touched
            and shard.slab.conns[index[0]].state == CONN_OPEN
            and shard.slab.conns[index[0]].generation == handle_generation(command.target)):
        return True
    shard.counters.late_commands += 1
    return False


cdef inline void command_send(Shard *shard, const Command *command) noexcept nogil:
    cdef uint32_t index
    cdef Conn *conn
    if not command_client(shard, command, &index):
        payload_release(command.payload)
        return
    conn = &shard.slab.conns[index]
    if conn.outbox != NULL and conn.outbox.bytes + command.payload.plain_bytes > OUTBOX_BYTES_MAX:
        payload_release(command.payload)
        shard.counters.slow_closed += 1
        begin_close(shard, index, CLOSE_SLOW, <const uint8_t *> b"slow", 4)
        return
    own_share(shard, index, command.payload, 0, command.payload.plain_bytes)


cdef inline void command_close(Shard *shard, const Command *command) noexcept nogil:
    cdef uint32_t index
    if command_client(shard, command, &index):
        write_conn(shard, index)
        begin_close(shard, index, command.code, payload_plain(command.payload),
                    command.payload.plain_bytes)
    payload_release(command.payload)


cdef inline void command_close_channel(Shard *shard, const Command *command) noexcept nogil:
    cdef Members *members = shard.members[command.target]
    if members == NULL or members.count == 0:
        payload_release(command.payload)
    else:
        if members.close_reason != NULL:
            payload_release(members.close_reason)
        members.close_reason = command.payload
        members.closing = <uint32_t> members.count
        members.close_code = command.code
        members.close_due_ms = shard.now_ms
        activate(shard, members)


cdef inline void take_commands(Shard *shard) noexcept nogil:
    cdef Command command
    cdef int done = 0
    while ring_waiting(&shard.commands_ring) and done < COMMANDS_PER_TURN:
        command = shard.commands[ring_pop_at(&shard.commands_ring)]
        ring_popped(&shard.commands_ring)
        done += 1
        if command.kind == COMMAND_SEND:
            command_send(shard, &command)
        elif command.kind == COMMAND_CLOSE:
            command_close(shard, &command)
        elif command.kind == COMMAND_CLOSE_CHANNEL:
            command_close_channel(shard, &command)
        elif command.kind == COMMAND_DRAIN:
            stop_accepting(shard)
            drain_begin(shard, command.code, command.payload, command.milliseconds)
        else:
            shard.running = False


# Accepting.

cdef inline void stop_accepting(Shard *shard) noexcept nogil:
    """What the kernel has queued is taken first: closing the listener would reset it."""
    if shard.listener < 0:
        return
    while accept_one(shard):
        pass
    if shard.accepting:
        shard.ops.remove(shard.poller, shard.listener)
    sys_close(shard.listener)
    shard.listener = -1
    shard.accepting = False
    shard.accept_again_ms = 0


cdef inline void pause_accepting(Shard *shard) noexcept nogil:
    if shard.accepting:
        shard.ops.remove(shard.poller, shard.listener)
        shard.accepting = False
    shard.accept_again_ms = shard.now_ms + ACCEPT_PAUSE_MS


cdef inline void resume_accepting(Shard *shard) noexcept nogil:
    if shard.accept_again_ms and shard.now_ms >= shard.accept_again_ms:
        shard.accept_again_ms = 0
        shard.accepting = shard.ops.add(
            shard.poller, shard.listener, <uint64_t> TAG_LISTENER, True) >= 0


cdef inline void out_of_descriptors(Shard *shard) noexcept nogil:
    """With the spare one, take callers off the queue and hang up: better than no answer."""
    cdef int64_t fd = 0
    cdef int taken = 0
    if shard.spare_fd >= 0:
        sys_close(shard.spare_fd)
        # accept(2) wants a descriptor before it looks at the queue, so there may be nobody in it.
        while fd >= 0 and taken < ACCEPTS_PER_TURN:
            taken += 1
            fd = shard.ops.accept(shard.poller, shard.listener, NULL, NULL)
            if fd >= 0:
                shard.counters.refused_descriptors += 1
                sys_close(<int> fd)
        shard.spare_fd = <int> sys_spare_descriptor(shard.wake_fd)
    pause_accepting(shard)


cdef inline void address_bytes(const sockaddr_storage *peer, uint8_t *address) noexcept nogil:
    if peer.ss_family == AF_INET:
        memset(address, 0, 10)
        memset(address + 10, 0xFF, 2)
        memcpy(address + 12, &(<const sockaddr_in *> peer).sin_addr, 4)
    else:
        memcpy(address, &(<const sockaddr_in6 *> peer).sin6_addr, 16)


cdef inline bint is_full(const Shard *shard) noexcept nogil:
    return shard.slab.used >= shard.hub.options.connections_per_shard


cdef inline void admit(Shard *shard, int fd, const sockaddr_storage *peer) noexcept nogil:
    """Begin with a connection; there is a slot for who is refused too, while they are few."""
    cdef uint8_t address[16]
    cdef uint8_t kind = KIND_NONE
    cdef uint32_t index
    if is_full(shard) or shard.drain.on:
        shard.counters.refused_full += 1
        kind = KIND_REFUSED
    address_bytes(peer, address)
    index = conn_open(shard, fd, address, kind)
    if index == <uint32_t> NONE:
        sys_close(fd)
    elif shard.ops.add(shard.poller, fd, index, False) < 0:
        doom(shard, index)


cdef inline bint accept_one(Shard *shard) noexcept nogil:
    """Whether another may be waiting."""
    cdef sockaddr_storage peer
    cdef socklen_t size = sizeof(sockaddr_storage)
    cdef int64_t fd = shard.ops.accept(shard.poller, shard.listener, <sockaddr *> &peer, &size)
    if fd < 0:
        if fd == -ECONNABORTED:
            return True
        if fd != -EAGAIN:
            out_of_descriptors(shard)
        return False
    shard.counters.accepted += 1
    if not is_full(shard) or not hand_on(shard, <int> fd):
        admit(shard, <int> fd, &peer)
    return True


cdef inline void accept_some(Shard *shard) noexcept nogil:
    cdef int taken = 0
    cdef int most = ACCEPTS_WHILE_SWEEPING if shard.sweeping else ACCEPTS_PER_TURN
    while shard.accepting and taken < most and accept_one(shard):
        taken += 1


cdef inline void empty_inbox(Shard *shard) noexcept nogil:
    """What other shards had no room for. Level-triggered, so what is left comes next turn."""
    cdef sockaddr_storage peer
    cdef int taken = 0
    cdef int most = ACCEPTS_WHILE_SWEEPING if shard.sweeping else ACCEPTS_PER_TURN
    cdef int fd = 0
    while taken < most and fd != -EAGAIN:
        taken += 1
        fd = take_handed_on(shard)
        if fd < 0:
            continue
        if sys_peer_name(fd, &peer) < 0:
            sys_close(fd)
        else:
            admit(shard, fd, &peer)


# Polling.

cdef inline void take_ready(Shard *shard, const Ready *ready) noexcept nogil:
    cdef uint32_t index
    if ready.tag == <uint64_t> TAG_LISTENER:
        accept_some(shard)
        return
    if ready.tag == <uint64_t> TAG_INBOX:
        empty_inbox(shard)
        return
    if ready.tag == <uint64_t> TAG_WAKE:
        sys_event_clear(shard.wake_fd)
        return
    index = <uint32_t> ready.tag
    if ready.bits & READY_WRITE and shard.slab.conns[index].flags & F_BLOCKED:
        set_blocked(shard, &shard.slab.conns[index], False)
        write_conn(shard, index)
    if ready.bits & (READY_READ | READY_GONE):
        read_conn(shard, index, (ready.bits & READY_GONE) != 0)


cdef inline bint nothing_new(Shard *shard) noexcept nogil:
    cdef uint32_t s
    for s in range(<uint32_t> DIRTY_SUMMARY):
        if ng_load(&shard.dirty_summary[s]):
            return False
    return ring_waiting(&shard.commands_ring) == 0 and not any_news(&shard.waiters)


cdef inline int sleep_ms(Shard *shard, int64_t channels_want) noexcept nogil:
    """How long poll may wait: 0 while there is work, -1 when only an event can bring some."""
    cdef int64_t wait = channels_want, timers
    if (channels_want == 0 or shard.reads.count or any_due(&shard.waiters)
            or not nothing_new(shard)):
        return 0
    if shard.writes.count:
        return 1 if shard.retry_soon else 0
    if shard.slab.used or shard.accept_again_ms:
        timers = timers_want(shard)
        wait = timers if wait < 0 or timers < wait else wait
    return <int> wait


cdef inline int64_t timers_want(const Shard *shard) noexcept nogil:
    """Milliseconds until something is due by itself."""
    cdef int32_t ahead = 1
    cdef int64_t due
    # Whoever waits to be read, or for descriptors, is looked at every tick.
    if not shard.paused.count and not shard.accept_again_ms:
        ahead = <int32_t> (wheel_next(&shard.wheel, IDLE_TICKS_MAX) - tick_of(shard.now_ms))
    due = <int64_t> ahead * WHEEL_TICK_MS - <int64_t> (shard.now_ms % WHEEL_TICK_MS)
    if drain_unfinished(shard):
        due = min(due, <int64_t> (shard.drain.due_ms - shard.now_ms))
    return due if due > 0 else 0


cdef inline void poll(Shard *shard, int wait_ms) noexcept nogil:
    cdef Ready ready[READY_PER_TURN]
    cdef int64_t count, i
    if wait_ms:
        # The publisher stores its news, then looks whether we sleep; we say that we sleep, then
        # look for news. One of the two sees the other (both orders are sequentially consistent).
        ng_store_seq(&shard.sleeping, 1)
        ng_fence()
        if not nothing_new(shard):
            wait_ms = 0
        else:
            reclaim_asleep(&shard.seen)
    count = shard.ops.wait(
        shard.poller, ready, READY_WHILE_SWEEPING if shard.sweeping else READY_PER_TURN, wait_ms)
    ng_store(&shard.sleeping, 0)
    reclaim_awake(&shard.hub.reclaim, &shard.seen)
    shard.now_ms = sys_now_ms()
    for i in range(count):
        take_ready(shard, &ready[i])


cdef inline void write_queued(Shard *shard) noexcept nogil:
    cdef uint32_t count = shard.writes.count, i, index
    # Whoever is queued while we go through lands at the front of the same list, behind `i`.
    shard.writes.count = 0
    shard.retry_soon = False
    for i in range(count):
        index = shard.writes.items[i]
        shard.slab.conns[index].flags &= ~F_QUEUED
        write_conn(shard, index)


cdef inline void read_queued(Shard *shard) noexcept nogil:
    cdef uint32_t count = shard.reads.count, i, index
    shard.reads.count = 0
    for i in range(count):
        index = shard.reads.items[i]
        shard.slab.conns[index].flags &= ~F_RESUME
        read_conn(shard, index, False)


cdef inline int64_t sweep_on(Shard *shard) noexcept nogil:
    """The turn's quantum, with the measure of what a broadcast in progress waits for."""
    cdef uint64_t began, ended
    cdef int64_t channels_want
    if shard.active_count == 0:
        shard.sweeping = False
        return -1
    began = sys_own_cpu_us()
    if shard.sweeping:
        shard.counters.pause_us_max = max(
            shard.counters.pause_us_max, began - shard.quantum_ended_us)
    channels_want = serve_active(shard)
    ended = sys_own_cpu_us()
    shard.counters.quantum_us_max = max(shard.counters.quantum_us_max, ended - began)
    shard.quantum_ended_us = ended
    shard.sweeping = channels_want == 0
    return channels_want


cdef inline int64_t turn(Shard *shard, int64_t channels_want) noexcept nogil:
    """One turn; returns what the channels want of the next one's sleep (see serve_active)."""
    cdef uint32_t tick = shard.wheel.tick
    shard.counters.turns += 1
    poll(shard, sleep_ms(shard, channels_want))
    take_commands(shard)
    collect_dirty(shard)
    release_waiting(shard)
    read_queued(shard)
    resume_accepting(shard)
    turn_wheel(shard)
    if shard.wheel.tick != tick:
        try_paused(shard)
    if shard.drain.on:
        drain_step(shard)
    channels_want = sweep_on(shard)
    write_queued(shard)
    reap(shard)
    if shard.events_pushed:
        shard.events_pushed = False
        sys_event_raise(shard.hub.event_fd)
    return channels_want

"""One turn of a shard, in its fixed order:

  commands - what is new in channels, and at paths that are waited for - poll - accept and read -
  deadlines - a quantum of the sweep - sockets with something to write - reap - tell the control
  plane - sleep

Reading comes before judging deadlines, writing after both, and nothing is freed before the end. A
turn is bounded by the *_PER_TURN limits, so the worst a handshake waits for is one quantum.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ngage_core.accept cimport (
    TAG_INBOX, TAG_LISTENER, accept_some, empty_inbox, resume_accepting,
)
from ngage_core.atomic cimport ng_fence, ng_load, ng_store, ng_store_seq
from ngage_core.commands cimport take_commands
from ngage_core.conn cimport F_BLOCKED, F_QUEUED, F_RESUME
from ngage_core.ingest cimport read_conn
from ngage_core.lifecycle cimport reap, set_blocked
from ngage_core.limits cimport (
    IDLE_TICKS_MAX, READY_PER_TURN, READY_WHILE_SWEEPING, WHEEL_TICK_MS,
)
from ngage_core.park cimport release_waiting
from ngage_core.poller cimport READY_GONE, READY_READ, READY_WRITE, Ready
from ngage_core.reclaim cimport reclaim_asleep, reclaim_awake
from ngage_core.ring cimport ring_waiting
from ngage_core.shard cimport DIRTY_SUMMARY, Shard
from ngage_core.sweep cimport collect_dirty, serve_active
from ngage_core.sysio cimport (
    sys_event_clear, sys_event_raise, sys_now_ms, sys_own_cpu_us,
)
from ngage_core.timers cimport drain_step, drain_unfinished, try_paused, turn_wheel
from ngage_core.verbs cimport answer_votes
from ngage_core.vote cimport ack_waiting
from ngage_core.waiters cimport any_due, any_news
from ngage_core.wheel cimport tick_of, wheel_next
from ngage_core.write cimport write_conn

cdef enum:
    TAG_WAKE = -2


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
    if shard.votes_port != NULL and ack_waiting(shard.votes_port):
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
    answer_votes(shard)
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

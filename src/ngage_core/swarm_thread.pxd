"""The life of a squad's thread: a descriptor table of its own, turns, the end.

A turn polls, reads whoever has something, lets fans arrive, and takes the steps that are due.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free

from ngage_core.atomic cimport ng_load, ng_peek, ng_store, ng_take_seq
from ngage_core.histogram cimport BUCKETS
from ngage_core.swarm_connection cimport fan_event
from ngage_core.swarm_fan cimport FAN_CONNECTING, FAN_LEAVING, Fan, Tally
from ngage_core.swarm_squad cimport (
    ORDER_AUDIT, ORDER_CONNECT, ORDER_GIVE_UP, ORDER_RESET, ORDER_SETTLE, ORDER_STIMULI,
    ORDER_STOP, ORDER_VOTES, SQUAD_EVENTS, STEP_TICK_NS, Squad,
)
from ngage_core.swarm_speech cimport audit_votes, bound_votes
from ngage_core.swarm_steps cimport (
    beat, launch_some, let_return, patience_ms, settle, take_stimuli, turn_wheel,
)
from ngage_core.sysio cimport (
    EPOLLET, EPOLLIN, sys_abort, sys_block_signals, sys_epoll_add, sys_epoll_create,
    sys_epoll_wait, sys_event_clear, sys_now_ns, sys_private_descriptors, sys_release, sys_reserve,
)
from ngage_core.wheel cimport wheel_open

cdef enum:
    WAKE_TAG = 0xFFFFFFFF


cdef inline void *squad_run(void *argument) noexcept nogil:
    """Its private descriptor table, and all that is open in it, goes when it returns."""
    cdef Squad *squad = <Squad *> argument
    cdef int64_t ready, i
    sys_block_signals()
    if not squad_enter(squad):
        squad.stopping = True
    while not squad.stopping:
        ready = sys_epoll_wait(squad.epoll_fd, squad.events, SQUAD_EVENTS, patience_ms(squad))
        squad.now_ns = sys_now_ns()
        beat(squad)
        for i in range(ready):
            if squad.events[i].data.u64 == <uint64_t> WAKE_TAG:
                sys_event_clear(squad.wake_fd)
                obey(squad)
            else:
                fan_event(squad, <uint32_t> squad.events[i].data.u64, squad.events[i].events)
        launch_some(squad)
        let_return(squad)
        turn_wheel(squad)
    squad_leave(squad)
    return NULL


cdef inline bint squad_enter(Squad *squad) noexcept nogil:
    cdef int64_t status = sys_private_descriptors(squad.wake_fd, squad.wake_fd)
    if status >= 0:
        status = squad.epoll_fd = <int> sys_epoll_create()
    squad.returning = <uint32_t *> sys_reserve(squad.fan_count * sizeof(uint32_t))
    if squad.returning == NULL:
        status = -ENOMEM
    if status >= 0:
        status = sys_epoll_add(squad.epoll_fd, squad.wake_fd, EPOLLIN | EPOLLET, WAKE_TAG)
    if status < 0:
        ng_store(&squad.tally.last_error, -status)
        ng_store(&squad.tally.failed, squad.fan_count)
    squad.now_ns = squad.beat_ns = sys_now_ns()
    wheel_open(&squad.wheel, &squad.fans[0].deadline, sizeof(Fan),
               <uint32_t> (squad.now_ns // STEP_TICK_NS))
    squad.reading.plan = squad.plan
    squad.reading.tally = &squad.tally
    squad.reading.latency = squad.latency
    squad.reading.connecting = squad.connecting
    squad.reading.voting = squad.voting
    squad.reading.violations = squad.violations
    squad.reading.endings = squad.endings
    return status >= 0


cdef inline void squad_leave(Squad *squad) noexcept nogil:
    """Reset every connection: a close in order would leave the client's ports in TIME_WAIT."""
    cdef uint32_t i
    for i in range(<uint32_t> squad.started):
        if FAN_CONNECTING <= squad.fans[i].state <= FAN_LEAVING:
            sys_abort(squad.fans[i].fd)
            free(squad.fans[i].parked)
    sys_release(squad.returning, squad.fan_count * sizeof(uint32_t))
    ng_store(&squad.tally.open, 0)
    # Nobody waits for a thread that is no more; half of the range, because waiters add to it.
    ng_store(&squad.stimuli_taken, <uint64_t> 1 << 63)
    ng_store(&squad.answered, ~<uint64_t> 0)


cdef inline void obey(Squad *squad) noexcept nogil:
    cdef uint64_t asked = ng_load(&squad.asked)
    cdef uint64_t orders = ng_take_seq(&squad.wanted)
    if orders & ORDER_CONNECT:
        squad.launching = True
    if orders & ORDER_RESET:
        forget(squad)
    if orders & ORDER_STIMULI:
        take_stimuli(squad)
    if orders & (ORDER_SETTLE | ORDER_GIVE_UP):
        settle(squad, (orders & ORDER_GIVE_UP) != 0)
    if orders & ORDER_VOTES:
        bound_votes(squad)
    if orders & ORDER_AUDIT:
        audit_votes(squad)
    if orders & ORDER_STOP:
        squad.stopping = True
        return
    ng_store(&squad.answered, asked)


cdef inline void forget(Squad *squad) noexcept nogil:
    """Count publications from zero: from `received` to `last_received_ns`. Connections stay."""
    cdef Tally *tally = &squad.tally
    cdef uint32_t i
    for i in range(squad.fan_count):
        ng_store(&squad.fans[i].received, 0)
        squad.fans[i].next_sequence = ng_peek(&squad.first_sequence)
        squad.fans[i].seen = ~<uint64_t> 0
    for i in range(<uint32_t> BUCKETS):
        ng_store(&squad.latency[i], 0)
    for i in range(&tally.last_received_ns - &tally.received + 1):
        ng_store(&tally.received + i, 0)

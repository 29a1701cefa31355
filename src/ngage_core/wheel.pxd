"""Deadlines of connections: a timer wheel of intrusive lists, one deadline per connection.

A slot is one tick of WHEEL_TICK_MS; a deadline further off than the wheel is long comes round
early and is put back. Activity does not move a deadline: it only notes the tick, and the deadline,
when it comes, looks whether it still holds.
"""

from libc.stdint cimport uint32_t, uint64_t

from ngage_core.conn cimport NONE, Conn
from ngage_core.limits cimport WHEEL_SLOTS, WHEEL_TICK_MS


cdef struct Wheel:
    uint32_t slots[WHEEL_SLOTS]
    uint32_t tick  # all before it are done


cdef inline uint32_t tick_of(uint64_t now_ms) noexcept nogil:
    return <uint32_t> (now_ms // WHEEL_TICK_MS)


cdef inline uint32_t ticks_of(uint64_t span_ms) noexcept nogil:
    """Rounded up, so that nothing is ever early."""
    return <uint32_t> ((span_ms + WHEEL_TICK_MS - 1) // WHEEL_TICK_MS) + 1


cdef inline bint tick_passed(uint32_t tick, uint32_t now) noexcept nogil:
    """Ticks wrap after 8 years of 64 ms; compare them as a circle."""
    return now - tick < <uint32_t> 0x80000000


cdef inline void wheel_open(Wheel *wheel, uint32_t tick) noexcept nogil:
    cdef uint32_t slot
    for slot in range(<uint32_t> WHEEL_SLOTS):
        wheel.slots[slot] = <uint32_t> NONE
    wheel.tick = tick


cdef inline void wheel_add(Wheel *wheel, Conn *conns, uint32_t index, uint32_t tick) noexcept nogil:
    cdef uint32_t *slot
    if not tick_passed(wheel.tick, tick):
        tick = wheel.tick
    slot = &wheel.slots[tick & (WHEEL_SLOTS - 1)]
    conns[index].deadline_tick = tick
    conns[index].wheel_previous = <uint32_t> NONE
    conns[index].wheel_next = slot[0]
    if slot[0] != <uint32_t> NONE:
        conns[slot[0]].wheel_previous = index
    slot[0] = index


cdef inline void wheel_remove(Wheel *wheel, Conn *conns, uint32_t index) noexcept nogil:
    cdef Conn *conn = &conns[index]
    if conn.wheel_previous != <uint32_t> NONE:
        conns[conn.wheel_previous].wheel_next = conn.wheel_next
    else:
        wheel.slots[conn.deadline_tick & (WHEEL_SLOTS - 1)] = conn.wheel_next
    if conn.wheel_next != <uint32_t> NONE:
        conns[conn.wheel_next].wheel_previous = conn.wheel_previous


cdef inline void wheel_move(
    Wheel *wheel, Conn *conns, uint32_t index, uint32_t tick
) noexcept nogil:
    wheel_remove(wheel, conns, index)
    wheel_add(wheel, conns, index, tick)

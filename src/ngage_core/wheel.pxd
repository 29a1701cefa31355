"""Deadlines: a timer wheel of intrusive lists, one deadline for each entry of an array.

A slot is one tick, whose length is the owner's; a deadline further off than the wheel is long
comes round early and is put back. Activity does not move a deadline: it only notes the tick, and
the deadline, when it comes, looks whether it still holds.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t, uint8_t

from ngage_core.limits cimport WHEEL_SLOTS, WHEEL_TICK_MS

cdef enum:
    NONE = 0xFFFFFFFF  # no entry


cdef struct Deadline:
    uint32_t next
    uint32_t previous
    uint32_t tick


cdef struct Wheel:
    uint8_t *deadlines  # that of entry 0
    size_t stride  # bytes to that of the next entry
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


cdef inline Deadline *deadline_of(const Wheel *wheel, uint32_t index) noexcept nogil:
    return <Deadline *> (wheel.deadlines + index * wheel.stride)


cdef inline void wheel_open(
    Wheel *wheel, Deadline *deadlines, size_t stride, uint32_t tick
) noexcept nogil:
    cdef uint32_t slot
    wheel.deadlines = <uint8_t *> deadlines
    wheel.stride = stride
    for slot in range(<uint32_t> WHEEL_SLOTS):
        wheel.slots[slot] = <uint32_t> NONE
    wheel.tick = tick


cdef inline void wheel_add(Wheel *wheel, uint32_t index, uint32_t tick) noexcept nogil:
    cdef Deadline *deadline = deadline_of(wheel, index)
    cdef uint32_t *slot
    if not tick_passed(wheel.tick, tick):
        tick = wheel.tick
    slot = &wheel.slots[tick & (WHEEL_SLOTS - 1)]
    deadline.tick = tick
    deadline.previous = <uint32_t> NONE
    deadline.next = slot[0]
    if slot[0] != <uint32_t> NONE:
        deadline_of(wheel, slot[0]).previous = index
    slot[0] = index


cdef inline void wheel_remove(Wheel *wheel, uint32_t index) noexcept nogil:
    cdef Deadline *deadline = deadline_of(wheel, index)
    if deadline.previous != <uint32_t> NONE:
        deadline_of(wheel, deadline.previous).next = deadline.next
    else:
        wheel.slots[deadline.tick & (WHEEL_SLOTS - 1)] = deadline.next
    if deadline.next != <uint32_t> NONE:
        deadline_of(wheel, deadline.next).previous = deadline.previous


cdef inline void wheel_move(Wheel *wheel, uint32_t index, uint32_t tick) noexcept nogil:
    wheel_remove(wheel, index)
    wheel_add(wheel, index, tick)


cdef inline uint32_t wheel_next(const Wheel *wheel, uint32_t most) noexcept nogil:
    """The tick of the next occupied slot, or the one `most` ticks from now if that comes first.

    A slot may hold deadlines of a later round only: then this is early, never late.
    """
    cdef uint32_t ahead = 0
    while (ahead < most
            and wheel.slots[(wheel.tick + ahead) & (WHEEL_SLOTS - 1)] == <uint32_t> NONE):
        ahead += 1
    return wheel.tick + ahead

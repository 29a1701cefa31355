"""A map from 64-bit voters to 64-bit registers: open addressing, linear probing, 16 bytes a slot.

It is full at 7/10 and then doubled, so a voter has 23 to 46 bytes. The slot is the top bits of a
product: in order of slots is in order of hashes, and a larger table is written from end to end. So
it is rehashed at once: 734,000 voters in 28 ms, nearly all of it for new pages. Registers of 0 are
none, and left behind then; nothing else is ever removed.

One thread writes. Another may look a voter up meanwhile if it says so in `reading` before: a table
that was replaced is not freed under it.
"""

from libc.stdint cimport uint64_t

from ngage_core.atomic cimport (
    ng_fence, ng_load, ng_load_pointer, ng_peek, ng_store, ng_store_pointer, ng_store_seq,
)
from ngage_core.sysio cimport sys_release, sys_reserve, sys_yield

cdef enum:
    TABLE_BITS_MIN = 8
    FILL_TENTHS = 7


cdef struct Register:
    uint64_t voter  # 0: a free slot
    uint64_t value


cdef struct RegisterTable:
    uint64_t shift  # 64 less the bits of a slot's number
    uint64_t used  # slots
    Register items[1]


cdef struct Registers:
    RegisterTable *table
    uint64_t live  # that are not 0
    uint64_t live_max
    uint64_t bytes  # of the table
    uint64_t reading


cdef inline uint64_t table_slots(const RegisterTable *table) noexcept nogil:
    return <uint64_t> 1 << (64 - table.shift)


cdef inline size_t table_bytes(uint64_t shift) noexcept nogil:
    return sizeof(RegisterTable) + (<size_t> 1 << (64 - shift)) * sizeof(Register)


cdef inline RegisterTable *table_of(uint64_t shift) noexcept nogil:
    cdef RegisterTable *table = <RegisterTable *> sys_reserve(table_bytes(shift))
    if table != NULL:
        table.shift = shift
    return table


cdef inline Register *table_slot(RegisterTable *table, uint64_t voter) noexcept nogil:
    """The voter's, or the free one where it would be."""
    cdef uint64_t last = table_slots(table) - 1
    cdef uint64_t at = (voter * <uint64_t> 0x9E3779B97F4A7C15) >> table.shift
    cdef uint64_t there = ng_load(&table.items[at].voter)
    while there != voter and there != 0:
        at = (at + 1) & last
        there = ng_load(&table.items[at].voter)
    return &table.items[at]


cdef inline bint registers_open(Registers *registers, uint64_t live_max) noexcept nogil:
    registers.live_max = live_max
    registers.table = table_of(64 - TABLE_BITS_MIN)
    registers.bytes = table_bytes(64 - TABLE_BITS_MIN)
    return registers.table != NULL


cdef inline void registers_free(Registers *registers) noexcept nogil:
    if registers.table != NULL:
        sys_release(registers.table, table_bytes(registers.table.shift))
    registers.table = NULL


cdef inline bint registers_grow(Registers *registers) noexcept nogil:
    cdef RegisterTable *old = registers.table
    cdef RegisterTable *new = table_of(
        old.shift - 1 if registers.live * 2 > old.used else old.shift)
    cdef uint64_t at
    if new == NULL:
        return False
    for at in range(table_slots(old)):
        if old.items[at].value != 0:
            table_slot(new, old.items[at].voter)[0] = old.items[at]
    new.used = registers.live
    ng_store(&registers.bytes, table_bytes(new.shift))
    ng_store_pointer(<void **> &registers.table, new)
    ng_fence()
    while ng_load(&registers.reading):
        sys_yield()
    sys_release(old, table_bytes(old.shift))
    return True


cdef inline Register *registers_enter(Registers *registers, uint64_t voter) noexcept nogil:
    """The voter's, 0 if new, until the next is entered. NULL: no memory, or too many voters."""
    cdef RegisterTable *table = registers.table
    cdef Register *found = table_slot(table, voter)
    if found.voter != 0:
        return found
    if registers.live >= registers.live_max:
        return NULL
    if (table.used + 1) * 10 > table_slots(table) * FILL_TENTHS:
        if not registers_grow(registers):
            return NULL
        table = registers.table
        found = table_slot(table, voter)
    ng_store(&found.voter, voter)
    table.used += 1
    return found


cdef inline void registers_set(
    Registers *registers, Register *entered, uint64_t value
) noexcept nogil:
    registers.live = registers.live + (value != 0) - (entered.value != 0)
    ng_store(&entered.value, value)


cdef inline uint64_t registers_value(const Registers *registers, uint64_t voter) noexcept nogil:
    """0 for who has none."""
    return ng_peek(&table_slot(registers.table, voter).value)


cdef inline uint64_t registers_value_elsewhere(
    Registers *registers, uint64_t voter
) noexcept nogil:
    """The same for one other thread at a time."""
    cdef uint64_t value
    ng_store_seq(&registers.reading, 1)
    ng_fence()
    value = ng_peek(&table_slot(
        <RegisterTable *> ng_load_pointer(<void **> &registers.table), voter).value)
    ng_store(&registers.reading, 0)
    return value

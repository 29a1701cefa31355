"""Plain values, checked and put into the Plan of a swarm; ValueError for what it cannot be."""

from libc.stdint cimport uint32_t, uint64_t

from ngage_core.swarm_plan cimport DelayPlan, Plan


cdef int parts(int whole, int part) noexcept
cdef int plan_crowd(Plan *plan, int fans, int threads, int window, str congestion) except -1
cdef tuple plan_targets(Plan *plan, targets)
cdef int plan_source(Plan *plan, str source, int fans) except -1
cdef int plan_personas(Plan *plan, personas, list kept) except -1
cdef int plan_delay(DelayPlan *out, delay, list kept) except -1
cdef uint64_t plan_tickets(Plan *plan, bytes secret, uint32_t expires) except 0
cdef int plan_poll(
    Plan *plan, uint32_t number, int choices, uint32_t event, str name, int reactions
) except -1

"""What each fan must have seen: every publication once, in order, or an honest word about it.

A number that is skipped is a gap, unless the server has said so in time (`forgiven`) or the channel
may leave publications out. On an anchored target (see Plan) a fan knows from its position in the
log which number must come first, so the first publications cannot go missing unseen either.
"""

from libc.stdint cimport uint64_t

from ngage_core.atomic cimport ng_load, ng_peek, ng_store
from ngage_core.swarm_fan cimport (
    FAN_OPEN, VIOLATION_DUPLICATE, VIOLATION_GAP, VIOLATION_GAP_NOTE, VIOLATION_RECOVERY,
    VIOLATION_REORDERED, VIOLATION_TAIL, VIOLATIONS_KEPT, Fan, Tally, ViolationNote, count,
)
from ngage_core.swarm_plan cimport LastOne, Plan, Reading, TargetPlan, channel_of

cdef enum:
    SEQUENCE_WINDOW = 64  # how far back a late publication is told from a repeated one
    NOTHING_SEEN = 0


cdef inline void violate(
    Reading *reading, const Fan *fan, uint64_t kind, uint64_t expected, uint64_t got
) noexcept nogil:
    cdef uint64_t number = ng_peek(&reading.tally.violations)
    cdef ViolationNote *violation
    if number < VIOLATIONS_KEPT:
        violation = &reading.violations[number]
        violation.kind = kind
        violation.fan = reading.fan_number
        violation.channel = channel_of(reading.plan, fan)
        violation.persona = fan.persona
        violation.expected = expected
        violation.got = got
        violation.at_ns = reading.now_ns
    ng_store(&reading.tally.violations, number + 1)


cdef inline bint anchored(const TargetPlan *target, const Fan *fan) noexcept nogil:
    return fan.epoch != 0 and ng_load(&target.epoch) == fan.epoch


cdef inline void expect_from(Reading *reading, Fan *fan, uint64_t offset) noexcept nogil:
    """The first publication will be the one after this offset of the log."""
    cdef TargetPlan *target = &reading.plan.targets[fan.target]
    fan.offset = offset
    fan.forgiven = 0
    fan.seen = ~<uint64_t> NOTHING_SEEN  # what came before the first one is not missing
    fan.next_sequence = 0
    fan.recovering = 0
    if anchored(target, fan):
        fan.next_sequence = offset + 1 + ng_peek(&target.difference)


cdef inline uint64_t pushed(uint64_t seen, uint64_t by, uint64_t filler) noexcept nogil:
    """The window moved on by so many publications, which came (1) or did not (0)."""
    return filler if by >= SEQUENCE_WINDOW else (seen << by) | (filler & ((<uint64_t> 1 << by) - 1))


cdef inline void pass_over(Reading *reading, Fan *fan, uint64_t sequence) noexcept nogil:
    """`sequence` came, and one or more before it did not: the first ones are those forgiven."""
    cdef Tally *tally = reading.tally
    cdef uint64_t ahead = sequence - fan.next_sequence
    cdef uint64_t told = min(ahead, <uint64_t> fan.forgiven)
    cdef uint64_t missing = ahead - told
    cdef bint allowed = reading.plan.targets[fan.target].skips
    count(&tally.told, told)
    if allowed:
        fan.offset += missing
        count(&tally.skipped, missing)
    elif missing:
        count(&tally.gaps, missing)
        violate(reading, fan, VIOLATION_RECOVERY if fan.recovering else VIOLATION_GAP,
                fan.next_sequence + told, sequence)
    # What was told or allowed is not missing: if it comes all the same, it comes again.
    fan.seen = pushed(fan.seen, told, ~<uint64_t> 0)
    fan.seen = pushed(fan.seen, missing, ~<uint64_t> 0 if allowed else 0)
    fan.seen = pushed(fan.seen, 1, ~<uint64_t> 0)
    fan.next_sequence = sequence + 1


cdef inline void come_late(Reading *reading, Fan *fan, uint64_t sequence) noexcept nogil:
    cdef Tally *tally = reading.tally
    cdef uint64_t behind = fan.next_sequence - 1 - sequence
    if behind >= SEQUENCE_WINDOW or fan.seen >> behind & 1:
        count(&tally.duplicates, 1)
        violate(reading, fan, VIOLATION_DUPLICATE, fan.next_sequence, sequence)
        return
    fan.seen |= <uint64_t> 1 << behind
    count(&tally.reordered, 1)
    count(&tally.gaps, -1)
    violate(reading, fan, VIOLATION_REORDERED, fan.next_sequence, sequence)


cdef inline void note_sequence(Reading *reading, Fan *fan, uint64_t sequence) noexcept nogil:
    """Once and in order? Skipped numbers are gaps until they come late."""
    if fan.next_sequence == 0:
        fan.next_sequence = sequence
    if sequence == fan.next_sequence:
        fan.seen = pushed(fan.seen, 1, ~<uint64_t> 0)
        fan.next_sequence = sequence + 1
    elif sequence > fan.next_sequence:
        pass_over(reading, fan, sequence)
    else:
        come_late(reading, fan, sequence)
        return
    fan.recovering = 0
    fan.forgiven = 0  # a gap is told before the publication that follows it, for that one only


cdef inline void note_gap(
    Reading *reading, Fan *fan, uint64_t first, uint64_t last
) noexcept nogil:
    """The server says which offsets are missing; it must begin where this fan is."""
    if first != fan.offset + 1 or last < first:
        violate(reading, fan, VIOLATION_GAP_NOTE, fan.offset + 1, first)
        return
    fan.forgiven += <unsigned int> (last - first + 1)
    fan.offset = last


cdef inline bint lacks_last(const Plan *plan, const Fan *fan) noexcept nogil:
    """Whether the last publication has not come to a fan who was there when it was sent."""
    cdef const LastOne *last = &plan.last[channel_of(plan, fan)]
    return (fan.state == FAN_OPEN and not fan.paused and last.sequence != 0
            and fan.since_ns <= last.intended_ns and fan.next_sequence <= last.sequence)


cdef inline void note_tail(Reading *reading, Fan *fan) noexcept nogil:
    cdef uint64_t last = reading.plan.last[channel_of(reading.plan, fan)].sequence
    cdef uint64_t following = fan.next_sequence if fan.next_sequence else last
    count(&reading.tally.gaps, last - following + 1)
    violate(reading, fan, VIOLATION_TAIL, following, last)
    fan.next_sequence = last + 1

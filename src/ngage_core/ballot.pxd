"""A poll's registers, its rules, and what they make of a vote.

A register is a number: seq in the upper half, the mask of choices in the lower. Votes merge by the
larger number, so repeating one, or two in the wrong order, changes nothing: a state-based CRDT. A
decision is tentative until the journal has it; `shown` is what is durable.
"""

from libc.errno cimport EBADMSG, ENOMEM
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t

from ngage_core.atomic cimport ng_fence, ng_load, ng_peek, ng_store
from ngage_core.journal cimport (
    RECORD_FINAL, RECORD_WINDOW, Batch, Journal, Record, journal_begin, journal_end, journal_next,
)
from ngage_core.limits cimport CHOICES_MAX, VOTE_GRACE_MS, VOTE_RTT_MS_MAX
from ngage_core.platform cimport NG_LOWEST_BIT
from ngage_core.registers cimport (
    Register, Registers, registers_enter, registers_set, registers_value,
)
from ngage_core.sysio cimport sys_yield
from ngage_core.vote cimport (
    VOTE_ACCEPTED, VOTE_CLOSED, VOTE_DUPLICATE, VOTE_FINAL, VOTE_GUARDED, VOTE_LATE,
    VOTE_NO_CHOICE, VOTE_UNAVAILABLE, Vote,
)

cdef enum:
    SHOWN_VOTERS = CHOICES_MAX  # the place of the number of voters
    SHOWN = CHOICES_MAX + 1


# Unix milliseconds, 0: none.
cdef struct BallotRules:
    uint32_t choices
    uint32_t most  # that one voter may pick
    bint final  # the first vote stands
    int64_t opens_ms
    int64_t closes_ms
    int64_t window_ms  # on the viewer's own timeline
    int64_t delay_max_ms  # of that timeline


cdef struct Ballot:
    # Read by the control plane
    uint64_t edition  # odd while `shown` is being written
    uint64_t shown[SHOWN]
    uint64_t error  # errno: why votes are refused
    Registers registers
    # The votes thread's own
    uint32_t poll
    bint closed
    bint suspended  # its journal is being opened anew
    BallotRules rules
    Journal journal
    uint64_t counts[SHOWN]
    # Of the batch under way
    bint touched
    uint32_t newest  # of its decisions that look at a register: the last one's index + 1
    uint32_t accepted


cdef inline uint64_t rank_of(uint32_t seq, uint32_t mask) noexcept nogil:
    return <uint64_t> seq << 32 | mask


cdef inline void count_choices(Ballot *ballot, uint64_t register_value, uint64_t by) noexcept nogil:
    """`by`: 1 or its negative."""
    cdef uint64_t mask = <uint32_t> register_value
    if mask:
        ballot.counts[SHOWN_VOTERS] += by
    while mask:
        ballot.counts[NG_LOWEST_BIT(mask)] += by
        mask &= mask - 1


cdef inline void ballot_put(Ballot *ballot, Register *entry, uint64_t value) noexcept nogil:
    count_choices(ballot, entry.value, <uint64_t> -1)
    count_choices(ballot, value, 1)
    registers_set(&ballot.registers, entry, value)


cdef inline bint choices_allowed(const BallotRules *rules, uint64_t mask) noexcept nogil:
    cdef uint32_t picked = 0
    if mask >> rules.choices or (mask == 0 and rules.final):
        return False
    while mask:
        picked += 1
        mask &= mask - 1
    return picked <= rules.most


cdef inline bint in_time(const BallotRules *rules, const Vote *vote) noexcept nogil:
    if rules.closes_ms and <int64_t> vote.received_ms > rules.closes_ms:
        return False
    return rules.window_ms or <int64_t> vote.received_ms >= rules.opens_ms


cdef inline uint16_t counted_rtt_ms(const Vote *vote) noexcept nogil:
    return <uint16_t> min(vote.rtt_ms, <uint32_t> VOTE_RTT_MS_MAX)


cdef inline bint in_window(const BallotRules *rules, const Vote *vote) noexcept nogil:
    """Whether the viewer took no longer than the window, and cannot have seen it elsewhere before.

    Both are on its own timeline: what it says of how long it took tells when it was shown, which
    must lie within the delays that there are. The way back here, half a round trip, is not its
    delay. It only ever helps: a round trip that has grown since the question came proves nothing.
    """
    cdef int64_t shown_ms = <int64_t> vote.received_ms - vote.elapsed_ms
    if vote.elapsed_ms > rules.window_ms + VOTE_GRACE_MS:
        return False
    return rules.opens_ms == 0 or (
        rules.opens_ms - VOTE_GRACE_MS <= shown_ms
        and shown_ms - counted_rtt_ms(vote) // 2 <= rules.opens_ms + rules.delay_max_ms)


cdef inline uint8_t verdict(const Ballot *ballot, uint64_t there, const Vote *vote) noexcept nogil:
    """What stands is told before why it would be refused: who repeats a vote wants to know that."""
    cdef const BallotRules *rules = &ballot.rules
    cdef uint64_t rank = rank_of(vote.seq, vote.mask)
    if vote.seq == 0 or vote.voter == 0:
        return VOTE_NO_CHOICE
    if there == rank or (there > rank and not rules.final):
        return VOTE_DUPLICATE
    if vote.guarded:
        return VOTE_GUARDED
    if ballot.closed or not in_time(rules, vote):
        return VOTE_CLOSED
    if there and rules.final:
        return VOTE_FINAL
    if not choices_allowed(rules, vote.mask):
        return VOTE_NO_CHOICE
    if rules.window_ms and not in_window(rules, vote):
        return VOTE_LATE
    if ballot.suspended or ballot.journal.broken:
        return VOTE_UNAVAILABLE
    return VOTE_ACCEPTED


cdef inline uint8_t ballot_decide(
    Ballot *ballot, const Vote *vote, uint64_t *replaced
) noexcept nogil:
    """The status; what is accepted is in the register, which was `replaced`."""
    cdef Register *entry
    cdef uint8_t status
    replaced[0] = registers_value(&ballot.registers, vote.voter)
    status = verdict(ballot, replaced[0], vote)
    if status == VOTE_ACCEPTED:
        entry = registers_enter(&ballot.registers, vote.voter)
        if entry == NULL:
            ng_store(&ballot.error, ENOMEM)
            return VOTE_UNAVAILABLE
        ballot_put(ballot, entry, rank_of(vote.seq, vote.mask))
    return status


cdef inline void ballot_undo(Ballot *ballot, const Vote *vote, uint64_t replaced) noexcept nogil:
    """The last decision first."""
    ballot_put(ballot, registers_enter(&ballot.registers, vote.voter), replaced)


cdef inline uint8_t status_after_undo(
    const Ballot *ballot, const Vote *vote, uint8_t status
) noexcept nogil:
    """What was said of a vote, if it still rests on something."""
    cdef uint64_t there = registers_value(&ballot.registers, vote.voter)
    if status == VOTE_DUPLICATE and there >= rank_of(vote.seq, vote.mask):
        return VOTE_DUPLICATE
    if status == VOTE_FINAL and there != 0:
        return VOTE_FINAL
    return VOTE_UNAVAILABLE


cdef inline void ballot_record(
    const Ballot *ballot, const Vote *vote, Record *record
) noexcept nogil:
    record.voter = vote.voter
    record.seq = vote.seq
    record.mask = vote.mask
    record.elapsed_ms = vote.elapsed_ms
    record.flags = <uint16_t> ((RECORD_FINAL if ballot.rules.final else 0)
                               | (RECORD_WINDOW if ballot.rules.window_ms else 0))
    record.rtt_ms = counted_rtt_ms(vote)
    record.received_ms = vote.received_ms
    record.client = vote.client


cdef inline void ballot_show(Ballot *ballot) noexcept nogil:
    """What is counted is durable."""
    cdef int i
    ng_store(&ballot.edition, ballot.edition + 1)
    ng_fence()
    for i in range(SHOWN):
        ng_store(&ballot.shown[i], ballot.counts[i])
    ng_store(&ballot.edition, ballot.edition + 1)


cdef inline void ballot_read(const Ballot *ballot, uint64_t *shown) noexcept nogil:
    """All of one moment; for other threads."""
    cdef uint64_t edition
    cdef int i
    while True:
        edition = ng_load(&ballot.edition)
        for i in range(SHOWN):
            shown[i] = ng_load(&ballot.shown[i])
        if edition % 2 == 0 and ng_peek(&ballot.edition) == edition:
            return
        sys_yield()


cdef inline int64_t ballot_replay(
    Ballot *ballot, int64_t size, uint64_t now_ms, Batch *batch
) noexcept nogil:
    """Count what a journal of so many bytes has. 0 or -errno, as journal_begin() and _end() say.

    What was accepted was accepted, whatever the rules are now.
    """
    cdef Register *entry
    cdef Record *record
    cdef int64_t i, count, status
    status = journal_begin(&ballot.journal, ballot.poll, now_ms, size)
    if status < 0:
        return status
    count = journal_next(&ballot.journal, batch)
    while count > 0:
        for i in range(count):
            record = &batch.records[i]
            entry = registers_enter(&ballot.registers, record.voter) if record.voter else NULL
            if entry == NULL:
                return -ENOMEM if record.voter else -EBADMSG
            ballot_put(ballot, entry, max(entry.value, rank_of(record.seq, record.mask)))
        count = journal_next(&ballot.journal, batch)
    if count < 0:
        return count
    status = journal_end(&ballot.journal, size, batch)
    ballot_show(ballot)
    return status

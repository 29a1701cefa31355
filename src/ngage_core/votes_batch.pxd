"""What the votes thread has, and a batch: decide, make durable, answer.

Decisions on registers are chained by poll, the last first, so that they can be taken back in that
order when the poll's journal cannot be written.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t

from ngage_core.atomic cimport ng_load, ng_store
from ngage_core.ballot cimport (
    Ballot, ballot_decide, ballot_record, ballot_show, ballot_undo, status_after_undo,
)
from ngage_core.journal cimport Batch, journal_append, journal_size_of
from ngage_core.limits cimport BALLOTS_MAX, VOTE_BATCH, VOTES_COMMAND_RING
from ngage_core.registers cimport Registers, registers_value
from ngage_core.ring cimport Ring
from ngage_core.sysio cimport pthread_t, sem_t, sys_now_ns
from ngage_core.vote cimport (
    VOTE_ACCEPTED, VOTE_BANNED, VOTE_DUPLICATE, VOTE_FINAL, VOTE_NO_POLL, VOTE_STATUSES,
    VOTE_UNAVAILABLE, Vote, VotesDoor, ack_push, wake_answered,
)

cdef enum VotesOrder:
    VOTES_OPEN = 0  # of what was a ballot and is one again, too
    VOTES_SUSPEND = 1
    VOTES_CLOSE = 2
    VOTES_FORGET = 3
    VOTES_BAN = 4
    VOTES_UNBAN = 5
    VOTES_FLUSH = 6
    VOTES_STOP = 7


# Carried out when all votes that were pushed before it are answered.
cdef struct VotesCommand:
    VotesOrder order
    uint32_t poll
    uint64_t voter
    Ballot *ballot  # given with OPEN; what the thread has no more after OPEN and FORGET
    int64_t status  # 0 or -errno
    sem_t done


cdef struct Decision:
    Vote vote
    uint64_t replaced  # the register as it was
    uint32_t port
    uint32_t before  # in its ballot's chain: index + 1, 0: it is the first
    uint8_t status


cdef struct VotesCounters:
    uint64_t votes
    uint64_t by_status[VOTE_STATUSES]
    uint64_t batches
    uint64_t syncs
    uint64_t sync_us_max
    uint64_t sync_us
    uint64_t journal_bytes
    uint64_t failures


cdef struct VotesThread:
    VotesDoor door
    Ring commands_ring
    VotesCommand *commands[VOTES_COMMAND_RING]
    VotesCounters counters
    pthread_t thread
    uint64_t leaving  # polls that are not here are with another process soon
    # The thread's own
    bint running
    uint32_t polls[BALLOTS_MAX]
    Ballot *ballots[BALLOTS_MAX]
    uint32_t ballot_count
    uint32_t ballot_last  # where the last vote's was
    Registers bans
    Decision *batch
    uint32_t batch_count
    Ballot *touched[BALLOTS_MAX]
    uint32_t touched_count
    Batch *records


cdef inline Ballot *ballot_of(VotesThread *votes, uint32_t poll) noexcept nogil:
    """Nearly always that of the vote before, and there are few."""
    cdef uint32_t at = votes.ballot_last
    if at < votes.ballot_count and votes.polls[at] == poll:
        return votes.ballots[at]
    for at in range(votes.ballot_count):
        if votes.polls[at] == poll:
            votes.ballot_last = at
            return votes.ballots[at]
    return NULL


cdef inline void decide(VotesThread *votes, const Vote *vote, uint32_t port) noexcept nogil:
    """Add a vote to the batch, which has room for it."""
    cdef Decision *decision = &votes.batch[votes.batch_count]
    cdef Ballot *ballot = ballot_of(votes, vote.poll)
    votes.batch_count += 1
    decision.vote = vote[0]
    decision.port = port
    if ballot == NULL:
        decision.status = VOTE_UNAVAILABLE if ng_load(&votes.leaving) else VOTE_NO_POLL
    elif registers_value(&votes.bans, vote.voter):
        decision.status = VOTE_BANNED
    else:
        decision.status = ballot_decide(ballot, vote, &decision.replaced)
        if decision.status in (VOTE_ACCEPTED, VOTE_DUPLICATE, VOTE_FINAL):
            chain(votes, ballot, decision)


cdef inline void chain(
    VotesThread *votes, Ballot *ballot, Decision *decision
) noexcept nogil:
    if not ballot.touched:
        ballot.touched = True
        votes.touched[votes.touched_count] = ballot
        votes.touched_count += 1
    decision.before = ballot.newest
    ballot.newest = votes.batch_count
    ballot.accepted += decision.status == VOTE_ACCEPTED


cdef inline void commit(VotesThread *votes) noexcept nogil:
    """Make the batch durable, or take it back; then answer all of it."""
    cdef uint32_t i
    if votes.batch_count == 0:
        return
    for i in range(votes.touched_count):
        if votes.touched[i].accepted:
            commit_ballot(votes, votes.touched[i])
        votes.touched[i].touched = False
        votes.touched[i].newest = 0
        votes.touched[i].accepted = 0
    votes.touched_count = 0
    count(&votes.counters.batches, 1)
    for i in range(votes.batch_count):
        count(&votes.counters.by_status[votes.batch[i].status], 1)
        ack_push(&votes.door.ports[votes.batch[i].port], &votes.batch[i].vote,
                 votes.batch[i].status)
    count(&votes.counters.votes, votes.batch_count)
    votes.batch_count = 0
    wake_answered(&votes.door)


cdef inline void commit_ballot(VotesThread *votes, Ballot *ballot) noexcept nogil:
    cdef uint64_t started_ns, took_us
    cdef int64_t status
    gather_records(votes, ballot)
    started_ns = sys_now_ns()
    status = journal_append(&ballot.journal, votes.records, ballot.accepted)
    took_us = (sys_now_ns() - started_ns) // 1000
    count(&votes.counters.sync_us, took_us)
    if took_us > votes.counters.sync_us_max:
        ng_store(&votes.counters.sync_us_max, took_us)
    if status < 0:
        count(&votes.counters.failures, 1)
        ng_store(&ballot.error, <uint64_t> -status)
        take_back(votes, ballot)
        return
    count(&votes.counters.syncs, 1)
    count(&votes.counters.journal_bytes, <uint64_t> journal_size_of(ballot.accepted))
    ng_store(&ballot.error, 0)
    ballot_show(ballot)


cdef inline void gather_records(VotesThread *votes, Ballot *ballot) noexcept nogil:
    """What was accepted, in its order: the chain leads backwards."""
    cdef uint32_t to = ballot.accepted
    cdef uint32_t at = ballot.newest
    while at:
        if votes.batch[at - 1].status == VOTE_ACCEPTED:
            to -= 1
            ballot_record(ballot, &votes.batch[at - 1].vote, &votes.records.records[to])
        at = votes.batch[at - 1].before


cdef inline void take_back(VotesThread *votes, Ballot *ballot) noexcept nogil:
    cdef Decision *decision
    cdef uint32_t at = ballot.newest
    while at:
        decision = &votes.batch[at - 1]
        if decision.status == VOTE_ACCEPTED:
            ballot_undo(ballot, &decision.vote, decision.replaced)
        at = decision.before
    at = ballot.newest
    while at:
        decision = &votes.batch[at - 1]
        decision.status = status_after_undo(ballot, &decision.vote, decision.status)
        at = decision.before


cdef inline void count(uint64_t *word, uint64_t by) noexcept nogil:
    """For others to read at any time; this thread alone writes it."""
    ng_store(word, word[0] + by)

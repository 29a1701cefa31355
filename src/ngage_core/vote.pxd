"""A vote on its way to the thread that counts it, and the answer on its way back.

A port is two rings, one each way, between a thread with clients (a shard, or the control plane) and
the votes thread. Each vote has exactly one answer. Votes pushed less answers taken never exceed the
capacity that both rings have, so the place of every answer is free before its vote is pushed, and
the votes thread never waits for a port.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t

from ngage_core.atomic cimport ng_fence, ng_load_pointer, ng_peek, ng_take_seq
from ngage_core.ring cimport Ring, ring_pop_at, ring_popped, ring_push_at, ring_pushed, ring_waiting
from ngage_core.sysio cimport sem_post, sem_t


cdef enum VoteStatus:
    VOTE_ACCEPTED = 0  # it counts, and is durable
    VOTE_DUPLICATE = 1  # it, or a newer one of this voter, counts, and is durable
    VOTE_CLOSED = 2
    VOTE_NO_POLL = 3
    VOTE_NO_CHOICE = 4  # a choice that is not there, too many, none where that is no vote
    VOTE_BANNED = 5
    VOTE_FINAL = 6  # another vote of this voter stands
    VOTE_LATE = 7  # outside the window on the viewer's own timeline
    VOTE_UNAVAILABLE = 8  # the journal cannot be written
    VOTE_BUSY = 9  # said by a port that has no room
    VOTE_GUARDED = 10  # it came past the control plane, which wants to see each
    VOTE_STATUSES = 11


cdef struct Vote:
    uint64_t client  # handed back
    uint64_t voter
    uint64_t received_ms  # Unix time, votes_received_ms()
    uint32_t poll
    uint32_t seq
    uint32_t mask
    uint32_t elapsed_ms
    uint32_t rtt_ms
    uint32_t reply_id  # handed back
    bint guarded


cdef struct VoteAck:
    uint64_t client
    uint32_t poll
    uint32_t seq
    uint32_t reply_id
    uint8_t status


ctypedef void (*Wake)(void *who) noexcept nogil


cdef struct VotesPort:
    Ring votes_ring
    Ring acks_ring
    Vote *votes
    VoteAck *acks
    void *who
    void *wake  # a Wake, NULL for nobody; called by the votes thread when there are answers
    # The votes thread's own
    uint64_t until  # what was pushed when its pass began
    bint answered


cdef struct VotesDoor:
    uint64_t sleeping  # 1: only the bell brings the votes thread back
    uint64_t pad[7]
    sem_t bell
    uint64_t unix_offset_ms
    uint64_t guarded  # votes that shards take are refused
    VotesPort *ports
    uint32_t port_count


cdef inline void door_ring(VotesDoor *door) noexcept nogil:
    """After a fence after what it tells of. One of those who find the thread asleep rings."""
    if ng_peek(&door.sleeping) and ng_take_seq(&door.sleeping):
        sem_post(&door.bell)


# For the one thread that has the port.

cdef inline uint64_t votes_received_ms(const VotesDoor *door, uint64_t now_ms) noexcept nogil:
    """Unix time of a moment of sys_now_ms(), as sys_unix_ms() tells it, without a system call."""
    return now_ms + ng_peek(&door.unix_offset_ms)


cdef inline uint64_t votes_in_flight(const VotesPort *port) noexcept nogil:
    return ng_peek(&port.votes_ring.pushed) - ng_peek(&port.acks_ring.popped)


cdef inline uint64_t vote_room(const VotesPort *port) noexcept nogil:
    """How many votes may be pushed now; more when answers are taken."""
    return port.votes_ring.capacity - votes_in_flight(port)


cdef inline void vote_push(VotesDoor *door, VotesPort *port, const Vote *vote) noexcept nogil:
    """There must be room for it."""
    port.votes[ring_push_at(&port.votes_ring)] = vote[0]
    ring_pushed(&port.votes_ring)
    ng_fence()
    door_ring(door)
    if votes_in_flight(port) == port.votes_ring.capacity // 2:
        sem_post(&door.bell)  # ends the group window early: there may soon be no room


cdef inline uint64_t ack_waiting(const VotesPort *port) noexcept nogil:
    return ring_waiting(&port.acks_ring)


cdef inline void ack_pop(VotesPort *port, VoteAck *ack) noexcept nogil:
    """One must be waiting."""
    ack[0] = port.acks[ring_pop_at(&port.acks_ring)]
    ring_popped(&port.acks_ring)


# For the votes thread.

cdef inline void ack_push(VotesPort *port, const Vote *vote, uint8_t status) noexcept nogil:
    cdef VoteAck *ack = &port.acks[ring_push_at(&port.acks_ring)]
    ack.client = vote.client
    ack.poll = vote.poll
    ack.seq = vote.seq
    ack.reply_id = vote.reply_id
    ack.status = status
    ring_pushed(&port.acks_ring)
    port.answered = True


cdef inline void wake_answered(VotesDoor *door) noexcept nogil:
    """Tell each port that has got answers since this was last called."""
    cdef VotesPort *port
    cdef void *wake
    cdef uint32_t number
    ng_fence()
    for number in range(door.port_count):
        port = &door.ports[number]
        if port.answered:
            port.answered = False
            wake = ng_load_pointer(&port.wake)
            if wake != NULL:
                (<Wake> wake)(port.who)

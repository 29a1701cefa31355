"""The votes thread: the only one that touches registers and journals.

It sleeps until there is a vote or a command, gathers what else comes within the group window, and
commits. One thread, because a vote is a store to one word of memory: some ten million a second, and
the disk's syncs are what there is to share.
"""

from libc.errno cimport ENOENT, ENOSPC
from libc.stdint cimport uint32_t, uint64_t

from ngage_core.atomic cimport ng_fence, ng_load, ng_store_seq
from ngage_core.ballot cimport Ballot
from ngage_core.clock cimport sys_wait, sys_wait_until
from ngage_core.limits cimport BALLOTS_MAX, GROUP_WINDOW_MS, VOTE_BATCH
from ngage_core.registers cimport Register, registers_enter, registers_set
from ngage_core.ring cimport ring_pop_at, ring_popped, ring_waiting
from ngage_core.sysio cimport sem_post, sys_block_signals, sys_now_ns
from ngage_core.vote cimport VotesDoor, VotesPort
from ngage_core.votes_batch cimport (
    VOTES_BAN, VOTES_CLOSE, VOTES_FORGET, VOTES_OPEN, VOTES_STOP, VOTES_SUSPEND, VOTES_UNBAN,
    VotesCommand, VotesThread, ballot_of, commit, decide,
)


cdef inline void *votes_main(void *argument) noexcept nogil:
    cdef VotesThread *votes = <VotesThread *> argument
    cdef uint64_t ordered
    sys_block_signals()  # they are the control plane's
    while votes.running:
        doze(votes)
        ordered = ng_load(&votes.commands_ring.pushed)  # before the votes that they wait for
        take_all(votes)
        if votes.batch_count and ordered == votes.commands_ring.popped:
            sys_wait_until(&votes.door.bell, sys_now_ns() + GROUP_WINDOW_MS * 1000000)
            ordered = ng_load(&votes.commands_ring.pushed)
            take_all(votes)
        commit(votes)
        while votes.commands_ring.popped != ordered:
            obey(votes, votes.commands[ring_pop_at(&votes.commands_ring)])
    return NULL


cdef inline void doze(VotesThread *votes) noexcept nogil:
    """Until there is something to do."""
    while True:
        ng_store_seq(&votes.door.sleeping, 1)
        ng_fence()
        if something_waits(votes):
            break
        sys_wait(&votes.door.bell)
    ng_store_seq(&votes.door.sleeping, 0)


cdef inline bint something_waits(VotesThread *votes) noexcept nogil:
    cdef uint32_t number
    for number in range(votes.door.port_count):
        if ring_waiting(&votes.door.ports[number].votes_ring):
            return True
    return ring_waiting(&votes.commands_ring) != 0


cdef inline void take_all(VotesThread *votes) noexcept nogil:
    """Decide what every port has pushed so far, and no more: so each has its turn, and this ends.

    Full batches are committed on the way; the last is left to grow.
    """
    cdef VotesDoor *door = &votes.door
    cdef VotesPort *port
    cdef uint32_t number
    for number in range(door.port_count):
        door.ports[number].until = ng_load(&door.ports[number].votes_ring.pushed)
    for number in range(door.port_count):
        port = &door.ports[number]
        while port.votes_ring.popped != port.until:
            if votes.batch_count == VOTE_BATCH:
                commit(votes)
            decide(votes, &port.votes[ring_pop_at(&port.votes_ring)], number)
            ring_popped(&port.votes_ring)


# Commands; all that was pushed before them is answered.

cdef inline void obey(VotesThread *votes, VotesCommand *command) noexcept nogil:
    cdef Ballot *ballot = ballot_of(votes, command.poll)
    command.status = 0
    if command.order == VOTES_OPEN:
        open_ballot(votes, command)
    elif command.order in (VOTES_BAN, VOTES_UNBAN):
        ban(votes, command)
    elif command.order == VOTES_STOP:
        votes.running = False
    elif command.order in (VOTES_CLOSE, VOTES_SUSPEND, VOTES_FORGET):
        if ballot == NULL:
            command.status = -ENOENT
        elif command.order == VOTES_CLOSE:
            ballot.closed = True
        elif command.order == VOTES_SUSPEND:
            ballot.suspended = True
        else:
            forget_ballot(votes, command)
    ring_popped(&votes.commands_ring)
    sem_post(&command.done)


cdef inline void open_ballot(VotesThread *votes, VotesCommand *command) noexcept nogil:
    cdef Ballot *given = command.ballot
    command.ballot = ballot_of(votes, command.poll)
    if command.ballot != NULL:
        votes.ballots[votes.ballot_last] = given
    elif votes.ballot_count == BALLOTS_MAX:
        command.status = -ENOSPC
        command.ballot = given
    else:
        votes.polls[votes.ballot_count] = command.poll
        votes.ballots[votes.ballot_count] = given
        votes.ballot_count += 1


cdef inline void forget_ballot(VotesThread *votes, VotesCommand *command) noexcept nogil:
    command.ballot = ballot_of(votes, command.poll)
    votes.ballot_count -= 1
    votes.polls[votes.ballot_last] = votes.polls[votes.ballot_count]
    votes.ballots[votes.ballot_last] = votes.ballots[votes.ballot_count]


cdef inline void ban(VotesThread *votes, VotesCommand *command) noexcept nogil:
    cdef Register *entry = registers_enter(&votes.bans, command.voter)
    if entry == NULL:
        command.status = -ENOSPC
    else:
        registers_set(&votes.bans, entry, command.order == VOTES_BAN)

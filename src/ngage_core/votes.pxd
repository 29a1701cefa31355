from libc.stdint cimport uint32_t

from ngage_core.ballot cimport Ballot
from ngage_core.vote cimport VotesPort
from ngage_core.votes_batch cimport VotesCommand, VotesThread


cdef class Votes:
    # What a shard needs is &core.door and &core.door.ports[its number]; both live as long as this.
    cdef VotesThread *core
    cdef dict ballots  # by poll, what the thread has: addresses
    cdef list event_fds
    cdef bint started
    cdef bint running

    cdef VotesPort *port_numbered(self, uint32_t number) except NULL
    cdef Ballot *ballot_numbered(self, uint32_t poll) except NULL
    cdef void carry_out(self, VotesCommand *command) noexcept
    cdef int order(self, VotesCommand *command) except -1
    cdef int order_of_poll(self, int order, uint32_t poll) except -1
    cdef int suspend(self, uint32_t poll) except -1

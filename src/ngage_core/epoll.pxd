"""The epoll backend (epoll(7)), and what another backend takes over from it."""

from libc.stdint cimport int64_t

from ngage_core.limits cimport READY_PER_TURN
from ngage_core.poller cimport PollerOps
from ngage_core.sysio cimport epoll_event


cdef struct Epoll:
    int fd
    epoll_event events[READY_PER_TURN]


# Open one in memory that is the caller's: 0, or -errno.
cdef int64_t epoll_begin(Epoll *poller) noexcept nogil
cdef const PollerOps *epoll_ops() noexcept nogil

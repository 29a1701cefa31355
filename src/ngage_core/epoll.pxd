"""The epoll backend (epoll(7))."""

from ngage_core.poller cimport PollerOps


cdef const PollerOps *epoll_ops() noexcept nogil

"""The io_uring backend (io_uring(7))."""

from ngage_core.poller cimport PollerOps


cdef const PollerOps *uring_ops() noexcept nogil

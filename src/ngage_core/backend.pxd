"""The backends by name, and whether the kernel lets this process have one."""

from libc.stdint cimport int64_t

from ngage_core.poller cimport PollerOps


cdef tuple backend_names()
# Raises ValueError for one that is not built in.
cdef const PollerOps *backend_named(str name) except NULL
# 0, or the -errno with which the kernel refuses it.
cdef int64_t backend_status(const PollerOps *ops) noexcept nogil

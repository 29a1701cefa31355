"""The backends by name, and the batches of one of them by themselves."""

from libc.stdint cimport int64_t

import os

from ngage_core.epoll cimport epoll_ops
from ngage_core.limits cimport SEND_BATCH
from ngage_core.poller cimport PollerOps
from ngage_core.uring cimport uring_ops


cdef tuple backend_names():
    return (epoll_ops().name.decode("ascii"), uring_ops().name.decode("ascii"))


cdef const PollerOps *backend_named(str name) except NULL:
    cdef tuple names = backend_names()
    if name == names[0]:
        return epoll_ops()
    if name == names[1]:
        return uring_ops()
    raise ValueError(f"backend {name!r}: {' or '.join(names)}")


cdef int64_t backend_status(const PollerOps *ops) noexcept nogil:
    cdef void *poller = NULL
    cdef int64_t status = ops.open(&poller)
    if status == 0:
        ops.close(poller)
    return status


def send_each(str backend not None, tuple fds not None, bytes data not None):
    cdef const PollerOps *ops = backend_named(backend)
    cdef void *poller = NULL
    cdef int numbers[SEND_BATCH]
    cdef int64_t sent[SEND_BATCH]
    cdef int64_t status
    cdef size_t count = <size_t> len(fds), i
    if count > SEND_BATCH:
        raise ValueError(f"{count} sockets: at most {SEND_BATCH}")
    for i in range(count):
        numbers[i] = fds[i]
    status = ops.open(&poller)
    if status < 0:
        raise OSError(<int> -status, os.strerror(<int> -status))
    ops.send_each(poller, numbers, count, <const char *> data, <size_t> len(data), 0, sent)
    ops.close(poller)
    return [sent[i] for i in range(count)]

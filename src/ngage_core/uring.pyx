"""The io_uring backend: a broadcast's sends in batches through a ring, everything else as in epoll.

What a ring saves is the way into the kernel and out of it, and, where readers share the sender's
cores, that each of them runs in between. So only what comes in hundreds goes through it: readiness
costs nothing while nobody writes, and a ring would hold memory for each idle socket.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from ngage_core.epoll cimport Epoll, epoll_begin, epoll_ops
from ngage_core.limits cimport SEND_BATCH
from ngage_core.poller cimport PollerOps
from ngage_core.sysio cimport (
    ng_uring, ng_uring_close, ng_uring_open, ng_uring_send_each, sys_close, sys_send,
)


# An epoll poller is at its beginning, for the operations that are epoll's.
cdef struct Uring:
    Epoll epoll
    ng_uring ring


cdef int64_t uring_open(void **opened) noexcept nogil:
    cdef Uring *poller = <Uring *> malloc(sizeof(Uring))
    cdef int64_t status
    if poller == NULL:
        return -ENOMEM
    status = epoll_begin(&poller.epoll)
    if status == 0:
        status = ng_uring_open(&poller.ring, SEND_BATCH)
        if status < 0:
            sys_close(poller.epoll.fd)
    if status < 0:
        free(poller)
    else:
        opened[0] = poller
    return status


cdef void uring_close(void *poller) noexcept nogil:
    ng_uring_close(&(<Uring *> poller).ring)
    sys_close((<Uring *> poller).epoll.fd)
    free(poller)


cdef void uring_send_each(
    void *poller, const int *fds, size_t count, const void *data, size_t size, int flags,
    int64_t *sent,
) noexcept nogil:
    cdef size_t i = 0
    if count > 1:  # for one, the way through the ring is the longer one
        i = ng_uring_send_each(&(<Uring *> poller).ring, fds, count, data, size, flags, sent)
    while i < count:
        sent[i] = sys_send(fds[i], data, size, flags)
        i += 1


cdef PollerOps OPS = epoll_ops()[0]
OPS.name = b"io_uring"
OPS.open = uring_open
OPS.close = uring_close
OPS.send_each = uring_send_each


cdef const PollerOps *uring_ops() noexcept nogil:
    return &OPS

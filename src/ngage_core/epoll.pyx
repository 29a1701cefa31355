"""The epoll backend: edge-triggered, both directions armed once at accept, so no epoll_ctl later.

A write edge comes only after the kernel found the socket full, so the second direction costs
nothing while nobody is slow.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from ngage_core.limits cimport READY_PER_TURN
from ngage_core.poller cimport READY_GONE, READY_READ, READY_WRITE, PollerOps, Ready
from ngage_core.sysio cimport (
    EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, iovec, sockaddr, socklen_t,
    sys_accept, sys_close, sys_epoll_add, sys_epoll_create, sys_epoll_remove,
    sys_epoll_wait, sys_event_raise, sys_send, sys_sendmsg,
)


cdef int64_t epoll_begin(Epoll *poller) noexcept nogil:
    cdef int64_t fd = sys_epoll_create()
    poller.fd = <int> fd
    return min(fd, 0)


cdef int64_t epoll_open(void **opened) noexcept nogil:
    cdef Epoll *poller = <Epoll *> malloc(sizeof(Epoll))
    cdef int64_t status
    if poller == NULL:
        return -ENOMEM
    status = epoll_begin(poller)
    if status < 0:
        free(poller)
    else:
        opened[0] = poller
    return status


cdef void epoll_close(void *poller) noexcept nogil:
    sys_close((<Epoll *> poller).fd)
    free(poller)


cdef int64_t epoll_add(void *poller, int fd, uint64_t tag, bint level) noexcept nogil:
    cdef uint32_t events = EPOLLIN if level else EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
    return sys_epoll_add((<Epoll *> poller).fd, fd, events, tag)


cdef int64_t epoll_remove(void *poller, int fd) noexcept nogil:
    return sys_epoll_remove((<Epoll *> poller).fd, fd)


cdef int64_t epoll_wait(void *poller, Ready *ready, int count, int timeout_ms) noexcept nogil:
    cdef Epoll *self = <Epoll *> poller
    cdef int64_t found = sys_epoll_wait(
        self.fd, self.events, min(count, READY_PER_TURN), timeout_ms)
    cdef int64_t i
    cdef uint32_t events
    for i in range(found):
        events = self.events[i].events
        ready[i].tag = self.events[i].data.u64
        ready[i].bits = (
            (READY_READ if events & EPOLLIN else 0)
            | (READY_WRITE if events & EPOLLOUT else 0)
            | (READY_GONE if events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) else 0))
    return found


cdef void epoll_send_each(
    void *poller, const int *fds, size_t count, const void *data, size_t size, int flags,
    int64_t *sent,
) noexcept nogil:
    cdef size_t i
    for i in range(count):
        sent[i] = sys_send(fds[i], data, size, flags)


cdef int64_t epoll_send_parts(
    void *poller, int fd, iovec *parts, size_t count, int flags
) noexcept nogil:
    return sys_sendmsg(fd, parts, count, flags)


cdef int64_t epoll_accept(void *poller, int fd, sockaddr *address, socklen_t *size) noexcept nogil:
    return sys_accept(fd, address, size)


cdef PollerOps OPS
OPS.name = b"epoll"
OPS.open = epoll_open
OPS.close = epoll_close
OPS.add = epoll_add
OPS.remove = epoll_remove
OPS.wait = epoll_wait
OPS.send_each = epoll_send_each
OPS.send_parts = epoll_send_parts
OPS.accept = epoll_accept
OPS.wake = sys_event_raise


cdef const PollerOps *epoll_ops() noexcept nogil:
    return &OPS

"""The contract of a backend: a small table of operations on the shard's own descriptors.

The core asks nothing else of a backend, so another one is another table. Sockets are watched from
add() to remove() for both directions, edge-triggered: a READ or WRITE is told once and then not
again before the socket said EAGAIN. A listener or an eventfd is added level-triggered.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngage_core.sysio cimport iovec, sockaddr, socklen_t

cdef enum ReadyBits:
    READY_READ = 1
    READY_WRITE = 2
    READY_GONE = 4  # hung up or failed: read until it says so


cdef struct Ready:
    uint64_t tag
    uint32_t bits


cdef struct PollerOps:
    const char *name
    int64_t (*open)(void **poller) noexcept nogil  # 0, or -errno: the kernel refused
    void (*close)(void *poller) noexcept nogil
    int64_t (*add)(void *poller, int fd, uint64_t tag, bint level) noexcept nogil
    int64_t (*remove)(void *poller, int fd) noexcept nogil
    int64_t (*wait)(void *poller, Ready *ready, int count, int timeout_ms) noexcept nogil
    # The same bytes to up to SEND_BATCH sockets. sent[i] is what send(2) returned, or -errno; flags
    # are its flags, added to those that every send has.
    void (*send_each)(void *poller, const int *fds, size_t count, const void *data, size_t size,
                      int flags, int64_t *sent) noexcept nogil
    int64_t (*send_parts)(
        void *poller, int fd, iovec *parts, size_t count, int flags) noexcept nogil
    int64_t (*accept)(void *poller, int fd, sockaddr *address, socklen_t *size) noexcept nogil
    void (*wake)(int event_fd) noexcept nogil  # from another thread

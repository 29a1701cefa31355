"""A shard's inbox: connections that another shard has accepted and had no room for.

SO_REUSEPORT deals connections by a hash, so a shard can be full while others are not. It hands what
comes then on to one that has room, once: who is full by the time it arrives refuses it, so nobody
is passed round. How many others have is read without a lock, and may be a moment old.
"""

from libc.errno cimport EMFILE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngage_core.atomic cimport ng_add, ng_load, ng_peek, ng_store, ng_sub
from ngage_core.hub cimport Inbox
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport ng_inbox_open, ng_inbox_pass, ng_inbox_take, socklen_t, sys_close


cdef inline int64_t inbox_open(Shard *shard) noexcept nogil:
    """The descriptor, or -errno; from now on others may pass to it."""
    cdef Inbox *inbox = &shard.hub.inboxes[shard.number]
    cdef socklen_t size
    cdef int64_t fd = ng_inbox_open(&inbox.name, &size)
    if fd >= 0:
        inbox.connections = &shard.counters.connections
        ng_store(&inbox.name_bytes, size)
    return fd


cdef inline bint hand_on(Shard *shard, int fd) noexcept nogil:
    """Pass a connection to a shard that has room; False: there is none, and it is still ours."""
    cdef uint64_t room = shard.hub.options.connections_per_shard
    cdef uint32_t step
    cdef Inbox *inbox
    cdef uint64_t size
    for step in range(1, shard.hub.options.shards):
        inbox = &shard.hub.inboxes[(shard.number + step) % shard.hub.options.shards]
        size = ng_load(&inbox.name_bytes)
        # An inbox queues few (net.unix.max_dgram_qlen, 10 or more): then the next one is asked.
        if (size and ng_peek(inbox.connections) + ng_add(&inbox.coming, 1) <= room
                and ng_inbox_pass(shard.inbox, &inbox.name, <socklen_t> size, fd) == 0):
            shard.counters.handed_on += 1
            sys_close(fd)
            return True
        if size:
            ng_sub(&inbox.coming, 1)
    return False


cdef inline int take_handed_on(Shard *shard) noexcept nogil:
    """The next connection that was passed here, or -errno; -EAGAIN: that was all."""
    cdef int fd = ng_inbox_take(shard.inbox)
    if fd >= 0 or fd == -EMFILE:
        ng_sub(&shard.hub.inboxes[shard.number].coming, 1)
    return fd

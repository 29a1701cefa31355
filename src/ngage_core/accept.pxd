"""Accepting connections, and refusing them in good order when there is no room.

A full shard hands on to another (inbox.pxd); a full edge answers 503 in a slot kept for that. When
descriptors run out, callers are taken off the queue and hung up on, and the listener rests.
"""

from libc.errno cimport EAGAIN, ECONNABORTED
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset

from ngage_core.conn cimport KIND_NONE, KIND_REFUSED, NONE
from ngage_core.inbox cimport hand_on, take_handed_on
from ngage_core.lifecycle cimport conn_open, doom
from ngage_core.limits cimport ACCEPTS_PER_TURN, ACCEPTS_WHILE_SWEEPING, ACCEPT_PAUSE_MS
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport (
    AF_INET, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t, sys_close,
    sys_peer_name, sys_spare_descriptor,
)

cdef enum:
    TAG_LISTENER = -1
    TAG_INBOX = -3


cdef inline void stop_accepting(Shard *shard) noexcept nogil:
    """What the kernel has queued is taken first: closing the listener would reset it."""
    if shard.listener < 0:
        return
    while accept_one(shard):
        pass
    if shard.accepting:
        shard.ops.remove(shard.poller, shard.listener)
    sys_close(shard.listener)
    shard.listener = -1
    shard.accepting = False
    shard.accept_again_ms = 0


cdef inline void pause_accepting(Shard *shard) noexcept nogil:
    if shard.accepting:
        shard.ops.remove(shard.poller, shard.listener)
        shard.accepting = False
    shard.accept_again_ms = shard.now_ms + ACCEPT_PAUSE_MS


cdef inline void resume_accepting(Shard *shard) noexcept nogil:
    if shard.accept_again_ms and shard.now_ms >= shard.accept_again_ms:
        shard.accept_again_ms = 0
        shard.accepting = shard.ops.add(
            shard.poller, shard.listener, <uint64_t> TAG_LISTENER, True) >= 0


cdef inline void out_of_descriptors(Shard *shard) noexcept nogil:
    """With the spare one, take callers off the queue and hang up: better than no answer."""
    cdef int64_t fd = 0
    cdef int taken = 0
    if shard.spare_fd >= 0:
        sys_close(shard.spare_fd)
        # accept(2) wants a descriptor before it looks at the queue, so there may be nobody in it.
        while fd >= 0 and taken < ACCEPTS_PER_TURN:
            taken += 1
            fd = shard.ops.accept(shard.poller, shard.listener, NULL, NULL)
            if fd >= 0:
                shard.counters.refused_descriptors += 1
                sys_close(<int> fd)
        shard.spare_fd = <int> sys_spare_descriptor(shard.wake_fd)
    pause_accepting(shard)


cdef inline void address_bytes(const sockaddr_storage *peer, uint8_t *address) noexcept nogil:
    if peer.ss_family == AF_INET:
        memset(address, 0, 10)
        memset(address + 10, 0xFF, 2)
        memcpy(address + 12, &(<const sockaddr_in *> peer).sin_addr, 4)
    else:
        memcpy(address, &(<const sockaddr_in6 *> peer).sin6_addr, 16)


cdef inline bint is_full(const Shard *shard) noexcept nogil:
    return shard.slab.used >= shard.hub.options.connections_per_shard


cdef inline void admit(Shard *shard, int fd, const sockaddr_storage *peer) noexcept nogil:
    """Begin with a connection; there is a slot for who is refused too, while they are few."""
    cdef uint8_t address[16]
    cdef uint8_t kind = KIND_NONE
    cdef uint32_t index
    if is_full(shard) or shard.drain.on:
        shard.counters.refused_full += 1
        kind = KIND_REFUSED
    address_bytes(peer, address)
    index = conn_open(shard, fd, address, kind)
    if index == <uint32_t> NONE:
        sys_close(fd)
    elif shard.ops.add(shard.poller, fd, index, False) < 0:
        doom(shard, index)


cdef inline bint accept_one(Shard *shard) noexcept nogil:
    """Whether another may be waiting."""
    cdef sockaddr_storage peer
    cdef socklen_t size = sizeof(sockaddr_storage)
    cdef int64_t fd = shard.ops.accept(shard.poller, shard.listener, <sockaddr *> &peer, &size)
    if fd < 0:
        if fd == -ECONNABORTED:
            return True
        if fd != -EAGAIN:
            out_of_descriptors(shard)
        return False
    shard.counters.accepted += 1
    if not is_full(shard) or not hand_on(shard, <int> fd):
        admit(shard, <int> fd, &peer)
    return True


cdef inline void accept_some(Shard *shard) noexcept nogil:
    cdef int taken = 0
    cdef int most = ACCEPTS_WHILE_SWEEPING if shard.sweeping else ACCEPTS_PER_TURN
    while shard.accepting and taken < most and accept_one(shard):
        taken += 1


cdef inline void empty_inbox(Shard *shard) noexcept nogil:
    """What other shards had no room for. Level-triggered, so what is left comes next turn."""
    cdef sockaddr_storage peer
    cdef int taken = 0
    cdef int most = ACCEPTS_WHILE_SWEEPING if shard.sweeping else ACCEPTS_PER_TURN
    cdef int fd = 0
    while taken < most and fd != -EAGAIN:
        taken += 1
        fd = take_handed_on(shard)
        if fd < 0:
            continue
        if sys_peer_name(fd, &peer) < 0:
            sys_close(fd)
        else:
            admit(shard, fd, &peer)

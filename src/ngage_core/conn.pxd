"""A connection: one cache line of hot state in a slab, half a line of cold state beside it.

There is nothing else per connection until something is unfinished: an Inbound while a message is
cut in two, an Outbox while bytes wait that are its own. The slab is reserved address space that is
paid for where it is touched, so it never moves and never pauses to grow. A handle is the slot's
index and a generation, so that a late command cannot reach the next tenant of the slot.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcmp

from ngage_core.frame cimport Inbound
from ngage_core.outbox cimport Outbox
from ngage_core.payload cimport Payload
from ngage_core.platform cimport NG_ASSERT_STATIC
from ngage_core.wheel cimport NONE, Deadline

cdef enum:
    HANDLE_SHARD_BITS = 12
    HANDLE_GENERATION_BITS = 28
    HANDLE_INDEX_BITS = 24

cdef enum ConnState:
    CONN_FREE = 0
    CONN_HEAD = 1  # reading a request
    CONN_OPEN = 2  # a WebSocket
    CONN_CLOSING = 3  # our close frame is out or queued; waiting for the peer's
    CONN_LINGER = 4  # nothing more to write; input is thrown away until the peer has gone
    CONN_DOOMED = 5  # closed at the end of this turn
    CONN_WAITING = 6  # what it asked for is not there yet
    CONN_ANSWERING = 7  # an answer is on its way; the next request is read after it

cdef enum ConnKind:
    KIND_NONE = 0
    KIND_RAW = 1
    KIND_ECHO = 2
    KIND_REFUSED = 3  # accepted over the limit, to be told so
    KIND_CLIENT = 4  # speaks the client protocol

cdef enum ConnFlag:
    F_BLOCKED = 1  # the socket is full; EPOLLOUT will say when it is not
    F_QUEUED = 2  # in the shard's write queue
    F_DEFLATE = 4  # permessage-deflate was agreed
    F_SHARED_DEFLATE = 8  # and its window takes the broadcast's deflated variant
    F_PARTIAL_DEFLATED = 16  # the frame half written is the deflated variant
    F_PAUSED = 32  # not being read; waits in the shard's paused list
    F_RESUME = 64  # in the shard's read queue
    F_PINGED = 128  # a ping is unanswered
    F_CLOSE_WHEN_SENT = 256  # the drain's turn has come: close once everything so far is out
    F_SHUT_WHEN_SENT = 512  # shut the write side once the outbox is empty
    F_PEER_DONE = 1024  # the peer sent FIN


cdef struct Conn:
    int32_t fd
    uint32_t generation
    uint8_t state
    uint8_t kind
    uint16_t flags
    uint32_t subscription  # the first one; the others follow it
    Deadline deadline  # `next` doubles as the free list
    uint32_t heard_tick  # when a byte last arrived
    Payload *partial  # the frame a short write stopped in
    uint32_t partial_sent
    uint32_t pinged_tick
    Inbound *inbound
    Outbox *outbox


cdef struct ConnCold:
    uint8_t address[16]  # IPv6, or IPv4 mapped into it (RFC 4291 section 2.5.5.2)
    uint32_t rate_second
    uint32_t rate_bytes
    uint16_t rate_messages  # until the upgrade: the requests so far
    uint8_t window_bits
    uint8_t pad
    uint32_t record  # of the request that waits, later of who the client is; NO_WAITER: none


cdef struct Slab:
    Conn *conns
    ConnCold *colds
    uint32_t capacity
    uint32_t touched  # slots below this have been used
    uint32_t free
    uint32_t used


cdef inline bint is_ipv4(const uint8_t *address) noexcept nogil:
    """Mapped into IPv6."""
    return memcmp(address, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0


cdef inline bint is_websocket(const Conn *conn) noexcept nogil:
    return conn.kind == KIND_RAW or conn.kind == KIND_ECHO or conn.kind == KIND_CLIENT


cdef inline void conn_sizes_hold() noexcept nogil:
    NG_ASSERT_STATIC(sizeof(Conn) == 64)
    NG_ASSERT_STATIC(sizeof(ConnCold) == 32)
    NG_ASSERT_STATIC(HANDLE_SHARD_BITS + HANDLE_GENERATION_BITS + HANDLE_INDEX_BITS == 64)


cdef inline uint32_t slab_take(Slab *slab) noexcept nogil:
    """A free slot's index, most recently freed first, or NONE."""
    cdef uint32_t index = slab.free
    if index != <uint32_t> NONE:
        slab.free = slab.conns[index].deadline.next
    elif slab.touched < slab.capacity:
        index = slab.touched
        slab.touched += 1
    else:
        return <uint32_t> NONE
    slab.used += 1
    return index


cdef inline void slab_give(Slab *slab, uint32_t index) noexcept nogil:
    cdef Conn *conn = &slab.conns[index]
    conn.state = CONN_FREE
    conn.generation = (conn.generation + 1) & ((1 << HANDLE_GENERATION_BITS) - 1)
    conn.deadline.next = slab.free
    slab.free = index
    slab.used -= 1


cdef inline uint64_t conn_handle(
    uint32_t shard, uint32_t generation, uint32_t index
) noexcept nogil:
    return (<uint64_t> shard << (HANDLE_GENERATION_BITS + HANDLE_INDEX_BITS)
            | <uint64_t> generation << HANDLE_INDEX_BITS | index)


cdef inline uint32_t handle_shard(uint64_t handle) noexcept nogil:
    return <uint32_t> (handle >> (HANDLE_GENERATION_BITS + HANDLE_INDEX_BITS))


cdef inline uint32_t handle_generation(uint64_t handle) noexcept nogil:
    return <uint32_t> (handle >> HANDLE_INDEX_BITS) & ((1 << HANDLE_GENERATION_BITS) - 1)


cdef inline uint32_t handle_index(uint64_t handle) noexcept nogil:
    return <uint32_t> handle & ((1 << HANDLE_INDEX_BITS) - 1)

"""The two bounded queues between the planes: one producer, one consumer, no lock.

Each side owns one index and reads the other's. A full ring is the producer's to handle: the
control plane gets False, a shard stops reading the sockets that would fill it.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free

from ngage_core.atomic cimport ng_load, ng_peek, ng_store
from ngage_core.payload cimport Payload, payload_release

cdef enum CommandKind:
    COMMAND_SEND = 0
    COMMAND_CLOSE = 1
    COMMAND_CLOSE_CHANNEL = 2
    COMMAND_DRAIN = 3
    COMMAND_STOP = 4
    COMMAND_IDENTIFY = 5
    COMMAND_SUBSCRIBE = 6
    COMMAND_UNSUBSCRIBE = 7


cdef struct Command:
    int kind
    int code  # of a close; of a subscription, the channel's number
    uint64_t target  # a connection's handle, or a channel's number
    uint64_t milliseconds
    uint64_t number  # of an identity, the voter; of a subscription, the offset to begin with
    uint32_t id  # of an identity, when it expires; of a subscription, the client's command
    bint recovers  # what a subscription begins with is part of its answer
    Payload *payload  # one reference: the message of a SEND, the reason of a close, ...


# What a client sent, on its way to the control plane; the data follows the struct.
cdef struct Message:
    uint64_t client
    uint64_t channel
    uint64_t bytes
    uint64_t received_ms  # sys_now_ms()
    uint32_t rtt_ms  # of a client that speaks the client protocol
    Payload *about  # of a client that speaks the client protocol: who it is, or NULL
    int opcode
    bint speaks  # the client protocol
    unsigned char address[16]


cdef inline void message_free(Message *message) noexcept nogil:
    if message.about != NULL:
        payload_release(message.about)
    free(message)


cdef struct Ring:
    uint64_t pushed
    uint64_t pad_a[7]  # the two ends on cache lines of their own
    uint64_t popped
    uint64_t pad_b[7]
    uint64_t capacity


cdef inline uint64_t ring_free(const Ring *ring) noexcept nogil:
    """As the producer sees it."""
    return ring.capacity - (ng_peek(&ring.pushed) - ng_load(&ring.popped))


cdef inline uint64_t ring_waiting(const Ring *ring) noexcept nogil:
    """As the consumer sees it."""
    return ng_load(&ring.pushed) - ng_peek(&ring.popped)


cdef inline uint64_t ring_push_at(const Ring *ring) noexcept nogil:
    return ring.pushed & (ring.capacity - 1)


cdef inline uint64_t ring_pop_at(const Ring *ring) noexcept nogil:
    return ring.popped & (ring.capacity - 1)


cdef inline void ring_pushed(Ring *ring) noexcept nogil:
    ng_store(&ring.pushed, ring.pushed + 1)


cdef inline void ring_popped(Ring *ring) noexcept nogil:
    ng_store(&ring.popped, ring.popped + 1)

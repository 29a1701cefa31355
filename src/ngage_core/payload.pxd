"""An encoded message: immutable, counted, shared by everybody who is sent it.

A publication holds its WebSocket frame once for each wire variant, header and payload contiguous,
so that a broadcast is a pointer per socket. A preencoded HTTP response is a payload too. One
reference belongs to the ring or table it stands in, one to every socket that is in the middle of
writing it (a short write): those alone outlive its place in the ring.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ngage_core.atomic cimport ng_add, ng_sub
from ngage_core.frame cimport FIN, RSV1, header_bytes, write_header


cdef struct Payload:
    uint64_t references
    uint64_t offset  # in its channel's log; 0 for what is not a publication
    uint32_t plain_bytes
    uint32_t deflated_bytes  # 0: has no deflated variant
    uint32_t head_bytes  # of the plain variant: frame header, or HTTP head
    uint32_t published_ms  # modulo 2**32, by the clock of the shards; in a channel with lag_ms
    uint64_t group  # of a sync point: the same in each rung of a ladder, where they may be changed
    uint8_t opcode
    bint sync
    bint independent  # of use without what comes before it, back to the sync point


cdef inline int64_t payload_age_ms(const Payload *payload, uint32_t now_ms) noexcept nogil:
    """Below 0 where the reader's clock was read before it was published."""
    return <int32_t> (now_ms - payload.published_ms)


cdef inline uint8_t *payload_plain(Payload *payload) noexcept nogil:
    return <uint8_t *> payload + sizeof(Payload)


cdef inline uint8_t *payload_deflated(Payload *payload) noexcept nogil:
    return payload_plain(payload) + payload.plain_bytes


cdef inline Payload *payload_of_frame(
    const uint8_t *data, size_t size, uint8_t opcode, const uint8_t *deflated, size_t deflated_size
) noexcept nogil:
    """A message encoded as one unfragmented frame a variant, with one reference; NULL: no memory.

    `deflated_size` 0 leaves the deflated variant out.
    """
    cdef size_t head = header_bytes(size)
    cdef size_t deflated_head = header_bytes(deflated_size)
    cdef size_t plain = head + size
    cdef size_t extra = deflated_head + deflated_size if deflated_size else 0
    cdef Payload *payload = <Payload *> malloc(sizeof(Payload) + plain + extra)
    if payload == NULL:
        return NULL
    payload.references = 1
    payload.offset = 0
    payload.plain_bytes = <uint32_t> plain
    payload.deflated_bytes = <uint32_t> extra
    payload.head_bytes = <uint32_t> head
    payload.published_ms = 0
    payload.group = 0
    payload.opcode = opcode
    payload.sync = False
    payload.independent = False
    write_header(payload_plain(payload), FIN | opcode, size)
    memcpy(payload_plain(payload) + head, data, size)
    if extra:
        write_header(payload_deflated(payload), FIN | RSV1 | opcode, deflated_size)
        memcpy(payload_deflated(payload) + deflated_head, deflated, deflated_size)
    return payload


cdef inline Payload *payload_of_bytes(
    const uint8_t *data, size_t size, size_t head_size
) noexcept nogil:
    """Bytes sent as they are (an HTTP response), with one reference; NULL: no memory."""
    cdef Payload *payload = <Payload *> malloc(sizeof(Payload) + size)
    if payload == NULL:
        return NULL
    payload.references = 1
    payload.offset = 0
    payload.plain_bytes = <uint32_t> size
    payload.deflated_bytes = 0
    payload.head_bytes = <uint32_t> head_size
    payload.published_ms = 0
    payload.group = 0
    payload.opcode = 0
    payload.sync = False
    payload.independent = False
    memcpy(payload_plain(payload), data, size)
    return payload


cdef inline void payload_retain(Payload *payload) noexcept nogil:
    ng_add(&payload.references, 1)


cdef inline void payload_release(Payload *payload) noexcept nogil:
    if ng_sub(&payload.references, 1) == 0:
        free(payload)

"""WebSocket frames (RFC 6455 section 5): writing a header, and the strict incremental reader.

The reader is Sans-I/O: bytes in, one finding out per call. Its state is an Inbound, which exists
only while something is cut in two; between messages a connection has none. A message that lies
whole in the read buffer is unmasked in place and never copied. Every limit is checked on the
header, before a byte of payload is stored, and memory grows with bytes received, not announced.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from ngage_core.codes cimport (
    CLOSE_INTERNAL, CLOSE_NO_STATUS, CLOSE_PAYLOAD, CLOSE_PROTOCOL, CLOSE_TOO_BIG, OP_BINARY,
    OP_CLOSE, OP_CONTINUATION, OP_PING, OP_PONG, OP_TEXT,
)
from ngage_core.limits cimport CONTROL_BYTES_MAX
from ngage_core.simd cimport ng_mask
from ngage_core.utf8 cimport UTF8_COMPLETE, UTF8_INVALID, utf8_step

cdef enum:
    FIN = 0x80
    RSV1 = 0x40  # "compressed", RFC 7692 section 6
    RSV2_RSV3 = 0x30
    MASKED = 0x80
    SERVER_HEADER_BYTES_MAX = 10
    CLIENT_HEADER_BYTES_MAX = 14
    FIRST_PIECE_BYTES = 256

cdef enum Found:  # what a step found; a refusal is the negative close code
    FOUND_NOTHING = 0
    FOUND_MESSAGE = 1
    FOUND_PING = 2
    FOUND_PONG = 3
    FOUND_CLOSE = 4


cdef struct FrameLimits:
    uint64_t message_bytes_max
    uint32_t fragments_max
    bint deflate  # permessage-deflate was agreed


cdef struct Inbound:
    Inbound *next_free
    uint64_t since_ms  # when it was parked: the deadline of an unfinished message counts from here
    # The frame being read
    uint64_t left
    uint64_t masked  # payload bytes unmasked so far
    uint8_t header[CLIENT_HEADER_BYTES_MAX]
    uint8_t header_have
    bint in_payload
    # The message being put together
    uint8_t *data
    uint64_t bytes
    uint64_t capacity
    uint32_t fragments
    uint32_t text_state
    uint8_t opcode  # 0: no message open
    bint compressed
    bint handed_over  # the last step gave the message out; forget it first
    # The control frame being put together
    uint8_t control[CONTROL_BYTES_MAX]
    uint8_t control_have


cdef struct Finding:
    uint8_t *data
    uint64_t bytes
    uint8_t opcode
    bint compressed  # deflated and, if text, not yet checked
    uint32_t code  # of a close frame


cdef inline size_t write_header(
    uint8_t *out, uint32_t first_byte, uint64_t payload_bytes
) noexcept nogil:
    """A server's frame header of 2, 4 or 10 bytes; `first_byte` holds FIN, RSV1, the opcode."""
    cdef int i
    out[0] = <uint8_t> first_byte
    if payload_bytes < 126:
        out[1] = <uint8_t> payload_bytes
        return 2
    if payload_bytes < 65536:
        out[1] = 126
        out[2] = <uint8_t> (payload_bytes >> 8)
        out[3] = <uint8_t> payload_bytes
        return 4
    out[1] = 127
    for i in range(8):
        out[2 + i] = <uint8_t> (payload_bytes >> (56 - 8 * i))
    return 10


cdef inline size_t header_bytes(uint64_t payload_bytes) noexcept nogil:
    return 2 if payload_bytes < 126 else 4 if payload_bytes < 65536 else 10


cdef inline bint close_code_valid(uint32_t code) noexcept nogil:
    """Whether a peer may send it (section 7.4 and the IANA registry: 1012-1014 are assigned)."""
    if 1000 <= code <= 1003 or 1007 <= code <= 1014:
        return True
    return 3000 <= code <= 4999


cdef inline bint inbound_idle(const Inbound *state) noexcept nogil:
    """Between messages: nothing is lost if the state goes back to its pool."""
    return (state.header_have == 0 and not state.in_payload
            and (state.opcode == 0 or state.handed_over))


cdef inline void inbound_clear(Inbound *state) noexcept nogil:
    state.left = 0
    state.masked = 0
    state.header_have = 0
    state.in_payload = False
    state.bytes = 0
    state.fragments = 0
    state.text_state = UTF8_COMPLETE
    state.opcode = 0
    state.compressed = False
    state.handed_over = False
    state.control_have = 0
    state.since_ms = 0


cdef inline void inbound_drop_data(Inbound *state) noexcept nogil:
    free(state.data)
    state.data = NULL
    state.capacity = 0
    state.bytes = 0


cdef inline bint inbound_append(Inbound *state, const uint8_t *data, uint64_t size) noexcept nogil:
    """Doubling keeps what is held within twice what was received; False: no memory."""
    cdef uint64_t wanted = state.bytes + size
    cdef uint8_t *grown
    if wanted > state.capacity:
        if wanted < 2 * state.capacity:
            wanted = 2 * state.capacity
        if wanted < FIRST_PIECE_BYTES:
            wanted = FIRST_PIECE_BYTES
        grown = <uint8_t *> realloc(state.data, wanted)
        if grown == NULL:
            return False
        state.data = grown
        state.capacity = wanted
    if size:
        memcpy(state.data + state.bytes, data, size)
    state.bytes += size
    return True


cdef inline size_t header_wanted(const Inbound *state) noexcept nogil:
    """Bytes the header takes, as far as its first two tell."""
    cdef uint32_t length
    if state.header_have < 2:
        return 2
    length = state.header[1] & 0x7F
    return 2 + (2 if length == 126 else 8 if length == 127 else 0) + 4


cdef inline int check_first_bytes(const Inbound *state, const FrameLimits *limits) noexcept nogil:
    """Sections 5.2, 5.4 and 5.5 on the first two bytes of a header: 0 or a negative close code."""
    cdef uint32_t first = state.header[0], opcode = first & 0x0F
    if first & RSV2_RSV3 or not state.header[1] & MASKED:
        return -CLOSE_PROTOCOL
    if first & RSV1 and (not limits.deflate or opcode == OP_CONTINUATION or opcode >= OP_CLOSE):
        return -CLOSE_PROTOCOL
    if opcode >= OP_CLOSE:
        if opcode > OP_PONG or not first & FIN or state.header[1] & 0x7F > CONTROL_BYTES_MAX:
            return -CLOSE_PROTOCOL
    elif opcode > OP_BINARY or (opcode == OP_CONTINUATION) != (state.opcode != 0):
        return -CLOSE_PROTOCOL
    return 0


cdef inline int open_frame(Inbound *state, const FrameLimits *limits) noexcept nogil:
    """The header is whole: take its length, check the limits. 0 or a negative close code."""
    cdef uint32_t short_length = state.header[1] & 0x7F
    cdef uint32_t opcode = state.header[0] & 0x0F
    cdef uint64_t length = short_length
    cdef int i
    if short_length == 126:
        length = <uint64_t> state.header[2] << 8 | state.header[3]
        if length < 126:
            return -CLOSE_PROTOCOL  # not the minimal form
    elif short_length == 127:
        length = 0
        for i in range(8):
            length = length << 8 | state.header[2 + i]
        if length >> 63 or length < 65536:
            return -CLOSE_PROTOCOL
    state.left = length
    state.masked = 0
    state.in_payload = True
    if opcode >= OP_CLOSE:
        state.control_have = 0
        return 0
    if length > limits.message_bytes_max - state.bytes:
        return -CLOSE_TOO_BIG
    state.fragments += 1
    if state.fragments > limits.fragments_max:
        return -CLOSE_TOO_BIG
    if opcode != OP_CONTINUATION:
        state.opcode = <uint8_t> opcode
        state.compressed = (state.header[0] & RSV1) != 0
        state.text_state = UTF8_COMPLETE
    return 0


cdef inline const uint8_t *frame_key(const Inbound *state) noexcept nogil:
    return state.header + header_wanted(state) - 4


cdef inline bint text_fails(
    Inbound *state, const uint8_t *data, uint64_t size, bint last
) noexcept nogil:
    if state.opcode != OP_TEXT or state.compressed:
        return False
    state.text_state = utf8_step(state.text_state, data, size)
    if last:
        return state.text_state != UTF8_COMPLETE
    return state.text_state == <uint32_t> UTF8_INVALID


cdef inline int read_control(
    Inbound *state, uint8_t *data, size_t size, size_t *used, Finding *found
) noexcept nogil:
    cdef size_t piece = size if size < state.left else state.left
    cdef uint32_t opcode = state.header[0] & 0x0F
    memcpy(state.control + state.control_have, data, piece)
    ng_mask(state.control + state.control_have, piece, frame_key(state), state.masked)
    state.control_have += <uint8_t> piece
    state.masked += piece
    state.left -= piece
    used[0] += piece
    if state.left:
        return FOUND_NOTHING
    state.in_payload = False
    state.header_have = 0
    found.data = state.control
    found.bytes = state.control_have
    found.opcode = <uint8_t> opcode
    found.compressed = False
    if opcode == OP_PING:
        return FOUND_PING
    if opcode == OP_PONG:
        return FOUND_PONG
    found.code = CLOSE_NO_STATUS
    if found.bytes == 1:
        return -CLOSE_PROTOCOL
    if found.bytes:
        found.code = <uint32_t> state.control[0] << 8 | state.control[1]
        if not close_code_valid(found.code):
            return -CLOSE_PROTOCOL
        if utf8_step(UTF8_COMPLETE, state.control + 2, found.bytes - 2) != UTF8_COMPLETE:
            return -CLOSE_PAYLOAD
    return FOUND_CLOSE


cdef inline int read_data(
    Inbound *state, uint8_t *data, size_t size, size_t *used, Finding *found
) noexcept nogil:
    cdef size_t piece = size if size < state.left else state.left
    cdef bint last = (state.header[0] & FIN) != 0 and piece == state.left
    ng_mask(data, piece, frame_key(state), state.masked)
    if text_fails(state, data, piece, last):
        return -CLOSE_PAYLOAD
    if not (last and state.bytes == 0) and not inbound_append(state, data, piece):
        return -CLOSE_INTERNAL
    found.data = data if state.bytes == 0 else state.data
    state.masked += piece
    state.left -= piece
    used[0] += piece
    if state.left:
        return FOUND_NOTHING
    state.in_payload = False
    state.header_have = 0
    if not last:
        return FOUND_NOTHING
    found.bytes = piece if state.bytes == 0 else state.bytes
    found.opcode = state.opcode
    found.compressed = state.compressed
    state.handed_over = True
    return FOUND_MESSAGE


cdef inline int inbound_step(
    Inbound *state, const FrameLimits *limits, uint8_t *data, size_t size, size_t *used,
    Finding *found,
) noexcept nogil:
    """Read on from `data` (which it may unmask in place) until something is found or all is used.

    A FOUND_ value, or the negative close code to end the connection with. `found` points into
    `data` or the state and holds until the next step.
    """
    cdef size_t wanted, piece
    cdef int status
    used[0] = 0
    if state.handed_over:
        state.bytes = 0
        state.fragments = 0
        state.opcode = 0
        state.handed_over = False
    while True:
        if not state.in_payload:
            wanted = header_wanted(state)
            piece = min(wanted - state.header_have, size - used[0])
            memcpy(state.header + state.header_have, data + used[0], piece)
            state.header_have += <uint8_t> piece
            used[0] += piece
            if state.header_have < wanted:
                return FOUND_NOTHING
            if wanted == 2:
                status = check_first_bytes(state, limits)
            else:
                status = open_frame(state, limits)
            if status < 0:
                return status
            if wanted == 2:
                continue
        if used[0] == size and state.left:
            return FOUND_NOTHING
        if state.header[0] & 0x0F >= OP_CLOSE:
            status = read_control(state, data + used[0], size - used[0], used, found)
        else:
            status = read_data(state, data + used[0], size - used[0], used, found)
        if status != FOUND_NOTHING:
            return status

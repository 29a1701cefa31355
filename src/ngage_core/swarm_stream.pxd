"""What a fan reads: the answer to its upgrade, then a server's frames (RFC 6455 section 5).

Sans-I/O: read_units takes bytes and says how many it used; the rest is a unit cut in two, which
the caller parks and gives again with what follows. A unit is the answer's head, a whole control
frame, or a data frame's header with what its codec must see in one piece; the rest of a data frame
is used as it comes. Answers to the server are left in a Reply.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ngage_core.atomic cimport ng_store
from ngage_core.codes cimport (
    CLOSE_NO_STATUS, OP_BINARY, OP_CLOSE, OP_CONTINUATION, OP_PING, OP_PONG,
)
from ngage_core.histogram cimport bucket_of
from ngage_core.limits cimport CONTROL_BYTES_MAX
from ngage_core.simd cimport ng_mask
from ngage_core.swarm_fan cimport (
    FAN_OPEN, FAN_UPGRADING, VIOLATION_CLOSE_CODE, Fan, count,
)
from ngage_core.swarm_head cimport STATUS_SWITCHING, key_accepted, memmem, status_of
from ngage_core.swarm_oracle cimport violate
from ngage_core.swarm_payload cimport mix
from ngage_core.swarm_plan cimport REPLY_BYTES_MAX, Codec, Reading, Reply, persona_of

cdef enum:
    ANSWER_BYTES_MAX = 4096
    CLOSE_CODE_END = 5000  # RFC 6455 section 7.4.2


cdef enum Verdict:
    READ_REFUSED = -1  # another status than 101
    READ_MALFORMED = -2


cdef inline bint may_be_sent(uint32_t code) noexcept nogil:
    """RFC 6455 section 7.4: codes that stand in a close frame; 1012 to 1014 are registered."""
    if code < 3000:
        return 1000 <= code <= 1014 and not 1004 <= code <= 1006
    return code < CLOSE_CODE_END


cdef inline bint may_return(uint32_t code) noexcept nogil:
    """Whether a client that got this close code comes back (docs/reference/raw-protocol.md;
    3500 to 3999 and 4500 to 4999 forbid it to Centrifugo's clients)."""
    if code < 3000:
        return code == 0 or code == 1001 or code == CLOSE_NO_STATUS or code == 1008 or code >= 1011
    return code % 1000 < 500


cdef inline void reply_frame(
    Reading *reading, uint32_t opcode, const uint8_t *payload, size_t size
) noexcept nogil:
    """A masked frame (section 5.3); one that does not fit any more is left out."""
    cdef Reply *reply = &reading.reply
    cdef uint8_t *out = reply.data + reply.bytes
    cdef size_t header = 2 if size < 126 else 4
    cdef uint64_t key
    if reply.bytes + header + 4 + size > REPLY_BYTES_MAX:
        return
    reading.replies += 1
    key = mix(reading.plan.seed ^ reading.replies << 40)
    out[0] = <uint8_t> (0x80 | opcode)
    out[1] = <uint8_t> (0x80 | (size if size < 126 else 126))
    if header == 4:
        out[2] = <uint8_t> (size >> 8)
        out[3] = <uint8_t> size
    memcpy(out + header, &key, 4)
    memcpy(out + header + 4, payload, size)
    ng_mask(out + header + 4, size, out + header, 0)
    reply.bytes += header + 4 + size


cdef inline int64_t read_answer(
    Reading *reading, Fan *fan, const Codec *codec, const uint8_t *data, size_t size
) noexcept nogil:
    cdef const uint8_t *end = <const uint8_t *> memmem(data, size, b"\r\n\r\n", 4)
    cdef size_t head_bytes = end - data + 2
    cdef uint32_t status
    if end == NULL:
        return READ_MALFORMED if size > ANSWER_BYTES_MAX else 0
    status = status_of(data, head_bytes)
    if status == 0:
        return READ_MALFORMED
    if status != STATUS_SWITCHING:
        count(&reading.endings[status], 1)
        return READ_REFUSED
    if reading.plan.check_key and not key_accepted(data, head_bytes, reading.plan.seed,
                                                   reading.fan_number):
        return READ_MALFORMED
    if not codec.opened(reading, fan, data, head_bytes):
        return READ_MALFORMED
    ng_store(&fan.state, FAN_OPEN)
    count(&reading.tally.opened, 1)
    count(&reading.tally.open, 1)
    if not fan.entered:
        count(&reading.tally.entered, 1)
    count(&reading.connecting[bucket_of(reading.now_ns - fan.launched_ns)], 1)
    return end + 4 - data


cdef inline void read_control(
    Reading *reading, Fan *fan, const Codec *codec, uint32_t opcode, const uint8_t *payload,
    size_t size,
) noexcept nogil:
    if opcode == OP_PING:
        count(&reading.tally.pings, 1)
        codec.pinged(reading, fan, payload, size)
        reply_frame(reading, OP_PONG, payload, size)
    elif opcode == OP_CLOSE:
        fan.close_code = CLOSE_NO_STATUS
        if size >= 2:
            fan.close_code = <uint16_t> (<uint32_t> payload[0] << 8 | payload[1])
            if not may_be_sent(fan.close_code):
                violate(reading, fan, VIOLATION_CLOSE_CODE, 0, fan.close_code)
        if fan.state == FAN_OPEN:  # else it answers ours
            count(&reading.endings[min(<uint32_t> fan.close_code, <uint32_t> CLOSE_CODE_END)], 1)
            reply_frame(reading, OP_CLOSE, payload, min(size, <size_t> 2))


cdef inline int64_t read_unit(
    Reading *reading, Fan *fan, const Codec *codec, const uint8_t *data, size_t size
) noexcept nogil:
    """One control frame, or a data frame's header and beginning: bytes used, 0 if it is cut."""
    cdef uint64_t length
    cdef size_t header = 2, taken
    cdef uint32_t opcode
    cdef int i
    if size < 2:
        return 0
    opcode = data[0] & 0x0F
    length = data[1]
    if data[0] & 0x70 or length & 0x80:  # no extension was agreed, and servers do not mask
        return READ_MALFORMED
    if length >= 126:
        header = 4 if length == 126 else 10
        if size < header:
            return 0
        length = 0
        for i in range(2, <int> header):
            length = length << 8 | data[i]
        # Section 5.2: in as few bytes as it takes, and the highest bit is 0.
        if length <= (125 if header == 4 else 0xFFFF) or length >> 63:
            return READ_MALFORMED
    if opcode >= OP_CLOSE:
        if opcode > OP_PONG or length > CONTROL_BYTES_MAX or not data[0] & 0x80:
            return READ_MALFORMED
        if opcode == OP_CLOSE and length == 1:  # half a code
            return READ_MALFORMED
        if size < header + length:
            return 0
        read_control(reading, fan, codec, opcode, data + header, length)
        return header + length
    if opcode > OP_BINARY or (opcode == OP_CONTINUATION) != fan.unfinished:
        return READ_MALFORMED
    taken = 0
    if opcode != OP_CONTINUATION:
        taken = min(length, <uint64_t> codec.prefix_bytes)
        if size < header + taken:
            return 0
        taken = codec.begin(reading, fan, data + header, taken)
        fan.at = taken
    fan.unfinished = not data[0] & 0x80
    fan.left = length - taken
    if fan.left == 0 and not fan.unfinished:
        codec.end(reading, fan)
    return header + taken


cdef inline int64_t read_units(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    """Bytes used, or a negative Verdict. reading.fan_number and now_ns say whose and when."""
    cdef const Codec *codec = persona_of(reading.plan, fan).codec
    cdef size_t used = 0, piece
    cdef int64_t unit
    if fan.state == FAN_UPGRADING:
        unit = read_answer(reading, fan, codec, data, size)
        if unit <= 0:
            return unit
        used = unit
    while used < size:
        if fan.left:
            piece = min(fan.left, <uint64_t> (size - used))
            codec.more(reading, fan, data + used, piece)
            fan.at += piece
            fan.left -= piece
            used += piece
            if fan.left == 0 and not fan.unfinished:
                codec.end(reading, fan)
            continue
        unit = read_unit(reading, fan, codec, data + used, size - used)
        if unit < 0:
            return unit
        if unit == 0:
            break
        used += unit
    return used

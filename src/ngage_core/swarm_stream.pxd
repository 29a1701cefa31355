"""What a fan reads: the answer to its upgrade, then a server's frames (RFC 6455 section 5).

Sans-I/O: read_units takes bytes and says how many it used; the rest is a unit cut in two, which
the caller parks and gives again with what follows. A unit is the answer's head, a whole control
frame, or a data frame's header with the two numbers behind it; the rest of a data frame is used
as it comes. Answers to the server are left in a Reply.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from ngage_core.atomic cimport ng_store
from ngage_core.codes cimport (
    CLOSE_NO_STATUS, OP_BINARY, OP_CLOSE, OP_CONTINUATION, OP_PING, OP_PONG,
)
from ngage_core.histogram cimport bucket_of
from ngage_core.limits cimport CONTROL_BYTES_MAX
from ngage_core.sha1 cimport ACCEPT_KEY_BYTES, CLIENT_KEY_BYTES, accept_key_of
from ngage_core.simd cimport ng_mask
from ngage_core.swarm_fan cimport (
    FAN_OPEN, FAN_UPGRADING, PREFIX_BYTES_MAX, Fan, Tally, count, mix, note_sequence, padded,
    read_number,
)

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char *a, const char *b, size_t size)

cdef extern from "<string.h>" nogil:
    void *memmem(const void *data, size_t size, const void *part, size_t part_size)

cdef enum:
    ANSWER_BYTES_MAX = 4096
    REPLY_BYTES_MAX = 4096
    STATUS_LINE_BYTES = 13  # "HTTP/1.1 101 "


cdef enum Verdict:
    READ_ON = 0
    READ_REFUSED = -1  # another status than 101
    READ_MALFORMED = -2


cdef struct Reply:
    size_t bytes
    uint8_t data[REPLY_BYTES_MAX]


cdef struct Reading:  # what the fans of one thread share while they read
    Tally *tally
    uint64_t *histogram
    Reply reply
    uint64_t seed
    uint64_t replies
    uint64_t now_ns
    bint check_key
    bint check_padding


cdef inline void client_key(uint8_t *out, uint64_t seed, uint64_t fan) noexcept nogil:
    """Sec-WebSocket-Key: 16 bytes in base64, a function of seed and fan."""
    cdef const char *alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cdef uint64_t word = 0
    cdef int i
    for i in range(21):
        if i % 10 == 0:
            word = mix(seed + 4 * fan + <uint64_t> i // 10)
        out[i] = <uint8_t> alphabet[word & 63]
        word >>= 6
    out[21] = <uint8_t> alphabet[(word & 3) << 4]  # the last two of 128 bits
    out[22] = out[23] = 61  # "="


cdef inline const uint8_t *header_value(
    const uint8_t *head, size_t size, const char *name, size_t name_bytes
) noexcept nogil:
    """The value of the first header so named (`name` ends with its colon), or NULL."""
    cdef const uint8_t *line = head
    cdef const uint8_t *end = head + size
    while line != NULL and line + 2 + name_bytes < end:
        if strncasecmp(<const char *> line, name, name_bytes) == 0:
            line += name_bytes
            while line < end and line[0] == 32:
                line += 1
            return line
        line = <const uint8_t *> memmem(line, end - line, b"\r\n", 2)
        if line != NULL:
            line += 2
    return NULL


cdef inline int check_answer(
    Reading *reading, Fan *fan, uint64_t fan_index, const uint8_t *head, size_t size
) noexcept nogil:
    """RFC 6455 section 4.1, as far as a test client must know it is spoken to by a server."""
    cdef uint8_t key[CLIENT_KEY_BYTES]
    cdef uint8_t expected[ACCEPT_KEY_BYTES]
    cdef const uint8_t *accept
    if size < STATUS_LINE_BYTES or memcmp(head, b"HTTP/1.1 ", 9) != 0:
        return READ_MALFORMED
    if memcmp(head + 9, b"101 ", 4) != 0:
        fan.close_code = <uint16_t> (100 * (head[9] - 48) + 10 * (head[10] - 48) + head[11] - 48)
        return READ_REFUSED
    if not reading.check_key:
        return READ_ON
    accept = header_value(head, size, b"sec-websocket-accept:", 21)
    client_key(key, reading.seed, fan_index)
    accept_key_of(key, expected)
    if accept == NULL or accept + ACCEPT_KEY_BYTES > head + size:
        return READ_MALFORMED
    return READ_ON if memcmp(accept, expected, ACCEPT_KEY_BYTES) == 0 else READ_MALFORMED


cdef inline void reply_frame(
    Reading *reading, uint32_t opcode, const uint8_t *payload, size_t size
) noexcept nogil:
    """A masked control frame (section 5.3); one that does not fit any more is left out."""
    cdef Reply *reply = &reading.reply
    cdef uint8_t *out = reply.data + reply.bytes
    cdef uint64_t key
    if reply.bytes + 6 + size > REPLY_BYTES_MAX:
        return
    reading.replies += 1
    key = mix(reading.seed ^ reading.replies << 40)
    out[0] = <uint8_t> (0x80 | opcode)
    out[1] = <uint8_t> (0x80 | size)
    memcpy(out + 2, &key, 4)
    memcpy(out + 6, payload, size)
    ng_mask(out + 6, size, out + 2, 0)
    reply.bytes += 6 + size


cdef inline int64_t read_answer(
    Reading *reading, Fan *fan, uint64_t fan_index, const uint8_t *data, size_t size
) noexcept nogil:
    cdef const uint8_t *end = <const uint8_t *> memmem(data, size, b"\r\n\r\n", 4)
    cdef int verdict
    if end == NULL:
        return READ_MALFORMED if size > ANSWER_BYTES_MAX else 0
    verdict = check_answer(reading, fan, fan_index, data, end - data)
    if verdict < 0:
        return verdict
    ng_store(&fan.state, FAN_OPEN)
    count(&reading.tally.opened, 1)
    count(&reading.tally.open, 1)
    return end + 4 - data


cdef inline void read_control(
    Reading *reading, Fan *fan, uint32_t opcode, const uint8_t *payload, size_t size
) noexcept nogil:
    if opcode == OP_PING:
        count(&reading.tally.pings, 1)
        reply_frame(reading, OP_PONG, payload, size)
    elif opcode == OP_CLOSE:
        fan.close_code = CLOSE_NO_STATUS
        if size >= 2:
            fan.close_code = <uint16_t> (<uint32_t> payload[0] << 8 | payload[1])
        reply_frame(reading, OP_CLOSE, payload, min(size, <size_t> 2))


cdef inline void finish_publication(Reading *reading, Fan *fan) noexcept nogil:
    cdef Tally *tally = reading.tally
    cdef uint64_t late_ns
    ng_store(&fan.received, fan.received + 1)
    count(&tally.received, 1)
    count(&tally.bytes, fan.at)
    count(&tally.corrupt, fan.corrupt)
    if not fan.timed:
        count(&tally.untimed, 1)
        return
    note_sequence(fan, tally, fan.sequence)
    late_ns = reading.now_ns - fan.stamp_ns if reading.now_ns > fan.stamp_ns else 0
    count(&reading.histogram[bucket_of(late_ns)], 1)
    ng_store(&tally.last_received_ns, reading.now_ns)


cdef inline void read_payload(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    if reading.check_padding and fan.timed and not padded(data, size, fan.sequence, fan.at):
        fan.corrupt = 1
    fan.at += size
    fan.left -= size
    if fan.left == 0 and not fan.unfinished:
        finish_publication(reading, fan)


cdef inline size_t open_publication(Fan *fan, const uint8_t *payload, size_t size) noexcept nogil:
    """Take the two numbers off its beginning: the bytes they have."""
    cdef size_t stamp = read_number(payload, size, &fan.stamp_ns)
    cdef size_t sequence = 0
    if stamp:
        sequence = read_number(payload + stamp, size - stamp, &fan.sequence)
    fan.timed = sequence != 0
    fan.corrupt = 0
    fan.at = stamp + sequence if sequence else 0
    return fan.at


cdef inline int64_t read_unit(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    """One control frame, or a data frame's header and numbers: bytes used, 0 if it is cut."""
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
    if opcode >= OP_CLOSE:
        if opcode > OP_PONG or length > CONTROL_BYTES_MAX or not data[0] & 0x80:
            return READ_MALFORMED
        if size < header + length:
            return 0
        read_control(reading, fan, opcode, data + header, length)
        return header + length
    if opcode > OP_BINARY or (opcode == OP_CONTINUATION) != fan.unfinished:
        return READ_MALFORMED
    taken = 0
    if opcode != OP_CONTINUATION:
        if size < header + min(length, <uint64_t> PREFIX_BYTES_MAX):
            return 0
        taken = open_publication(fan, data + header, min(length, <uint64_t> PREFIX_BYTES_MAX))
    fan.unfinished = not data[0] & 0x80
    fan.left = length - taken
    if fan.left == 0 and not fan.unfinished:
        finish_publication(reading, fan)
    return header + taken


cdef inline int64_t read_units(
    Reading *reading, Fan *fan, uint64_t fan_index, const uint8_t *data, size_t size
) noexcept nogil:
    """Bytes used, or a negative Verdict."""
    cdef size_t used = 0, piece
    cdef int64_t unit
    if fan.state == FAN_UPGRADING:
        unit = read_answer(reading, fan, fan_index, data, size)
        if unit <= 0:
            return unit
        used = unit
    while used < size:
        if fan.left:
            piece = min(fan.left, <uint64_t> (size - used))
            read_payload(reading, fan, data + used, piece)
            used += piece
            continue
        unit = read_unit(reading, fan, data + used, size - used)
        if unit < 0:
            return unit
        if unit == 0:
            break
        used += unit
    return used

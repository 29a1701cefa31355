"""The raw protocol as a codec: each message is a publication (docs/reference/raw-protocol.md).

A plain WebSocket server, which has no positions, is spoken to in the same way: then a fan begins
with whatever comes first.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp

from ngage_core.atomic cimport ng_peek, ng_store
from ngage_core.histogram cimport bucket_of
from ngage_core.swarm_fan cimport (
    VIOLATION_CORRUPT, VIOLATION_RECOVERY, Fan, FanVotes, Tally, count,
)
from ngage_core.swarm_head cimport header_value
from ngage_core.swarm_oracle cimport expect_from, note_gap, note_sequence, violate
from ngage_core.swarm_payload cimport PREFIX_BYTES_MAX, padded, read_number
from ngage_core.swarm_plan cimport Codec, Plan, Reading

cdef enum:
    EPOCH_DIGITS = 8
    GAP_NOTE_BYTES_MIN = 7  # "gap 1-1"


cdef inline size_t raw_query(
    const Plan *plan, Fan *fan, const FanVotes *votes, uint64_t number, uint8_t *out
) noexcept nogil:
    """Nothing for a fan that has no position to resume from."""
    if fan.epoch == 0:
        fan.resuming = 0
    if not fan.resuming:
        return 0
    return <size_t> snprintf(<char *> out, 64, b"since=%08x:%llu", fan.epoch,
                             <unsigned long long> fan.offset)


cdef inline bint hexadecimal(const uint8_t *text, size_t size, uint64_t *number) noexcept nogil:
    cdef size_t i
    cdef uint8_t c
    number[0] = 0
    for i in range(size):
        c = text[i] | 32  # letters to lower case; digits have that bit
        if 48 <= c <= 57:
            number[0] = number[0] << 4 | (c - 48)
        elif 97 <= c <= 102:
            number[0] = number[0] << 4 | (c - 87)
        else:
            return False
    return True


cdef inline const uint8_t *decimal(
    const uint8_t *text, const uint8_t *end, uint8_t stop, uint64_t *number
) noexcept nogil:
    """Digits up to a character, or to the end: where that is, NULL if there is no number."""
    cdef const uint8_t *first = text
    number[0] = 0
    while text < end and text[0] != stop:
        if not 48 <= text[0] <= 57:
            return NULL
        number[0] = number[0] * 10 + text[0] - 48
        text += 1
    return text if text > first else NULL


cdef inline bint raw_opened(
    Reading *reading, Fan *fan, const uint8_t *head, size_t size
) noexcept nogil:
    """Take the position from the 101. False: it has one that cannot be read."""
    cdef const uint8_t *position = header_value(head, size, b"ngage-position:", 15)
    cdef const uint8_t *recovered
    cdef uint64_t epoch = 0, offset = 0
    if position == NULL:
        take_position(reading, fan, 0, 0, False)
        return True
    if (position + EPOCH_DIGITS >= head + size or position[EPOCH_DIGITS] != 58  # ":"
            or not hexadecimal(position, EPOCH_DIGITS, &epoch)
            or decimal(position + EPOCH_DIGITS + 1, head + size, 13, &offset) == NULL):
        return False
    recovered = header_value(head, size, b"ngage-recovered:", 16)
    take_position(reading, fan, epoch, offset,
                  recovered != NULL and memcmp(recovered, b"true", 4) == 0)
    return True


cdef inline void take_position(
    Reading *reading, Fan *fan, uint64_t epoch, uint64_t offset, bint recovered
) noexcept nogil:
    """Where in the log the subscription begins; epoch 0: the server has no positions."""
    if fan.resuming and epoch and recovered:
        count(&reading.tally.recovered, 1)
        if offset != fan.offset or epoch != fan.epoch:
            violate(reading, fan, VIOLATION_RECOVERY, fan.offset, offset)
        elif fan.next_sequence == 0:
            expect_from(reading, fan, offset)
        fan.recovering = 1
        return
    if fan.resuming and epoch:
        count(&reading.tally.unrecovered, 1)
    fan.epoch = <unsigned int> epoch
    fan.since_ns = reading.now_ns
    expect_from(reading, fan, offset)


cdef inline size_t raw_begin(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    """Take the two numbers off its beginning: the bytes they have."""
    cdef size_t stamp = read_number(data, size, &fan.stamp_ns)
    cdef size_t sequence = 0
    if stamp:
        sequence = read_number(data + stamp, size - stamp, &fan.sequence)
    fan.timed = sequence != 0  # 0 or 1; another codec has another value for what is no publication
    fan.corrupt = 0
    return stamp + sequence if sequence else 0


cdef inline void raw_more(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    if reading.plan.check_padding and fan.timed and not padded(data, size, fan.sequence, fan.at):
        fan.corrupt = 1


cdef inline void raw_end(Reading *reading, Fan *fan) noexcept nogil:
    publication_ended(reading, fan, fan.at)


cdef inline void publication_ended(Reading *reading, Fan *fan, uint64_t size) noexcept nogil:
    """It came, the next one of the log, whatever fan.timed, corrupt and sequence say of it."""
    cdef Tally *tally = reading.tally
    cdef uint64_t late_ns
    ng_store(&fan.received, fan.received + 1)
    fan.offset += 1
    count(&tally.received, 1)
    count(&tally.bytes, size)
    if not fan.timed:
        count(&tally.untimed, 1)
        return
    if fan.corrupt:
        count(&tally.corrupt, 1)
        violate(reading, fan, VIOLATION_CORRUPT, fan.next_sequence, fan.sequence)
    note_sequence(reading, fan, fan.sequence)
    late_ns = reading.now_ns - fan.stamp_ns if reading.now_ns > fan.stamp_ns else 0
    count(&reading.latency[bucket_of(late_ns)], 1)
    ng_store(&tally.last_received_ns, reading.now_ns)


cdef inline void raw_pinged(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    """A `ring` channel tells what a slow subscriber has missed in a ping: gap FROM-TO."""
    cdef const uint8_t *end = data + size
    cdef const uint8_t *dash
    cdef uint64_t first = 0, last = 0
    if size < GAP_NOTE_BYTES_MIN or memcmp(data, b"gap ", 4) != 0:
        return
    dash = decimal(data + 4, end, 45, &first)  # "-"
    if dash != NULL and dash < end and decimal(dash + 1, end, 45, &last) == end:
        note_gap(reading, fan, first, last)


cdef inline void raw_codec(Codec *codec) noexcept nogil:
    codec.path = NULL
    codec.prefix_bytes = PREFIX_BYTES_MAX
    codec.query = raw_query
    codec.opened = raw_opened
    codec.begin = raw_begin
    codec.more = raw_more
    codec.end = raw_end
    codec.pinged = raw_pinged
    codec.vote = NULL
    codec.react = NULL
    codec.chat = NULL

"""One fan of a swarm, what its thread counts, and the rules a stream of publications is held to.

No system calls here. A Fan and a Tally belong to one thread; other threads read the 64-bit words
of a Tally, and `received` and `state` of a Fan, through ng_peek.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from ngage_core.atomic cimport ng_peek, ng_store

cdef enum:
    FAN_BYTES_MAX = 128
    SEQUENCE_WINDOW = 64  # how far back a late publication is told from a repeated one
    DIGITS_MAX = 20  # of a 64-bit number
    PREFIX_BYTES_MAX = 2 * (DIGITS_MAX + 1)  # design section 5: two numbers, a space after each

cdef enum FanState:
    FAN_NEW = 0
    FAN_CONNECTING = 1
    FAN_UPGRADING = 2
    FAN_OPEN = 3
    FAN_CLOSED = 4
    FAN_FAILED = 5  # never got its 101


cdef struct Fan:
    uint64_t state
    uint64_t received
    uint64_t next_sequence  # 0: whatever comes first
    uint64_t seen  # bit i: publication next_sequence - 1 - i came
    # The publication being read
    uint64_t stamp_ns
    uint64_t sequence
    uint64_t at  # payload bytes of it that were read
    uint64_t left  # of its frame
    uint8_t *parked  # a unit that is cut in two
    uint32_t parked_bytes
    int32_t fd
    uint16_t close_code  # of the peer's close frame, or the HTTP status of a refusal
    uint8_t unfinished  # another frame of it follows
    uint8_t timed  # it began with two numbers
    uint8_t corrupt
    uint8_t paused
    uint8_t ready  # readable while paused


cdef struct Tally:
    uint64_t open
    uint64_t opened
    uint64_t failed
    uint64_t closed
    uint64_t refused  # answered with another status than 101; also in failed
    uint64_t malformed  # broke RFC 6455; also in closed or failed
    uint64_t received
    uint64_t bytes
    uint64_t gaps  # publications missing
    uint64_t duplicates
    uint64_t reordered  # came late; no longer in gaps
    uint64_t corrupt  # padding differs from what pad() writes
    uint64_t untimed  # did not begin with two numbers
    uint64_t pings
    uint64_t last_received_ns
    uint64_t last_error  # errno


cdef inline void count(uint64_t *word, uint64_t amount) noexcept nogil:
    """One writer, many readers: no locked instruction is needed."""
    ng_store(word, ng_peek(word) + amount)


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    """The finalizer of splitmix64: neighbours in, unrelated words out."""
    value = (value ^ value >> 30) * <uint64_t> 0xBF58476D1CE4E5B9
    value = (value ^ value >> 27) * <uint64_t> 0x94D049BB133111EB
    return value ^ value >> 31


cdef inline uint64_t pad_word(uint64_t sequence, uint64_t index) noexcept nogil:
    """Eight printable bytes, so that publications may be text."""
    cdef uint64_t word = mix(sequence * <uint64_t> 0x9E3779B97F4A7C15 + index)
    return (word & <uint64_t> 0x3F3F3F3F3F3F3F3F) + <uint64_t> 0x3030303030303030


cdef inline void pad(uint8_t *out, size_t size, uint64_t sequence, uint64_t at) noexcept nogil:
    """Padding is a function of sequence and position: it can be checked from any cut onwards."""
    cdef uint64_t word
    cdef size_t piece
    while size:
        word = pad_word(sequence, at >> 3)
        piece = min(8 - (at & 7), size)
        memcpy(out, <uint8_t *> &word + (at & 7), piece)
        out += piece
        at += piece
        size -= piece


cdef inline bint padded(
    const uint8_t *data, size_t size, uint64_t sequence, uint64_t at
) noexcept nogil:
    cdef uint64_t word
    cdef size_t piece
    while size:
        word = pad_word(sequence, at >> 3)
        piece = min(8 - (at & 7), size)
        if memcmp(data, <uint8_t *> &word + (at & 7), piece) != 0:
            return False
        data += piece
        at += piece
        size -= piece
    return True


cdef inline size_t read_number(const uint8_t *data, size_t size, uint64_t *number) noexcept nogil:
    """A decimal number and the space after it: bytes read, 0 if there is none."""
    cdef size_t i
    number[0] = 0
    for i in range(min(size, <size_t> DIGITS_MAX + 1)):
        if data[i] == 32:  # space
            return i + 1 if i else 0
        if not 48 <= data[i] <= 57:  # "0" to "9"
            return 0
        number[0] = number[0] * 10 + data[i] - 48
    return 0


cdef inline void note_sequence(Fan *fan, Tally *tally, uint64_t sequence) noexcept nogil:
    """Once and in order? Skipped numbers are gaps until they come late."""
    cdef uint64_t ahead, behind
    if fan.next_sequence == 0:
        fan.seen = ~<uint64_t> 0  # what came before the first one is not missing
        fan.next_sequence = sequence
    if sequence == fan.next_sequence:
        fan.seen = fan.seen << 1 | 1
        fan.next_sequence = sequence + 1
        return
    if sequence > fan.next_sequence:
        ahead = sequence - fan.next_sequence
        count(&tally.gaps, ahead)
        fan.seen = 1 if ahead + 1 >= SEQUENCE_WINDOW else fan.seen << (ahead + 1) | 1
        fan.next_sequence = sequence + 1
        return
    behind = fan.next_sequence - 1 - sequence
    if behind >= SEQUENCE_WINDOW or fan.seen >> behind & 1:
        count(&tally.duplicates, 1)
        return
    fan.seen |= <uint64_t> 1 << behind
    count(&tally.reordered, 1)
    ng_store(&tally.gaps, ng_peek(&tally.gaps) - 1)

"""Centrifugo's client protocol (JSON) as a codec: what a fan of it reads.

A message is one or more JSON objects, a line each: replies by the id of the command, pushes, and {}
for a ping (docs/reference/centrifugo.md). They are scanned as they come, so a fan keeps a scanner
and what it has found in the object so far (FanScan), however long that is. What is said is in
swarm_commands.pxd.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from ngage_core.swarm_commands cimport (
    ID_CONNECT, ID_SUBSCRIBE, KIND_CHAT, KIND_ELSEWHERE, KIND_VOTE, command_chat, command_connect,
    command_react, command_subscribe, command_vote, command_pong, kind_of, number_of,
)
from ngage_core.swarm_fan cimport (
    GUISE_CUT, GUISE_FORGED, GUISE_HONEST, VIOLATION_FORBIDDEN, VIOLATION_MALFORMED, Fan, FanScan,
    FanVotes, count,
)
from ngage_core.swarm_json cimport (
    JSON_BROKEN, JSON_DONE, JSON_ITEM, JSON_TRUE, JSON_VALUE, Json, JsonSink, json_begin, json_path,
    json_scan,
)
from ngage_core.swarm_oracle cimport violate
from ngage_core.swarm_payload cimport DIGITS_MAX, padded
from ngage_core.swarm_plan cimport Codec, Plan, Reading
from ngage_core.swarm_raw cimport (
    EPOCH_DIGITS, hexadecimal, publication_ended, raw_pinged, take_position,
)
from ngage_core.swarm_votes cimport (
    CHEAT_POLL, VOTE_ACCEPTED, VOTE_BUSY, VOTE_CLOSED, VOTE_DUPLICATE, VOTE_UNAVAILABLE,
    assert_again, note_answer,
)

cdef extern from "ng_centrifugo.h" nogil:
    cdef enum:
        NG_PUSH, NG_PUB, NG_DATA, NG_OFFSET, NG_ID, NG_CONNECT, NG_SUBSCRIBE, NG_PUBLICATIONS
        NG_EPOCH, NG_RECOVERED, NG_ERROR, NG_CODE, NG_RPC, NG_STATUS, NG_UNSUBSCRIBE, NG_DISCONNECT
    const char *const ng_members[]

cdef enum Seen:  # in the object so far
    SEEN_ANYTHING = 1
    SEEN_CONNECT = 2
    SEEN_SUBSCRIBE = 4
    SEEN_RECOVERED = 8
    SEEN_ERROR = 16
    SEEN_END = 32  # of the subscription or of the connection
    SEEN_DUPLICATE = 64
    TAKEN_POSITION = 128

cdef enum Phase:  # of a publication's text
    PHASE_STAMP = 0
    PHASE_SEQUENCE = 1
    PHASE_PADDING = 2
    PHASE_OTHER = 3  # it does not begin with two numbers

cdef enum ErrorCode:
    ERROR_INTERNAL = 100
    ERROR_TOO_MANY = 111
    ERROR_CLOSED = 4001  # then in the order of the statuses of a vote
    ERROR_BUSY = 4008


# The object so far

cdef struct Listener:  # who is read for
    Reading *reading
    Fan *fan
    FanScan *scan


cdef inline bint is_publication(uint64_t path) noexcept nogil:
    return (path == json_path(NG_PUSH, NG_PUB, 0, 0)
            or path == json_path(NG_SUBSCRIBE, NG_PUBLICATIONS, JSON_ITEM, 0))


cdef inline bint is_of_publication(uint64_t path, uint64_t member) noexcept nogil:
    return path & 0xFF == member and is_publication(path >> 8)


cdef inline void container_began(void *to, Json *json) noexcept nogil:
    cdef Listener *listener = <Listener *> to
    cdef FanScan *scan = listener.scan
    if json.depth == 0:
        return
    scan.seen |= SEEN_ANYTHING
    if is_publication(json.path):
        scan.offset = scan.at = scan.phase = 0
        listener.fan.timed = listener.fan.corrupt = 0
    elif json.path == NG_CONNECT:
        scan.seen |= SEEN_CONNECT
    elif json.path == NG_SUBSCRIBE:
        scan.seen |= SEEN_SUBSCRIBE
        scan.epoch = 0
        scan.offset = 0
    elif json.path == json_path(NG_SUBSCRIBE, NG_PUBLICATIONS, 0, 0):
        subscribed(listener.reading, listener.fan)  # what comes is after that position
    elif json.path == NG_ERROR:
        scan.seen |= SEEN_ERROR
    elif (json.path == json_path(NG_PUSH, NG_UNSUBSCRIBE, 0, 0)
            or json.path == json_path(NG_PUSH, NG_DISCONNECT, 0, 0)):
        scan.seen |= SEEN_END


cdef inline void container_ended(void *to, Json *json) noexcept nogil:
    cdef Listener *listener = <Listener *> to
    if json.depth and is_publication(json.path):
        published(listener.reading, listener.fan)


cdef inline void text_piece(
    void *to, Json *json, const uint8_t *data, size_t size
) noexcept nogil:
    cdef Listener *listener = <Listener *> to
    if is_of_publication(json.path, NG_DATA):
        note_text(listener.fan, listener.scan, data, size, listener.reading.plan.check_padding)


cdef inline void text_ended(void *to, Json *json) noexcept nogil:
    cdef Listener *listener = <Listener *> to
    cdef uint64_t epoch = 0
    listener.scan.seen |= SEEN_ANYTHING
    if json.path == json_path(NG_SUBSCRIBE, NG_EPOCH, 0, 0):
        if json.size == EPOCH_DIGITS and hexadecimal(json.text, EPOCH_DIGITS, &epoch):
            listener.scan.epoch = <uint32_t> epoch
    elif json.path == json_path(NG_RPC, NG_DATA, NG_STATUS, 0):
        if json.size == 9 and memcmp(json.text, b"duplicate", 9) == 0:
            listener.scan.seen |= SEEN_DUPLICATE


cdef inline void number_ended(void *to, Json *json) noexcept nogil:
    cdef FanScan *scan = (<Listener *> to).scan
    scan.seen |= SEEN_ANYTHING
    if json.path == NG_ID:
        scan.id = <uint32_t> json.number
    elif (json.path == json_path(NG_SUBSCRIBE, NG_OFFSET, 0, 0)
            or is_of_publication(json.path, NG_OFFSET)):
        scan.offset = json.number
    elif is_code(json.path):
        scan.code = <unsigned short> min(json.number, <uint64_t> 0xFFFF)


cdef inline bint is_code(uint64_t path) noexcept nogil:
    return (path == json_path(NG_ERROR, NG_CODE, 0, 0)
            or path == json_path(NG_PUSH, NG_UNSUBSCRIBE, NG_CODE, 0)
            or path == json_path(NG_PUSH, NG_DISCONNECT, NG_CODE, 0))


cdef inline void word_ended(void *to, Json *json) noexcept nogil:
    cdef FanScan *scan = (<Listener *> to).scan
    scan.seen |= SEEN_ANYTHING
    if json.path == json_path(NG_SUBSCRIBE, NG_RECOVERED, 0, 0) and json.number == JSON_TRUE:
        scan.seen |= SEEN_RECOVERED


# Publications

cdef inline void note_text(
    Fan *fan, FanScan *scan, const uint8_t *data, size_t size, bint check_padding
) noexcept nogil:
    """More of a publication's text: two numbers, a space after each, and padding."""
    cdef size_t i = 0
    while i < size and scan.phase < PHASE_PADDING:
        note_digit(fan, scan, data[i])
        scan.at += 1
        i += 1
    if scan.phase == PHASE_PADDING and check_padding and not padded(
            data + i, size - i, fan.sequence, scan.at):
        fan.corrupt = 1
    scan.at += <uint32_t> (size - i)


cdef inline void note_digit(Fan *fan, FanScan *scan, uint8_t c) noexcept nogil:
    cdef uint64_t *number = &fan.sequence if scan.phase == PHASE_SEQUENCE else &fan.stamp_ns
    if scan.digits == 0:
        number[0] = 0
    if c == 32 and scan.digits:
        scan.phase += 1
        scan.digits = 0
        fan.timed = scan.phase == PHASE_PADDING
    elif 48 <= c <= 57 and scan.digits < DIGITS_MAX:
        number[0] = number[0] * 10 + c - 48
        scan.digits += 1
    else:
        scan.phase = PHASE_OTHER


cdef inline void published(Reading *reading, Fan *fan) noexcept nogil:
    """Every publication says its offset: one that jumps tells what was left out."""
    cdef FanScan *scan = reading.scan
    cdef bint skips = reading.plan.targets[fan.target].skips
    if fan.epoch and scan.offset > fan.offset + 1 and not skips:
        fan.forgiven += <unsigned int> (scan.offset - fan.offset - 1)
    publication_ended(reading, fan, scan.at)
    if scan.offset:
        fan.offset = scan.offset


# Replies

cdef inline void subscribed(Reading *reading, Fan *fan) noexcept nogil:
    cdef FanScan *scan = reading.scan
    if scan.seen & TAKEN_POSITION:
        return
    scan.seen |= TAKEN_POSITION
    take_position(reading, fan, scan.epoch, scan.offset, (scan.seen & SEEN_RECOVERED) != 0)


cdef inline void connected(Reading *reading, Fan *fan) noexcept nogil:
    cdef uint8_t guise = reading.votes.guise
    if guise == GUISE_FORGED or guise == GUISE_CUT:
        violate(reading, fan, VIOLATION_FORBIDDEN, 0, ID_CONNECT)
    command_subscribe(reading, fan)
    if guise == GUISE_HONEST:
        assert_again(reading, fan)


cdef inline uint8_t status_of_reply(const FanScan *scan) noexcept nogil:
    """A vote's, as ngage.v1 says it."""
    if not scan.seen & SEEN_ERROR:
        return VOTE_DUPLICATE if scan.seen & SEEN_DUPLICATE else VOTE_ACCEPTED
    if scan.code == ERROR_BUSY or scan.code == ERROR_TOO_MANY:
        return VOTE_BUSY
    if scan.code == ERROR_INTERNAL:
        return VOTE_UNAVAILABLE
    if ERROR_CLOSED <= scan.code < ERROR_BUSY:
        return <uint8_t> (scan.code - ERROR_CLOSED + VOTE_CLOSED)
    return VOTE_CLOSED


cdef inline void note_reply(Reading *reading, Fan *fan) noexcept nogil:
    cdef FanScan *scan = reading.scan
    cdef uint32_t kind = kind_of(scan.id)
    cdef uint32_t poll = <uint32_t> reading.plan.poll.number
    if scan.id == ID_CONNECT or scan.id == ID_SUBSCRIBE:
        if scan.seen & SEEN_ERROR:
            reading.turned_away = max(scan.code, <uint32_t> 1)
        elif scan.id == ID_CONNECT:
            connected(reading, fan)
        else:
            subscribed(reading, fan)
    elif kind == KIND_VOTE:
        note_answer(reading, fan, poll, number_of(scan.id), status_of_reply(scan))
    elif kind == KIND_ELSEWHERE:
        note_answer(reading, fan, poll ^ CHEAT_POLL, number_of(scan.id), status_of_reply(scan))
    elif kind == KIND_CHAT:
        count(&reading.tally.lines_refused if scan.seen & SEEN_ERROR else
              &reading.tally.lines_taken, 1)


cdef inline void object_ended(Reading *reading, Fan *fan) noexcept nogil:
    cdef FanScan *scan = reading.scan
    if not scan.seen & SEEN_ANYTHING:
        count(&reading.tally.pings, 1)
        command_pong(reading)
    elif scan.seen & SEEN_END:
        reading.turned_away = max(scan.code, <uint32_t> 1)
    elif scan.id:
        note_reply(reading, fan)
    begin_object(scan)


cdef inline void begin_object(FanScan *scan) noexcept nogil:
    json_begin(&scan.json)
    scan.seen = 0
    scan.id = 0
    scan.code = 0
    scan.digits = 0


# The codec

cdef inline size_t centrifugo_query(
    const Plan *plan, Fan *fan, const FanVotes *votes, uint64_t number, uint8_t *out
) noexcept nogil:
    """It asks when it is there."""
    if fan.epoch == 0:
        fan.resuming = 0
    return 0


cdef inline bint centrifugo_opened(
    Reading *reading, Fan *fan, const uint8_t *head, size_t size
) noexcept nogil:
    if not fan.resuming:
        fan.since_ns = ~<uint64_t> 0  # nothing can be missing before it has subscribed
    command_connect(reading, fan)
    return True


cdef inline size_t centrifugo_begin(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    begin_object(reading.scan)
    return 0


cdef inline void centrifugo_more(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    cdef Listener listener
    cdef JsonSink sink
    cdef Json *json = &reading.scan.json
    cdef size_t used = 0
    listener.reading = reading
    listener.fan = fan
    listener.scan = reading.scan
    sink.keys = ng_members
    sink.began = container_began
    sink.ended = container_ended
    sink.piece = text_piece
    sink.text = text_ended
    sink.number = number_ended
    sink.word = word_ended
    while used < size and json.state != JSON_BROKEN:
        used += json_scan(&sink, &listener, json, data + used, size - used)
        if json.state == JSON_DONE:
            object_ended(reading, fan)


cdef inline void centrifugo_end(Reading *reading, Fan *fan) noexcept nogil:
    cdef const Json *json = &reading.scan.json
    if json.state != JSON_VALUE or json.depth:
        count(&reading.tally.malformed, 1)
        violate(reading, fan, VIOLATION_MALFORMED, 0, fan.sequence)


cdef inline void centrifugo_codec(Codec *codec) noexcept nogil:
    codec.path = b"GET /connection/websocket"
    codec.prefix_bytes = 0
    codec.query = centrifugo_query
    codec.opened = centrifugo_opened
    codec.begin = centrifugo_begin
    codec.more = centrifugo_more
    codec.end = centrifugo_end
    codec.pinged = raw_pinged
    codec.vote = command_vote
    codec.react = command_react
    codec.chat = command_chat

"""The protocol layer by itself, for tests, tools and benches: the code the shards run."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cimport cython

from ngage_core.buckets cimport BUCKET_SETS, BucketSet, buckets_take
from ngage_core.deflate cimport (
    INFLATE_CORRUPT, Buffer, deflate_bound, deflate_message, deflate_open, deflateEnd,
    inflate_message, inflate_open, inflateEnd, z_stream,
)
from ngage_core.frame cimport (
    FIN, FOUND_CLOSE, FOUND_MESSAGE, FOUND_NOTHING, FOUND_PING, RSV1, SERVER_HEADER_BYTES_MAX,
    Finding, FrameLimits, Inbound, inbound_clear, inbound_drop_data, inbound_step, write_header,
)
from ngage_core.codes cimport CLOSE_NO_STATUS, CLOSE_PAYLOAD, CLOSE_TOO_BIG, OP_TEXT
from ngage_core.presence cimport Presence, presence_free, presence_join, presence_leave
from ngage_core.sha1 cimport ACCEPT_KEY_BYTES, CLIENT_KEY_BYTES, accept_key_of
from ngage_core.sha256 cimport (
    SHA256_BLOCK_BYTES, SHA256_BYTES, SHA256_TAIL_BYTES_MAX, MacKey, mac_key_of, mac_of,
)
from ngage_core.simd cimport ng_mask
from ngage_core.span cimport Span
from ngage_core.swarm_json cimport JSON_DONE, Json, JsonSink, json_begin, json_scan
from ngage_core.sysio cimport sys_release, sys_reserve
from ngage_core.ticket cimport (
    TICKET_BYTES, TICKET_TEXT_BYTES, Ticket, ticket_encode, ticket_sign, ticket_verify,
)
from ngage_core.upgrade cimport HEAD_DONE, Request, head_progress, parse_head
from ngage_core.utf8 cimport UTF8_COMPLETE, UTF8_INVALID, utf8_step


def encode_frame(bytes data not None, int opcode, *, bint rsv1=False):
    cdef uint8_t header[SERVER_HEADER_BYTES_MAX]
    cdef size_t size = write_header(
        header, FIN | (RSV1 if rsv1 else 0) | opcode, <uint64_t> len(data))
    return (<char *> header)[:size] + data


def mask(bytes data not None, bytes key not None, size_t phase=0):
    if len(key) != 4:
        raise ValueError("a mask key has 4 bytes")
    cdef bytearray out = bytearray(data)
    ng_mask(<uint8_t *> <char *> out, <size_t> len(out), <const uint8_t *> <char *> key, phase)
    return bytes(out)


def utf8_check(bytes data not None, int64_t state=0):
    cdef uint32_t after = utf8_step(
        <uint32_t> state, <const uint8_t *> <char *> data, <size_t> len(data))
    return -1 if after == <uint32_t> UTF8_INVALID else <int64_t> after


def accept_key(bytes key not None):
    cdef uint8_t accept[ACCEPT_KEY_BYTES]
    if len(key) != CLIENT_KEY_BYTES:
        raise ValueError(f"a key has {CLIENT_KEY_BYTES} bytes")
    accept_key_of(<const uint8_t *> <char *> key, accept)
    return (<char *> accept)[:ACCEPT_KEY_BYTES]


cdef MacKey key_of(bytes secret) except *:
    cdef MacKey key
    if len(secret) > SHA256_BLOCK_BYTES:
        raise ValueError(f"a secret has at most {SHA256_BLOCK_BYTES} bytes")
    mac_key_of(&key, <const uint8_t *> <char *> secret, <size_t> len(secret))
    return key


def hmac_sha256(bytes secret not None, bytes message not None):
    cdef MacKey key = key_of(secret)
    cdef uint8_t code[SHA256_BYTES]
    if len(message) > SHA256_TAIL_BYTES_MAX:
        raise ValueError(f"a message has at most {SHA256_TAIL_BYTES_MAX} bytes")
    mac_of(&key, <const uint8_t *> <char *> message, <size_t> len(message), code)
    return (<char *> code)[:SHA256_BYTES]


def verify_ticket(bytes secret not None, bytes text not None, uint64_t now):
    cdef MacKey key = key_of(secret)
    cdef Ticket ticket
    if not ticket_verify(
            &key, <const uint8_t *> <char *> text, <size_t> len(text), now, &ticket):
        return None
    return ticket.voter, ticket.expires, ticket.monitor


def sign_ticket(bytes secret not None, uint64_t voter, uint32_t expires, uint8_t flags=0):
    cdef MacKey key = key_of(secret)
    cdef uint8_t raw[TICKET_BYTES]
    cdef uint8_t text[TICKET_TEXT_BYTES]
    ticket_sign(&key, voter, expires, flags, raw)
    ticket_encode(raw, text)
    return (<char *> text)[:TICKET_TEXT_BYTES]


# What scan_json() finds, as text; a string in pieces is put together.
cdef struct Found:
    char *text
    size_t size
    bint in_string


cdef inline void note_line(Found *found, char kind, uint64_t path) noexcept nogil:
    found.size += <size_t> snprintf(
        found.text + found.size, 64, b"%c %llx ", kind, <unsigned long long> path)


cdef void found_container(void *to, Json *json) noexcept nogil:
    note_line(<Found *> to, b"{", json.path)
    found_end(<Found *> to)


cdef void found_container_end(void *to, Json *json) noexcept nogil:
    note_line(<Found *> to, b"}", json.path)
    found_end(<Found *> to)


cdef void found_piece(void *to, Json *json, const uint8_t *data, size_t size) noexcept nogil:
    cdef Found *found = <Found *> to
    if not found.in_string:
        found.in_string = True
        note_line(found, b'"', json.path)
    if size:
        memcpy(found.text + found.size, data, size)
    found.size += size


cdef void found_text(void *to, Json *json) noexcept nogil:
    found_piece(to, json, NULL, 0)
    (<Found *> to).in_string = False
    found_end(<Found *> to)


cdef void found_number(void *to, Json *json) noexcept nogil:
    note_line(<Found *> to, b"0", json.path)
    found_value(<Found *> to, json)


cdef void found_word(void *to, Json *json) noexcept nogil:
    note_line(<Found *> to, b"w", json.path)
    found_value(<Found *> to, json)


cdef void found_value(Found *found, const Json *json) noexcept nogil:
    found.size += <size_t> snprintf(
        found.text + found.size, 32, b"%llu", <unsigned long long> json.number)
    found_end(found)


cdef void found_end(Found *found) noexcept nogil:
    found.text[found.size] = 10
    found.size += 1


def scan_json(list pieces not None, list keys not None):
    cdef const char *names[16]
    cdef JsonSink sink
    cdef Json json
    cdef Found found
    cdef bytes piece
    cdef size_t used = 0, size = 64 * (sum(map(len, pieces)) + 1)
    if len(keys) > 15:
        raise ValueError("at most 15 keys")
    for i, name in enumerate(keys):
        names[i] = name
    names[len(keys)] = NULL
    sink.keys = names
    sink.began = found_container
    sink.ended = found_container_end
    sink.piece = found_piece
    sink.text = found_text
    sink.number = found_number
    sink.word = found_word
    memset(&found, 0, sizeof(found))
    found.text = <char *> malloc(size)
    if found.text == NULL:
        raise MemoryError
    json_begin(&json)
    try:
        for piece in pieces:
            used = json_scan(&sink, &found, &json, <const uint8_t *> <char *> piece, len(piece))
            if json.state >= JSON_DONE and (json.state != JSON_DONE or used < <size_t> len(piece)):
                return None
        return found.text[:found.size] if json.state == JSON_DONE else None
    finally:
        free(found.text)


@cython.final
cdef class BucketTable:
    cdef BucketSet *sets

    def __cinit__(self):
        self.sets = <BucketSet *> sys_reserve(BUCKET_SETS * sizeof(BucketSet))
        if self.sets == NULL:
            raise MemoryError

    def __dealloc__(self):
        sys_release(self.sets, BUCKET_SETS * sizeof(BucketSet))

    def take(self, uint64_t key, uint64_t now_ms, uint32_t per_second, uint32_t burst):
        return buckets_take(self.sets, key, now_ms, per_second, burst)


@cython.final
cdef class PresenceTable:
    cdef Presence table

    def __cinit__(self):
        memset(&self.table, 0, sizeof(Presence))

    def __dealloc__(self):
        presence_free(&self.table)

    def join(self, uint64_t key):
        return presence_join(&self.table, key)

    def leave(self, uint64_t key):
        return presence_leave(&self.table, key)


def deflate(bytes data not None, int window_bits=15):
    cdef z_stream stream
    cdef uint8_t *out
    cdef size_t capacity
    cdef int64_t size
    if not 9 <= window_bits <= 15 or not deflate_open(&stream, window_bits):
        raise ValueError("window_bits is 9 to 15")
    capacity = deflate_bound(&stream, <size_t> len(data))
    out = <uint8_t *> malloc(capacity)
    try:
        if out == NULL:
            raise MemoryError
        size = deflate_message(
            &stream, <const uint8_t *> <char *> data, <size_t> len(data), out, capacity)
        if size < 0:
            raise ValueError("zlib failed")
        return (<char *> out)[:size]
    finally:
        deflateEnd(&stream)
        free(out)


def inflate(bytes data not None, size_t limit):
    cdef z_stream stream
    cdef Buffer out
    cdef int64_t size
    memset(&out, 0, sizeof(Buffer))
    if not inflate_open(&stream):
        raise MemoryError
    try:
        size = inflate_message(
            &stream, <const uint8_t *> <char *> data, <size_t> len(data), &out, limit)
        if size < 0:
            raise ValueError("corrupt" if size == INFLATE_CORRUPT else "too big")
        return (<char *> out.data)[:size]
    finally:
        inflateEnd(&stream)
        free(out.data)


cdef object text_of(Span span):
    return (<char *> span.data)[:span.bytes].decode("latin-1") if span.bytes else ""


def parse_request(bytes head not None):
    cdef Request request
    cdef size_t checked = 0, size = 0
    cdef int status
    memset(&request, 0, sizeof(Request))
    status = head_progress(<const uint8_t *> <char *> head, <size_t> len(head), &checked, &size)
    if status == HEAD_DONE:
        status = parse_head(<const uint8_t *> <char *> head, size, &request)
    elif status == 0:
        raise ValueError("the head is not complete")
    return {
        "status": status,
        "method": text_of(request.method_name),
        "target": text_of(request.target),
        "upgrade": bool(request.upgrade),
        "host": text_of(request.host),
        "origin": text_of(request.origin),
        "key": text_of(request.key),
        "protocols": text_of(request.protocols),
        "extensions": text_of(request.extensions),
        "deflate": bool(request.deflate),
        "window_bits": request.window_bits,
        "forwarded_for": text_of(request.forwarded_for),
    }


@cython.final
cdef class FrameParser:
    cdef Inbound state
    cdef FrameLimits limits
    cdef Buffer inflated
    cdef z_stream stream
    cdef bint failed

    def __cinit__(self, *, uint64_t message_bytes_max=65536, uint32_t fragments_max=4096,
                  bint deflate=False):
        memset(&self.state, 0, sizeof(Inbound))
        memset(&self.inflated, 0, sizeof(Buffer))
        inbound_clear(&self.state)
        self.limits.message_bytes_max = message_bytes_max
        self.limits.fragments_max = fragments_max
        self.limits.deflate = deflate
        if not inflate_open(&self.stream):
            raise MemoryError

    def __dealloc__(self):
        inbound_drop_data(&self.state)
        inflateEnd(&self.stream)
        free(self.inflated.data)

    cdef tuple message_of(self, Finding *found):
        cdef int64_t size = <int64_t> found.bytes
        cdef uint8_t *data = found.data
        if found.compressed:
            size = inflate_message(&self.stream, found.data, found.bytes, &self.inflated,
                                   self.limits.message_bytes_max)
            if size < 0:
                return ("error", CLOSE_PAYLOAD if size == INFLATE_CORRUPT else CLOSE_TOO_BIG)
            data = self.inflated.data
            if found.opcode == OP_TEXT and utf8_step(0, data, <size_t> size) != UTF8_COMPLETE:
                return ("error", CLOSE_PAYLOAD)
        return ("message", found.opcode, (<char *> data)[:size])

    def feed(self, bytes data not None):
        """Events found; after ("error", code) or ("close", ...) the rest is not looked at."""
        cdef size_t size = <size_t> len(data), at = 0, used = 0
        cdef uint8_t *copy
        cdef Finding found
        cdef int status
        cdef list events = []
        if self.failed or size == 0:
            return events
        # An exact-size block lets the address sanitizer see a read past its end.
        copy = <uint8_t *> malloc(size)
        if copy == NULL:
            raise MemoryError
        try:
            memcpy(copy, <char *> data, size)
            while at < size and not self.failed:
                status = inbound_step(
                    &self.state, &self.limits, copy + at, size - at, &used, &found)
                at += used
                if status == FOUND_NOTHING:
                    break
                if status < 0:
                    event = ("error", -status)
                elif status == FOUND_MESSAGE:
                    event = self.message_of(&found)
                elif status == FOUND_CLOSE:
                    event = (
                        "close", None if found.code == CLOSE_NO_STATUS else found.code,
                        (<char *> found.data)[2:found.bytes] if found.bytes else b"")
                else:
                    event = (
                        "ping" if status == FOUND_PING else "pong",
                        (<char *> found.data)[:found.bytes])
                events.append(event)
                self.failed = event[0] in ("error", "close")
            return events
        finally:
            free(copy)

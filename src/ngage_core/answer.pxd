"""HTTP answers: the preencoded ones of the path table, and errors whose body says why.

After an answer of the path table the connection is kept for the next request (RFC 9112 section
9.3), which is read once the answer is out whole: so answers are in order, and a client that does
not take them is not read. An error ends the connection, so that nothing behind a refused upgrade is
ever read as a second request.
"""

from libc.stdint cimport uint32_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from ngage_core.conn cimport CONN_ANSWERING, CONN_CLOSING, F_SHUT_WHEN_SENT, Conn
from ngage_core.lifecycle cimport drop_inbound, set_deadline, unsubscribe_all, wait_no_more
from ngage_core.limits cimport ANSWER_BYTES_MAX
from ngage_core.offer cimport ASKED_HEAD, ASKED_LAST, Asked
from ngage_core.own cimport own_room, own_share
from ngage_core.payload cimport Payload, payload_retain
from ngage_core.shard cimport Shard
from ngage_core.write cimport write_conn


cdef inline const char *status_text(int status) noexcept nogil:
    if status == 400:
        return b"Bad Request"
    if status == 403:
        return b"Forbidden"
    if status == 404:
        return b"Not Found"
    if status == 405:
        return b"Method Not Allowed"
    if status == 408:
        return b"Request Timeout"
    if status == 414:
        return b"URI Too Long"
    if status == 426:
        return b"Upgrade Required"
    if status == 429:
        return b"Too Many Requests"
    if status == 431:
        return b"Request Header Fields Too Large"
    if status == 503:
        return b"Service Unavailable"
    return b"HTTP Version Not Supported"


cdef inline const char *status_headers(int status) noexcept nogil:
    if status == 405:
        return b"Allow: GET, HEAD\r\n"
    if status == 426:
        return b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    if status == 429 or status == 503:
        return b"Retry-After: 5\r\n"
    return b""


cdef inline void end_after_answer(Shard *shard, uint32_t index) noexcept nogil:
    """Nothing more is read; once all is out (there may be nothing) the connection ends."""
    cdef Conn *conn = &shard.slab.conns[index]
    drop_inbound(shard, conn)
    unsubscribe_all(shard, index)
    wait_no_more(shard, index)
    conn.state = CONN_CLOSING
    conn.flags |= F_SHUT_WHEN_SENT
    set_deadline(shard, index, shard.hub.options.close_timeout_ms)
    write_conn(shard, index)


cdef inline void refuse(
    Shard *shard, uint32_t index, int status, const char *reason
) noexcept nogil:
    """Answer with an HTTP error whose body is one line that says why, and end."""
    cdef char text[ANSWER_BYTES_MAX]
    cdef char body[256]
    cdef uint8_t *room
    cdef int body_bytes = snprintf(body, sizeof(body), b"%d %s: %s\n", status, status_text(status),
                                   reason)
    cdef int size = snprintf(
        text, sizeof(text),
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Cache-Control: no-store\r\nConnection: close\r\n%s\r\n%s",
        status, status_text(status), body_bytes, status_headers(status), body)
    shard.counters.http_errors += 1
    room = own_room(shard, index, <size_t> size)
    if room != NULL:
        memcpy(room, text, <size_t> size)
        end_after_answer(shard, index)


# An answer of the path table.

cdef inline bint own_last(
    Shard *shard, uint32_t index, Payload *answer, bint head
) noexcept nogil:
    """The answer with the header that tells the client not to ask again (RFC 9112 section 9.6)."""
    cdef uint32_t fields = answer.head_bytes - 2  # without the empty line
    cdef uint8_t *room
    payload_retain(answer)
    if not own_share(shard, index, answer, 0, fields, True):
        return False
    room = own_room(shard, index, 21)
    if room == NULL:
        return False
    memcpy(room, b"Connection: close\r\n\r\n", 21)
    if head or answer.plain_bytes == answer.head_bytes:
        return True
    payload_retain(answer)
    return own_share(
        shard, index, answer, answer.head_bytes, answer.plain_bytes - answer.head_bytes, True)


cdef inline void send_answer(
    Shard *shard, uint32_t index, Payload *answer, const Asked *asked
) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    cdef bint head = (asked.flags & ASKED_HEAD) != 0
    shard.counters.http_answers += 1
    if asked.flags & ASKED_LAST:
        if own_last(shard, index, answer, head):
            end_after_answer(shard, index)
        return
    payload_retain(answer)
    if not own_share(
            shard, index, answer, 0, answer.head_bytes if head else answer.plain_bytes, True):
        return
    conn.state = CONN_ANSWERING
    write_conn(shard, index)
    if conn.state == CONN_ANSWERING:
        set_deadline(shard, index, shard.hub.options.close_timeout_ms)

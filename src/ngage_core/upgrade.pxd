"""The HTTP/1.1 request head and the WebSocket upgrade (RFC 9112, RFC 6455 section 4.2, RFC 7692).

Strict on purpose: whatever two parsers could read differently (bare LF, folded lines, a space
before the colon, doubled headers, a body) is refused, since a proxy in front may be the other one.
A head is read in one piece once it is complete; until then only its lines are checked.
"""

from libc.stdint cimport uint32_t, uint8_t
from libc.string cimport memchr, memcmp

from ngage_core.deflate cimport WINDOW_BITS_MAX, WINDOW_BITS_MIN
from ngage_core.limits cimport HEADERS_MAX, HEAD_BYTES_MAX, REQUEST_LINE_BYTES_MAX
from ngage_core.sha1 cimport CLIENT_KEY_BYTES
from ngage_core.span cimport Span, cut, has_token, is_token_byte, span_is, span_of, trimmed

cdef enum HeadState:  # of an unfinished head; positive values are HTTP statuses
    HEAD_MORE = 0
    HEAD_DONE = 1
    HEAD_NOT_HTTP = -1  # TLS, HTTP/2 or noise: closed without an answer

cdef enum Method:
    METHOD_OTHER = 0
    METHOD_GET = 1
    METHOD_HEAD = 2

cdef enum HeaderName:
    NAME_OTHER = 0
    NAME_HOST = 1
    NAME_UPGRADE = 2
    NAME_CONNECTION = 3
    NAME_KEY = 4
    NAME_VERSION = 5
    NAME_ORIGIN = 6
    NAME_PROTOCOL = 7
    NAME_EXTENSIONS = 8
    NAME_FORWARDED_FOR = 9
    NAME_CONTENT_LENGTH = 10
    NAME_TRANSFER_ENCODING = 11


cdef struct Request:
    int method
    Span method_name
    Span target  # as sent
    Span path  # target without the query
    Span query  # behind '?', empty if none
    Span host
    Span origin
    bint has_origin
    Span key
    Span version
    Span protocols
    Span extensions
    Span forwarded_for
    bint upgrade  # an upgrade is asked for, valid or not
    bint upgrade_websocket
    bint connection_upgrade
    bint connection_close
    bint has_body
    bint deflate
    int window_bits
    bint window_bits_asked
    uint32_t seen  # bit per HeaderName
    uint32_t doubled


cdef inline int head_progress(
    const uint8_t *data, size_t size, size_t *checked, size_t *head_size
) noexcept nogil:
    """How far an arriving head is: a HeadState, or the HTTP status to refuse it with.

    `checked` carries the offset of the first unfinished line between calls, so that a head sent a
    byte at a time costs no more than one sent whole (but for that line).
    """
    cdef const uint8_t *newline
    cdef size_t line = checked[0], end
    if size and not (65 <= data[0] <= 90):
        return HEAD_NOT_HTTP
    if size >= 14 and memcmp(data, b"PRI * HTTP/2.0", 14) == 0:
        return HEAD_NOT_HTTP
    while line < size:
        newline = <const uint8_t *> memchr(data + line, 10, size - line)
        if newline == NULL:
            break
        end = <size_t> (newline - data)
        if end == line or data[end - 1] != 13:
            return 400  # a bare LF
        if line == 0 and end + 1 > REQUEST_LINE_BYTES_MAX:
            return 414
        if end + 1 > HEAD_BYTES_MAX:
            return 431
        if line == 0 and (end < 9 or memcmp(data + end - 9, b"HTTP/", 5) != 0):
            return 400  # no HTTP version: another protocol's greeting, or HTTP/0.9
        if end == line + 1:
            head_size[0] = end + 1
            return HEAD_DONE
        line = end + 1
        checked[0] = line
    if line == 0 and size > REQUEST_LINE_BYTES_MAX:
        return 414
    if size > HEAD_BYTES_MAX:
        return 431
    return HEAD_MORE


cdef inline int header_name(Span name) noexcept nogil:
    if name.bytes == 4 and span_is(name, b"host", 4):
        return NAME_HOST
    if name.bytes == 6 and span_is(name, b"origin", 6):
        return NAME_ORIGIN
    if name.bytes == 7 and span_is(name, b"upgrade", 7):
        return NAME_UPGRADE
    if name.bytes == 10 and span_is(name, b"connection", 10):
        return NAME_CONNECTION
    if name.bytes == 14 and span_is(name, b"content-length", 14):
        return NAME_CONTENT_LENGTH
    if name.bytes == 15 and span_is(name, b"x-forwarded-for", 15):
        return NAME_FORWARDED_FOR
    if name.bytes == 17 and span_is(name, b"sec-websocket-key", 17):
        return NAME_KEY
    if name.bytes == 17 and span_is(name, b"transfer-encoding", 17):
        return NAME_TRANSFER_ENCODING
    if name.bytes == 21 and span_is(name, b"sec-websocket-version", 21):
        return NAME_VERSION
    if name.bytes == 22 and span_is(name, b"sec-websocket-protocol", 22):
        return NAME_PROTOCOL
    if name.bytes == 24 and span_is(name, b"sec-websocket-extensions", 24):
        return NAME_EXTENSIONS
    return NAME_OTHER


cdef inline int parse_window_bits(Span value) noexcept nogil:
    """9..15, plain or quoted (RFC 7692 section 7.1.2); 0 for anything else."""
    cdef int bits
    if value.bytes >= 2 and value.data[0] == 34 and value.data[value.bytes - 1] == 34:
        value = span_of(value.data + 1, value.bytes - 2)
    if value.bytes == 1 and value.data[0] == 57:
        return 9
    if value.bytes != 2 or value.data[0] != 49 or not 48 <= value.data[1] <= 53:
        return 0
    bits = 10 + value.data[1] - 48
    return bits if WINDOW_BITS_MIN <= bits <= WINDOW_BITS_MAX else 0


cdef inline bint accept_offer(Span offer, Request *request) noexcept nogil:
    """One permessage-deflate offer (RFC 7692 section 7.1); an unknown parameter declines it."""
    cdef Span rest = offer, parameter, name
    cdef uint32_t seen = 0, bit
    cdef bint valued
    cdef int window_bits = WINDOW_BITS_MAX, bits
    if not span_is(cut(&rest, 59), b"permessage-deflate", 18):
        return False
    while rest.bytes:
        parameter = cut(&rest, 59)
        valued = memchr(parameter.data, 61, parameter.bytes) != NULL
        name = cut(&parameter, 61)
        parameter = trimmed(parameter)
        if span_is(name, b"server_no_context_takeover", 26) and not valued:
            bit = 1
        elif span_is(name, b"client_no_context_takeover", 26) and not valued:
            bit = 2
        elif span_is(name, b"server_max_window_bits", 22) and valued:
            bit = 4
            window_bits = parse_window_bits(parameter)
            if window_bits == 0:
                return False
        elif span_is(name, b"client_max_window_bits", 22):
            # Only what the client is able to do; we inflate with the full window either way.
            bit = 8
            if valued:
                bits = parse_window_bits(parameter)
                if bits == 0 and not (parameter.bytes == 1 and parameter.data[0] == 56):
                    return False
        else:
            return False
        if seen & bit:
            return False
        seen |= bit
    request.deflate = True
    request.window_bits = window_bits
    request.window_bits_asked = (seen & 4) != 0
    return True


cdef inline void take_header(Request *request, int name, Span value) noexcept nogil:
    cdef uint32_t bit = <uint32_t> 1 << name
    cdef Span rest
    if request.seen & bit:
        request.doubled |= bit
    request.seen |= bit
    if name == NAME_HOST:
        request.host = value
    elif name == NAME_ORIGIN:
        request.origin = value
        request.has_origin = True
    elif name == NAME_UPGRADE:
        request.upgrade = True
        request.upgrade_websocket = has_token(value, b"websocket", 9)
    elif name == NAME_CONNECTION:
        request.connection_upgrade = has_token(value, b"upgrade", 7)
        request.connection_close |= has_token(value, b"close", 5)  # a list may take several lines
    elif name == NAME_KEY:
        request.upgrade = True
        request.key = value
    elif name == NAME_VERSION:
        request.version = value
    elif name == NAME_PROTOCOL:
        request.protocols = value
    elif name == NAME_EXTENSIONS:
        request.extensions = value
        rest = value
        while rest.bytes and not request.deflate:
            accept_offer(cut(&rest, 44), request)
    elif name == NAME_FORWARDED_FOR:
        request.forwarded_for = value  # of several lines the last, which the nearest proxy wrote
    elif name == NAME_TRANSFER_ENCODING:
        request.has_body = True
    elif name == NAME_CONTENT_LENGTH and not span_is(value, b"0", 1):
        request.has_body = True


cdef inline bint key_valid(Span key) noexcept nogil:
    """16 bytes in base64: 22 characters and two '=' (section 4.2.1)."""
    cdef size_t i
    cdef uint8_t c
    if key.bytes != CLIENT_KEY_BYTES or key.data[22] != 61 or key.data[23] != 61:
        return False
    for i in range(22):
        c = key.data[i]
        if not (48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 43 or c == 47):
            return False
    return True


cdef inline int parse_request_line(Span line, Request *request) noexcept nogil:
    cdef Span rest = line, version
    cdef const uint8_t *space = <const uint8_t *> memchr(rest.data, 32, rest.bytes)
    cdef const uint8_t *mark
    cdef size_t i
    if space == NULL:
        return 400
    request.method_name = span_of(rest.data, <size_t> (space - rest.data))
    rest = span_of(space + 1, rest.bytes - request.method_name.bytes - 1)
    space = <const uint8_t *> memchr(rest.data, 32, rest.bytes) if rest.bytes else NULL
    if space == NULL:
        return 400  # HTTP/0.9 has no version
    request.target = span_of(rest.data, <size_t> (space - rest.data))
    version = span_of(space + 1, rest.bytes - request.target.bytes - 1)
    if version.bytes != 8 or memcmp(version.data, b"HTTP/", 5) != 0:
        return 400
    if memcmp(version.data, b"HTTP/1.1", 8) != 0:
        return 505
    for i in range(request.method_name.bytes):
        if not is_token_byte(request.method_name.data[i]):
            return 400
    for i in range(request.target.bytes):
        if request.target.data[i] <= 32 or request.target.data[i] >= 127:
            return 400
    if request.method_name.bytes == 3 and memcmp(request.method_name.data, b"GET", 3) == 0:
        request.method = METHOD_GET
    elif request.method_name.bytes == 4 and memcmp(request.method_name.data, b"HEAD", 4) == 0:
        request.method = METHOD_HEAD
    else:
        return 405
    if request.target.bytes == 0 or request.target.data[0] != 47:
        return 400  # absolute-form is for proxies
    request.path = request.target
    mark = <const uint8_t *> memchr(request.target.data, 63, request.target.bytes)
    if mark != NULL:
        request.path.bytes = <size_t> (mark - request.target.data)
        request.query = span_of(mark + 1, request.target.bytes - request.path.bytes - 1)
    return 0


cdef inline int parse_header_line(Span line, Request *request) noexcept nogil:
    cdef const uint8_t *colon = <const uint8_t *> memchr(line.data, 58, line.bytes)
    cdef Span name, value
    cdef size_t i
    if colon == NULL or colon == line.data:
        return 400
    name = span_of(line.data, <size_t> (colon - line.data))
    value = span_of(colon + 1, line.bytes - name.bytes - 1)
    for i in range(name.bytes):
        if not is_token_byte(name.data[i]):
            return 400  # a folded line and a space before the colon end here too
    for i in range(value.bytes):
        if value.data[i] < 32 and value.data[i] != 9 or value.data[i] == 127:
            return 400
    take_header(request, header_name(name), trimmed(value))
    return 0


cdef inline int check_upgrade(const Request *request) noexcept nogil:
    """Section 4.2.1: 0, or the status to refuse with."""
    cdef uint32_t needed = (1 << NAME_HOST | 1 << NAME_UPGRADE | 1 << NAME_CONNECTION
                            | 1 << NAME_KEY | 1 << NAME_VERSION)
    if request.doubled & (needed | 1 << NAME_ORIGIN) or (request.seen & needed) != needed:
        return 400
    if request.method != METHOD_GET:
        return 405
    if not request.upgrade_websocket or not request.connection_upgrade:
        return 400
    if request.seen & (1 << NAME_CONTENT_LENGTH) or not key_valid(request.key):
        return 400
    if not span_is(request.version, b"13", 2):
        return 426
    return 0


cdef inline int parse_head(const uint8_t *head, size_t size, Request *request) noexcept nogil:
    """Read a complete head (its empty line included) into a zeroed Request: 0, or the HTTP status
    to refuse it with."""
    cdef size_t line = 0, end, count = 0
    cdef int status
    while line < size:
        end = <size_t> (<const uint8_t *> memchr(head + line, 10, size - line) - head)
        if end == line + 1:
            break
        if line == 0:
            status = parse_request_line(span_of(head, end - 1), request)
        else:
            count += 1
            status = 431 if count > HEADERS_MAX else parse_header_line(
                span_of(head + line, end - 1 - line), request)
        if status:
            return status
        line = end + 1
    if request.has_body or not request.seen & 1 << NAME_HOST or request.doubled & 1 << NAME_HOST:
        return 400
    return check_upgrade(request) if request.upgrade else 0

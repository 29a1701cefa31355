"""The client's side of the opening handshake: the key it sends, the answer it accepts."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from ngage_core.sha1 cimport ACCEPT_KEY_BYTES, CLIENT_KEY_BYTES, accept_key_of
from ngage_core.swarm_payload cimport mix

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char *a, const char *b, size_t size)

cdef extern from "<string.h>" nogil:
    void *memmem(const void *data, size_t size, const void *part, size_t part_size)

cdef enum:
    STATUS_LINE_BYTES = 13  # "HTTP/1.1 101 "
    STATUS_SWITCHING = 101


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
    """The value of the first header so named (lower case, ends with its colon), or NULL.

    The head ends with the last header's CR LF.
    """
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


cdef inline uint32_t status_of(const uint8_t *head, size_t size) noexcept nogil:
    """The status of an HTTP/1.1 answer, or 0 if it is none."""
    cdef uint32_t status = 0
    cdef size_t i
    if size < STATUS_LINE_BYTES or memcmp(head, b"HTTP/1.1 ", 9) != 0:
        return 0
    for i in range(9, 12):
        if not 48 <= head[i] <= 57:
            return 0
        status = status * 10 + head[i] - 48
    return status


cdef inline bint key_accepted(
    const uint8_t *head, size_t size, uint64_t seed, uint64_t fan
) noexcept nogil:
    """RFC 6455 section 4.1, as far as a test client must know that a WebSocket server answers."""
    cdef uint8_t key[CLIENT_KEY_BYTES]
    cdef uint8_t expected[ACCEPT_KEY_BYTES]
    cdef const uint8_t *accept = header_value(head, size, b"sec-websocket-accept:", 21)
    client_key(key, seed, fan)
    accept_key_of(key, expected)
    return (accept != NULL and accept + ACCEPT_KEY_BYTES <= head + size
            and memcmp(accept, expected, ACCEPT_KEY_BYTES) == 0)

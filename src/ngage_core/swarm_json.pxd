"""JSON as it comes (RFC 8259): a scanner that may be stopped at any byte, and keeps nothing.

It tells a Sink what it finds: where a container begins and ends, pieces of strings with their
escapes undone, numbers, and words. Where that is, is a path of up to seven keys, each one of those
in the Sink's list or 0. Strict, but for what it does not need to know: that UTF-8 in strings is
valid and surrogates come in pairs.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, strlen

cdef enum:
    JSON_KEY_BYTES = 12  # of a key, or of a short string, that are kept
    JSON_DEPTH_MAX = 32
    JSON_PATH_KEYS = 7
    JSON_ITEM = 255  # the key of an array's elements

cdef enum JsonState:
    JSON_VALUE = 0  # one must come
    JSON_FIRST_KEY = 1  # or the end of the object
    JSON_KEY = 2
    JSON_IN_KEY = 3
    JSON_COLON = 4
    JSON_FIRST_ITEM = 5  # or the end of the array
    JSON_IN_STRING = 6
    JSON_IN_NUMBER = 7
    JSON_IN_WORD = 8
    JSON_AFTER = 9  # a comma, or the end of what it is in
    JSON_DONE = 10
    JSON_BROKEN = 11

cdef enum JsonNumber:  # where in a number
    NUMBER_NONE = 0
    NUMBER_SIGN = 1
    NUMBER_ZERO = 2
    NUMBER_INTEGER = 3
    NUMBER_POINT = 4
    NUMBER_FRACTION = 5
    NUMBER_E = 6
    NUMBER_E_SIGN = 7
    NUMBER_EXPONENT = 8

cdef enum JsonWord:
    JSON_FALSE = 0
    JSON_TRUE = 1
    JSON_NULL = 2


cdef struct Json:
    uint64_t path  # the keys, the innermost in the lowest byte
    uint64_t number  # its integral part without the sign; of a word, which one
    uint32_t objects  # by depth, a bit: an object, else an array
    uint32_t code  # of \\uXXXX
    uint8_t state
    uint8_t depth
    uint8_t escape  # in a string 1: behind a backslash, more: digits to follow; else JsonNumber
    uint8_t size  # of text
    uint8_t text[JSON_KEY_BYTES]  # the key or string that came last, or its beginning


cdef struct JsonSink:
    const char *const *keys  # the first one is number 1; ends with NULL
    void (*began)(void *to, Json *json) noexcept nogil  # a container
    void (*ended)(void *to, Json *json) noexcept nogil
    void (*piece)(void *to, Json *json, const uint8_t *data, size_t size) noexcept nogil
    void (*text)(void *to, Json *json) noexcept nogil  # a string has ended
    void (*number)(void *to, Json *json) noexcept nogil
    void (*word)(void *to, Json *json) noexcept nogil


cdef inline void json_begin(Json *json) noexcept nogil:
    json.path = 0
    json.objects = 0
    json.state = JSON_VALUE
    json.depth = json.escape = 0


cdef inline uint64_t json_path(uint64_t a, uint64_t b, uint64_t c, uint64_t d) noexcept nogil:
    """The path of these keys, the outermost first; 0 for those that are not there."""
    cdef uint64_t path = a
    if b:
        path = path << 8 | b
    if c:
        path = path << 8 | c
    if d:
        path = path << 8 | d
    return path


cdef inline void json_enter(Json *json, uint8_t key) noexcept nogil:
    if json.depth <= JSON_PATH_KEYS:
        json.path = json.path << 8 | key


cdef inline void json_leave(Json *json) noexcept nogil:
    if json.depth <= JSON_PATH_KEYS:
        json.path >>= 8


cdef inline bint json_in_object(const Json *json) noexcept nogil:
    return json.objects >> (json.depth - 1) & 1


cdef inline void json_value_ended(Json *json) noexcept nogil:
    if json.depth == 0:
        json.state = JSON_DONE
        return
    json_leave(json)
    json.state = JSON_AFTER


cdef inline void json_open(
    const JsonSink *sink, void *to, Json *json, bint is_object
) noexcept nogil:
    if json.depth == JSON_DEPTH_MAX:
        json.state = JSON_BROKEN
        return
    sink.began(to, json)
    json.objects &= ~(<uint32_t> 1 << json.depth)
    json.objects |= <uint32_t> is_object << json.depth
    json.depth += 1
    json.state = JSON_FIRST_KEY if is_object else JSON_FIRST_ITEM


cdef inline void json_close(const JsonSink *sink, void *to, Json *json, uint8_t c) noexcept nogil:
    if c != (125 if json_in_object(json) else 93):  # "}", "]"
        json.state = JSON_BROKEN
        return
    json.depth -= 1
    sink.ended(to, json)
    json_value_ended(json)


cdef inline uint8_t json_key(const JsonSink *sink, const Json *json) noexcept nogil:
    cdef uint8_t number = 0
    while sink.keys[number] != NULL:
        if (strlen(sink.keys[number]) == json.size
                and memcmp(sink.keys[number], json.text, json.size) == 0):
            return number + 1
        number += 1
    return 0


# Strings

cdef inline void json_keep(Json *json, const uint8_t *data, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if json.size < JSON_KEY_BYTES:
            json.text[json.size] = data[i]
        if json.size <= JSON_KEY_BYTES:  # one more says that it is longer
            json.size += 1


cdef inline void json_piece(
    const JsonSink *sink, void *to, Json *json, const uint8_t *data, size_t size
) noexcept nogil:
    json_keep(json, data, size)
    if json.state == JSON_IN_STRING:
        sink.piece(to, json, data, size)


cdef inline size_t utf8_of(uint32_t code, uint8_t *out) noexcept nogil:
    if code < 0x80:
        out[0] = <uint8_t> code
        return 1
    if code < 0x800:
        out[0] = <uint8_t> (0xC0 | code >> 6)
        out[1] = <uint8_t> (0x80 | code & 63)
        return 2
    out[0] = <uint8_t> (0xE0 | code >> 12)
    out[1] = <uint8_t> (0x80 | code >> 6 & 63)
    out[2] = <uint8_t> (0x80 | code & 63)
    return 3


cdef inline void json_escaped(
    const JsonSink *sink, void *to, Json *json, uint8_t c
) noexcept nogil:
    """A character behind a backslash, or a digit of its number."""
    cdef const char *plain = b"\"\\/bfnrt"
    cdef const char *meant = b"\"\\/\b\f\n\r\t"
    cdef const char *found
    cdef uint8_t out[3]
    cdef uint8_t lower = c | 32
    if json.escape == 1:
        json.escape = 0
        if c == 117:  # "u"
            json.escape = 5
            json.code = 0
            return
        found = <const char *> memchr(plain, c, 8)
        if found == NULL:
            json.state = JSON_BROKEN
            return
        out[0] = <uint8_t> meant[found - plain]
        json_piece(sink, to, json, out, 1)
        return
    if 48 <= c <= 57:
        json.code = json.code << 4 | (c - 48)
    elif 97 <= lower <= 102:
        json.code = json.code << 4 | (lower - 87)
    else:
        json.state = JSON_BROKEN
        return
    json.escape -= 1
    if json.escape == 1:
        json.escape = 0
        json_piece(sink, to, json, out, utf8_of(json.code, out))


cdef inline size_t json_string(
    const JsonSink *sink, void *to, Json *json, const uint8_t *data, size_t size
) noexcept nogil:
    """Within a key or string: bytes used, one at least."""
    cdef size_t run = 0
    if json.escape:
        json_escaped(sink, to, json, data[0])
        return 1
    while run < size and data[run] != 34 and data[run] != 92 and data[run] >= 32:
        run += 1
    if run:
        json_piece(sink, to, json, data, run)
        return run
    if data[0] == 92:
        json.escape = 1
    elif data[0] != 34:
        json.state = JSON_BROKEN
    elif json.state == JSON_IN_KEY:
        json_enter(json, json_key(sink, json))
        json.state = JSON_COLON
    else:
        sink.text(to, json)
        json_value_ended(json)
    return 1


# Numbers and words

cdef inline bint json_scalar_ends(uint8_t c) noexcept nogil:
    return c == 44 or c == 93 or c == 125 or c <= 32


cdef inline bint json_is_word(const Json *json, const char *word) noexcept nogil:
    return json.size == strlen(word) and memcmp(json.text, word, json.size) == 0


cdef inline uint8_t json_number_after(uint8_t at, uint8_t c) noexcept nogil:
    """Where in a number one more character leads: -? int frac? exp?"""
    if 48 <= c <= 57:
        if at == NUMBER_SIGN:
            return NUMBER_ZERO if c == 48 else NUMBER_INTEGER
        if at == NUMBER_POINT:
            return NUMBER_FRACTION
        if at == NUMBER_E or at == NUMBER_E_SIGN:
            return NUMBER_EXPONENT
        return NUMBER_NONE if at == NUMBER_ZERO else at
    if c == 46 and (at == NUMBER_ZERO or at == NUMBER_INTEGER):
        return NUMBER_POINT
    if c | 32 == 101 and (at == NUMBER_ZERO or at == NUMBER_INTEGER or at == NUMBER_FRACTION):
        return NUMBER_E
    if (c == 43 or c == 45) and at == NUMBER_E:
        return NUMBER_E_SIGN
    return NUMBER_NONE


cdef inline void json_scalar_ended(const JsonSink *sink, void *to, Json *json) noexcept nogil:
    if json.state == JSON_IN_NUMBER:
        if not (json.escape == NUMBER_ZERO or json.escape == NUMBER_INTEGER
                or json.escape == NUMBER_FRACTION or json.escape == NUMBER_EXPONENT):
            json.state = JSON_BROKEN
            return
        json.escape = 0
        sink.number(to, json)
    else:
        if json_is_word(json, b"true"):
            json.number = JSON_TRUE
        elif json_is_word(json, b"false"):
            json.number = JSON_FALSE
        elif json_is_word(json, b"null"):
            json.number = JSON_NULL
        else:
            json.state = JSON_BROKEN
            return
        sink.word(to, json)
    json_value_ended(json)


cdef inline size_t json_scalar(
    const JsonSink *sink, void *to, Json *json, const uint8_t *data
) noexcept nogil:
    """Within a number or word: bytes used, none if it has ended before this one."""
    if json_scalar_ends(data[0]):
        json_scalar_ended(sink, to, json)
        return 0
    if json.state == JSON_IN_WORD:
        json_keep(json, data, 1)
        return 1
    json.escape = json_number_after(json.escape, data[0])
    if json.escape == NUMBER_NONE:
        json.state = JSON_BROKEN
    elif json.escape == NUMBER_INTEGER:
        json.number = json.number * 10 + data[0] - 48
    return 1


# Everything

cdef inline void json_value(
    const JsonSink *sink, void *to, Json *json, uint8_t c
) noexcept nogil:
    """The first character of a value."""
    json.size = 0
    json.number = 0
    if c == 123 or c == 91:  # "{", "["
        json_open(sink, to, json, c == 123)
    elif c == 34:
        json.state = JSON_IN_STRING
    elif c == 45 or 48 <= c <= 57:
        json.state = JSON_IN_NUMBER
        json.escape = NUMBER_SIGN if c == 45 else json_number_after(NUMBER_SIGN, c)
        json.number = 0 if c == 45 else c - 48
    elif 97 <= c <= 122:
        json.state = JSON_IN_WORD
        json_keep(json, &c, 1)
    else:
        json.state = JSON_BROKEN


cdef inline void json_mark(const JsonSink *sink, void *to, Json *json, uint8_t c) noexcept nogil:
    """A character between values."""
    if json.state == JSON_VALUE:
        json_value(sink, to, json, c)
    elif json.state == JSON_FIRST_ITEM:
        if c == 93:
            json_close(sink, to, json, c)
        else:
            json_enter(json, JSON_ITEM)
            json_value(sink, to, json, c)
    elif json.state == JSON_FIRST_KEY or json.state == JSON_KEY:
        if c == 34:
            json.state = JSON_IN_KEY
            json.size = 0
        elif c == 125 and json.state == JSON_FIRST_KEY:
            json_close(sink, to, json, c)
        else:
            json.state = JSON_BROKEN
    elif json.state == JSON_COLON:
        json.state = JSON_VALUE if c == 58 else JSON_BROKEN
    elif json.state == JSON_AFTER and c != 44:
        json_close(sink, to, json, c)
    elif json.state == JSON_AFTER:
        if json_in_object(json):
            json.state = JSON_KEY
        else:
            json_enter(json, JSON_ITEM)
            json.state = JSON_VALUE
    else:
        json.state = JSON_BROKEN


cdef inline size_t json_scan(
    const JsonSink *sink, void *to, Json *json, const uint8_t *data, size_t size
) noexcept nogil:
    """Bytes used: all, or up to the end of the value, or of what is none. See json.state."""
    cdef size_t used = 0
    while used < size and json.state < JSON_DONE:
        if json.state == JSON_IN_STRING or json.state == JSON_IN_KEY:
            used += json_string(sink, to, json, data + used, size - used)
        elif json.state == JSON_IN_NUMBER or json.state == JSON_IN_WORD:
            used += json_scalar(sink, to, json, data + used)
        else:
            if not (data[used] == 32 or 9 <= data[used] <= 10 or data[used] == 13):
                json_mark(sink, to, json, data[used])
            used += 1
    return used

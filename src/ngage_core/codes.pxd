"""Numbers with a meaning on the wire or across the line: opcodes, close codes, lag policies.

Close codes: RFC 6455 section 7.4.1; 3000-3499 make Centrifugo's SDKs reconnect. errors.py names
the same codes for Python and a test holds the two together.
"""

cdef enum Opcode:  # RFC 6455 section 5.2
    OP_CONTINUATION = 0
    OP_TEXT = 1
    OP_BINARY = 2
    OP_CLOSE = 8
    OP_PING = 9
    OP_PONG = 10

cdef enum CloseCodes:
    CLOSE_GOING_AWAY = 1001
    CLOSE_PROTOCOL = 1002
    CLOSE_NO_STATUS = 1005
    CLOSE_PAYLOAD = 1007
    CLOSE_POLICY = 1008
    CLOSE_TOO_BIG = 1009
    CLOSE_INTERNAL = 1011
    CLOSE_EXPIRED = 3005
    CLOSE_SLOW = 3008
    CLOSE_INSUFFICIENT_STATE = 3010
    CLOSE_NO_PONG = 3012
    CLOSE_STALE = 3502

cdef enum Lag:
    LATEST = 0
    KEYFRAME = 1
    RING = 2
    RELIABLE = 3

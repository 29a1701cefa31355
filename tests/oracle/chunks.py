"""The chunk stream of RTMP 1.0 (5.3) once more: a reader of whole recordings, and a writer.

The reader has everything before it begins, so nothing is ever half read. The writer takes the
shortest header that the specification allows, or a longer one where it is told to.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

CHUNK_STREAMS_MAX = 64
MESSAGE_BYTES_MAX = 8 << 20


class Message(NamedTuple):
    type: int
    stream: int
    timestamp: int
    body: bytes


class Refused(Exception):
    """Not a chunk stream."""


class Cut(Exception):
    """The recording ends here."""


@dataclass
class Known:
    """What a chunk stream remembers."""

    timestamp: int = 0
    delta: int = 0
    length: int = 0
    type: int = 0
    stream: int = 0
    extended: bool = False
    body: bytes | None = None


def read(data):
    """(messages but for chunk sizes and aborts, whether the stream is refused after them)"""
    messages, known, size, rest = [], {}, [128], [data]
    try:
        while True:
            message = read_chunk(rest, known, size[0])
            if message is None:
                continue
            if message.type == 1:
                size[0] = number(message.body)
                if not 1 <= size[0] <= 0x7FFFFFFF:
                    raise Refused
            elif message.type == 2:
                aborted = known.get(number(message.body))
                if aborted:
                    aborted.body = None
            else:
                messages.append(message)
    except Cut:
        return messages, False
    except Refused:
        return messages, True


def read_chunk(rest, streams, size):
    """The message that this chunk completes."""
    data = rest[0]
    first = take(data, 0, 1)[0]
    kind, ident, at = first >> 6, first & 63, 1
    if ident == 0:
        ident, at = 64 + take(data, 1, 1)[0], 2
    elif ident == 1:
        low, high = take(data, 1, 2)
        ident, at = 64 + low + 256 * high, 3
    header = take(data, at, [11, 7, 3, 0][kind])
    at += len(header)
    known = streams.get(ident, Known())
    extended = known.extended if kind == 3 else header[:3] == b"\xff\xff\xff"
    long_time = take(data, at, 4) if extended else b""
    at += len(long_time)
    if known.body is not None and kind != 3:
        raise Refused
    if ident not in streams and (kind > 1 or len(streams) == CHUNK_STREAMS_MAX):
        raise Refused
    if kind != 3:
        known.extended = extended
        known.delta = int.from_bytes(long_time or header[:3], "big")
    if kind <= 1:
        known.length, known.type = int.from_bytes(header[3:6], "big"), header[6]
    if kind == 0:
        known.stream = int.from_bytes(header[7:], "little")
    if known.body is None:
        known.timestamp = known.delta if kind == 0 else (known.timestamp + known.delta) % 2**32
        known.body = b""
        if known.length > MESSAGE_BYTES_MAX:
            raise Refused
    streams[ident] = known
    payload = take(data, at, min(size, known.length - len(known.body)))
    known.body += payload
    rest[0] = data[at + len(payload) :]
    if len(known.body) < known.length:
        return None
    body, known.body = known.body, None
    return Message(known.type, known.stream, known.timestamp, body)


def take(data, at, count):
    if len(data) < at + count:
        raise Cut
    return data[at : at + count]


def number(body):
    if len(body) != 4:
        raise Refused
    return int.from_bytes(body, "big")


@dataclass
class Writer:
    """Chunks of one connection; call `chunks` for a message and send them in order."""

    size: int = 128
    known: dict = field(default_factory=dict)

    def chunks(self, ident, message, longest=False):
        """One chunk each time, of the size that holds then; `longest` refers to nothing before."""
        kind, time = (0, message.timestamp) if longest else self.shortest(ident, message)
        self.known[ident] = (message.timestamp, time, len(message.body), message[:2])
        long_time = time.to_bytes(4, "big") if time >= 0xFFFFFF else b""
        header = min(time, 0xFFFFFF).to_bytes(3, "big")
        header += len(message.body).to_bytes(3, "big") + bytes([message.type])
        header += message.stream.to_bytes(4, "little")
        header = header[: [11, 7, 3, 0][kind]]
        left = message.body
        while True:
            piece, left = left[: self.size], left[self.size :]
            yield basic(kind, ident) + header + long_time + piece
            kind, header = 3, b""
            if not left:
                return

    def shortest(self, ident, message):
        """(format, its time field)"""
        if ident not in self.known:
            return 0, message.timestamp
        timestamp, delta, length, (kind, stream) = self.known[ident]
        step = (message.timestamp - timestamp) % 2**32
        if stream != message.stream:
            return 0, message.timestamp
        if (length, kind) != (len(message.body), message.type):
            return 1, step
        return (3, step) if step == delta else (2, step)

    def all(self, ident, *messages):
        return b"".join(b"".join(self.chunks(ident, message)) for message in messages)


def basic(kind, ident):
    """The basic header (5.3.1.1), in its shortest form."""
    if ident < 64:
        return bytes([kind << 6 | ident])
    if ident < 320:
        return bytes([kind << 6, ident - 64])
    return bytes([kind << 6 | 1, (ident - 64) % 256, (ident - 64) // 256])

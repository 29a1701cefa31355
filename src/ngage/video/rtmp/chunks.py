"""Messages from a chunk stream (RTMP 1.0, 5.3) and back; 5.4 is obeyed here, no more.

A message comes in chunks, those of other messages in between. Each chunk has a basic header
(format, chunk stream id), a message header that leaves out what is as before, and at most a chunk
size of payload. What has come of unfinished messages is bounded, whatever their headers promise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from ngage.errors import ProtocolError

CHUNK_BYTES_DEFAULT = 128
CHUNK_STREAMS_MAX = 64
# A key frame of 4K at 100 Mbit/s has about 2 MB.
MESSAGE_BYTES_MAX = 8 << 20
UNFINISHED_BYTES_MAX = 16 << 20

_EXTENDED = 0xFFFFFF
_U32 = 0xFFFFFFFF
_HEADER_BYTES = (11, 7, 3, 0)


class Type(IntEnum):
    """Message types (5.4, 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACKNOWLEDGEMENT_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    SHARED_OBJECT_AMF3 = 16
    COMMAND_AMF3 = 17
    DATA_AMF0 = 18
    SHARED_OBJECT_AMF0 = 19
    COMMAND_AMF0 = 20
    AGGREGATE = 22


class Message(NamedTuple):
    """timestamp in milliseconds modulo 2**32; stream is the message stream id."""

    type: int
    stream: int
    timestamp: int
    body: bytes


@dataclass(slots=True)
class _ChunkStream:
    """The last header, and what has come of its message."""

    timestamp: int = 0
    delta: int = 0
    length: int = 0
    type: int = 0
    stream: int = 0
    extended: bool = False
    open: bool = False
    body: bytearray = field(default_factory=bytearray)


class ChunkReader:
    """Bytes in, cut anywhere, messages out. `message_bytes_max` may be changed at any time."""

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self.message_bytes_max = message_bytes_max
        self.received_bytes = 0
        self._chunk_bytes = CHUNK_BYTES_DEFAULT
        self._streams: dict[int, _ChunkStream] = {}
        self._unfinished_bytes = 0
        # A header that is cut, or: the stream whose chunk is being read and how much it lacks.
        self._header = b""
        self._current: _ChunkStream | None = None
        self._missing_bytes = 0

    def receive(self, data: bytes) -> Iterator[Message]:
        """Must be iterated to its end. Raises ProtocolError, after which nothing more is read."""
        self.received_bytes += len(data)
        data = self._header + data
        self._header = b""
        at = 0
        while True:
            if self._current is None:
                end = self._begin_chunk(data, at)
                if end is None:
                    self._header = data[at:]
                    return
                at = end
            at = self._read_payload(data, at)
            if self._missing_bytes:
                return
            message = self._end_chunk()
            if message is not None:
                yield from self._obey(message)

    def _begin_chunk(self, data: bytes, at: int) -> int | None:
        """Where the payload begins; None, and nothing has changed, where the header is cut."""
        basic = _basic_header(data, at)
        if basic is None:
            return None
        chunk_format, stream_id, at = basic
        stream = self._streams.get(stream_id) or _ChunkStream()
        end = at + _HEADER_BYTES[chunk_format]
        extended = stream.extended
        if chunk_format < 3:
            extended = data[at : at + 3] == b"\xff\xff\xff"
        if len(data) < end + 4 * extended:
            return None
        self._check_format(chunk_format, stream_id, stream)
        time = int.from_bytes(data[end : end + 4] if extended else data[at : at + 3], "big")
        if chunk_format < 3:
            _read_header(stream, chunk_format, data[at:end], time)
            stream.extended = extended
        if not stream.open:
            self._begin_message(stream, chunk_format)
            self._streams[stream_id] = stream
        self._current = stream
        self._missing_bytes = min(self._chunk_bytes, stream.length - len(stream.body))
        return end + 4 * extended

    def _check_format(self, chunk_format: int, stream_id: int, stream: _ChunkStream) -> None:
        if stream.open:
            if chunk_format != 3:
                raise ProtocolError("a chunk begins a message before the last one has ended")
        elif stream_id not in self._streams:
            # librtmp pings with format 1 on a stream that it has not used before.
            if chunk_format > 1:
                raise ProtocolError("a chunk stream begins with a header that refers back")
            if len(self._streams) >= CHUNK_STREAMS_MAX:
                raise ProtocolError(f"a connection has {CHUNK_STREAMS_MAX} chunk streams at most")

    def _begin_message(self, stream: _ChunkStream, chunk_format: int) -> None:
        """After format 0, one of format 3 has the same step again, from 0 (5.3.1.2.4)."""
        if chunk_format > 0:
            stream.timestamp = (stream.timestamp + stream.delta) & _U32
        if stream.length > self.message_bytes_max:
            raise ProtocolError(
                f"a message of {stream.length} bytes, {self.message_bytes_max} is the most"
            )
        stream.open = True

    def _read_payload(self, data: bytes, at: int) -> int:
        assert self._current is not None
        piece = data[at : at + self._missing_bytes]
        self._current.body += piece
        self._missing_bytes -= len(piece)
        self._unfinished_bytes += len(piece)
        if self._unfinished_bytes > UNFINISHED_BYTES_MAX:
            raise ProtocolError(f"over {UNFINISHED_BYTES_MAX} bytes of unfinished messages")
        return at + len(piece)

    def _end_chunk(self) -> Message | None:
        stream, self._current = self._current, None
        assert stream is not None
        if len(stream.body) < stream.length:
            return None
        message = Message(stream.type, stream.stream, stream.timestamp, bytes(stream.body))
        self._close(stream)
        return message

    def _close(self, stream: _ChunkStream) -> None:
        self._unfinished_bytes -= len(stream.body)
        stream.body = bytearray()
        stream.open = False

    def _obey(self, message: Message) -> Iterator[Message]:
        """Set Chunk Size and Abort (5.4.1, 5.4.2) are for this layer; the rest goes up."""
        if message.type == Type.SET_CHUNK_SIZE:
            # The first bit is 0; no message is longer than 0xFFFFFF, nor then a chunk.
            self._chunk_bytes = _u32(message)
            if not 0 < self._chunk_bytes < 1 << 31:
                raise ProtocolError(f"a chunk size of {self._chunk_bytes} bytes")
        elif message.type == Type.ABORT:
            stream = self._streams.get(_u32(message))
            if stream is not None:
                self._close(stream)
        else:
            yield message


class ChunkWriter:
    """Messages to bytes, each with a full header, so that nothing has to be remembered."""

    def __init__(self) -> None:
        self.chunk_bytes = CHUNK_BYTES_DEFAULT

    def write(self, chunk_stream: int, message: Message) -> bytes:
        """`chunk_stream` is between 2 and 63, 2 for protocol control."""
        extended = b""
        if message.timestamp >= _EXTENDED:
            extended = message.timestamp.to_bytes(4, "big")
        time = min(message.timestamp, _EXTENDED).to_bytes(3, "big")
        length = len(message.body).to_bytes(3, "big")
        stream = message.stream.to_bytes(4, "little")
        out = bytearray((chunk_stream,)) + time + length + bytes((message.type,)) + stream
        out += extended + message.body[: self.chunk_bytes]
        for at in range(self.chunk_bytes, len(message.body), self.chunk_bytes):
            out += bytes((0xC0 | chunk_stream,)) + extended
            out += message.body[at : at + self.chunk_bytes]
        return bytes(out)


def _basic_header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Format, chunk stream id, end (5.3.1.1): ids from 64 on take one or two bytes more."""
    if at >= len(data):
        return None
    first = data[at]
    more = {0: 1, 1: 2}.get(first & 0x3F, 0)
    end = at + 1 + more
    if end > len(data):
        return None
    stream_id = 64 + int.from_bytes(data[at + 1 : end], "little") if more else first & 0x3F
    return first >> 6, stream_id, end


def _read_header(stream: _ChunkStream, chunk_format: int, header: bytes, time: int) -> None:
    """Formats 0 to 2 (5.3.1.2): what is absent stays."""
    stream.delta = time
    if chunk_format == 0:
        stream.timestamp = time
        stream.stream = int.from_bytes(header[7:11], "little")
    if chunk_format <= 1:
        stream.length = int.from_bytes(header[3:6], "big")
        stream.type = header[6]


def _u32(message: Message) -> int:
    if len(message.body) != 4:
        raise ProtocolError(f"a control message of type {message.type} has 4 bytes")
    return int.from_bytes(message.body, "big")

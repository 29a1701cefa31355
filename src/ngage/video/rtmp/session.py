"""What one peer may ask of a server that takes streams and plays none (RTMP 1.0, 7.2).

Bytes in, units and bytes out; no socket, no clock. The course of a publication:

    connect          window, bandwidth, chunk size; _result NetConnection.Connect.Success
    releaseStream, FCPublish, createStream      _result
    publish KEY      Stream Begin; onStatus NetStream.Publish.Start
    onMetaData, video, audio ...
    FCUnpublish, deleteStream or closeStream    onStatus NetStream.Unpublish.Success

and that ends the session. Whatever goes wrong ends it too; a peer that is connected is told why.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ngage.errors import IngestError, MediaError, ProtocolError
from ngage.video import flv
from ngage.video.rtmp import amf0, replies
from ngage.video.rtmp.amf0 import Value
from ngage.video.rtmp.chunks import MESSAGE_BYTES_MAX, ChunkReader, ChunkWriter, Message, Type
from ngage.video.rtmp.handshake import Handshake
from ngage.video.units import Unit

# So much a peer may say before it publishes; encoders need about 1 KB.
STRANGER_BYTES_MAX = 64 << 10
STREAMS_MAX = 8
CHUNK_BYTES = 4096
WINDOW_BYTES = 2_500_000

_LIMIT_DYNAMIC = 2  # Set Peer Bandwidth (5.4.5)
_STREAM_BEGIN, _PING_REQUEST, _PING_RESPONSE = 0, 6, 7  # user control events (7.1.7)
_CONTROL_CHUNKS, _COMMAND_CHUNKS = 2, 3
_ANSWERS = frozenset(("_result", "_error", "onStatus"))
_PREPARATIONS = frozenset(("releaseStream", "FCPublish"))
_PLAYBACK = frozenset(("play", "play2"))


class Refused(IngestError):
    """A publisher is not let in; `code` is one of RTMP's, the message its description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class Door(Protocol):
    """Whom a session asks."""

    def has_app(self, app: str) -> bool:
        """Whether anybody may publish to this application."""

    def publish(self, app: str, key: str) -> None:
        """The publication begins with the return. Raises Refused."""


class End(NamedTuple):
    """Why a session is over; `orderly` where the peer said that it has finished."""

    reason: str
    orderly: bool


class Session:
    """One peer's. `ended` is set once it is over; what is received then is dropped."""

    def __init__(self, door: Door) -> None:
        self.ended: End | None = None
        self.publishing = False
        self._door = door
        self._handshake = Handshake()
        self._reader = ChunkReader(STRANGER_BYTES_MAX)
        self._writer = ChunkWriter()
        self._out = bytearray()
        self._app: str | None = None
        self._stream_count = 0
        self._stream = 0
        self._window_bytes, self._acknowledged_bytes = WINDOW_BYTES, 0
        self._demuxer = flv.Demuxer()

    def receive(self, data: bytes) -> list[Unit]:
        """The units that `data` completes, also those before something that ends the session."""
        units: list[Unit] = []
        try:
            if self.ended is None:
                self._receive(data, units)
        except Refused as refusal:
            self._end(str(refusal), refusal.code)
        except MediaError as error:
            self._end(str(error), "NetStream.Publish.Rejected")
        except ProtocolError as error:
            self._end(str(error), "NetStream.Failed")
        return units

    def take_output(self) -> bytes:
        """What there is to send."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def fail(self, reason: str) -> None:
        """End it from this side."""
        if self.ended is None:
            self._end(reason, "NetStream.Failed")

    # Bytes and messages in

    def _receive(self, data: bytes, units: list[Unit]) -> None:
        if not self._handshake.done:
            self._out += self._handshake.receive(data)
            if not self._handshake.done:
                return
            data = self._handshake.rest
        for message in self._reader.receive(data):
            units += self._obey(message)
            if self.ended is not None:
                return
        received_bytes = self._reader.received_bytes
        if not self.publishing and received_bytes > STRANGER_BYTES_MAX:
            raise ProtocolError(f"nothing is published after {STRANGER_BYTES_MAX} bytes")
        if received_bytes - self._acknowledged_bytes >= self._window_bytes:
            self._acknowledged_bytes = received_bytes
            self._control(Type.ACKNOWLEDGEMENT, _u32(received_bytes & 0xFFFFFFFF))

    def _obey(self, message: Message) -> Sequence[Unit]:
        match message.type:
            case Type.VIDEO if self.publishing:
                return self._demuxer.video(message.timestamp, message.body)
            case Type.AUDIO if self.publishing:
                return self._demuxer.audio(message.timestamp, message.body)
            case Type.DATA_AMF0 | Type.DATA_AMF3:
                return _metadata(message) if self.publishing else ()
            case Type.COMMAND_AMF0 | Type.COMMAND_AMF3:
                self._command(message)
            case Type.USER_CONTROL:
                self._user_control(message.body)
            case Type.WINDOW_ACKNOWLEDGEMENT_SIZE:
                self._window_bytes = max(1, int.from_bytes(message.body[:4], "big"))
            case Type.ACKNOWLEDGEMENT | Type.SET_PEER_BANDWIDTH:
                pass
            case _:
                raise ProtocolError(f"a message of type {message.type} at this point")
        return ()

    def _user_control(self, body: bytes) -> None:
        event, data = int.from_bytes(body[:2], "big"), body[2:6]
        if event == _PING_REQUEST:
            self._control(Type.USER_CONTROL, _u16(_PING_RESPONSE) + data)

    # Commands

    def _command(self, message: Message) -> None:
        match amf0.decode(_amf0_body(message)):
            case [str(name), float(transaction), *arguments]:
                pass
            case _:
                raise ProtocolError("a command has a name and a transaction")
        if name == "connect":
            self._connect(transaction, arguments)
        elif self._app is None:
            raise ProtocolError("a command before connect")
        elif name == "createStream":
            self._create_stream(transaction)
        elif name == "publish":
            self._publish(message.stream, arguments)
        elif self._stops(name, message.stream, arguments):
            self._stop()
        elif name in _PLAYBACK:
            self._stream = message.stream
            raise Refused("NetStream.Play.Failed", "this server takes streams, it plays none")
        elif name in _PREPARATIONS:
            self._reply(replies.result(transaction))
        elif transaction and name not in _ANSWERS:
            self._reply(replies.failed(transaction, "this server does not know the command"))

    def _connect(self, transaction: float, arguments: list[Value]) -> None:
        match arguments:
            case [{"app": str(app)}, *_] if self._app is None:
                app = app.partition("?")[0].strip("/")
            case _:
                raise ProtocolError("connect twice, or without an application")
        if not self._door.has_app(app):
            reason = "the application is not known here: see the path of the URL"
            self._reply(replies.rejected(transaction, reason))
            self.ended = End(reason, orderly=False)
            return
        self._app = app
        self._control(Type.WINDOW_ACKNOWLEDGEMENT_SIZE, _u32(WINDOW_BYTES))
        self._control(Type.SET_PEER_BANDWIDTH, _u32(WINDOW_BYTES) + bytes((_LIMIT_DYNAMIC,)))
        self._control(Type.SET_CHUNK_SIZE, _u32(CHUNK_BYTES))
        self._writer.chunk_bytes = CHUNK_BYTES
        self._reply(replies.connected(transaction))

    def _create_stream(self, transaction: float) -> None:
        if self._stream_count == STREAMS_MAX:
            raise ProtocolError(f"a connection has {STREAMS_MAX} streams at most")
        self._stream_count += 1
        self._reply(replies.result(transaction, self._stream_count))

    def _publish(self, stream: int, arguments: list[Value]) -> None:
        match arguments:
            case [None, str(key), *_] if not self.publishing and 0 < stream <= self._stream_count:
                pass
            case _:
                raise ProtocolError("publish twice, without a stream, or without a key")
        assert self._app is not None
        self._stream = stream
        self._door.publish(self._app, key)
        self.publishing = True
        self._reader.message_bytes_max = MESSAGE_BYTES_MAX
        self._control(Type.USER_CONTROL, _u16(_STREAM_BEGIN) + _u32(stream))
        self._status("status", "NetStream.Publish.Start", "publishing")

    def _stops(self, name: str, stream: int, arguments: list[Value]) -> bool:
        if not self.publishing:
            return False
        deleted = arguments[1] if len(arguments) > 1 else None
        return (
            name == "FCUnpublish"
            or (name == "deleteStream" and deleted == self._stream)
            or (name == "closeStream" and stream == self._stream)
        )

    def _stop(self) -> None:
        self._status("status", "NetStream.Unpublish.Success", "the publication has ended")
        self.ended = End("the publisher has finished", orderly=True)

    # Messages out

    def _end(self, reason: str, code: str) -> None:
        if self._app is not None:
            self._status("error", code, reason)
        self.ended = End(reason, orderly=False)

    def _status(self, level: str, code: str, description: str) -> None:
        self._reply(replies.status(level, code, description), self._stream)

    def _reply(self, body: bytes, stream: int = 0) -> None:
        message = Message(Type.COMMAND_AMF0, stream, 0, body)
        self._out += self._writer.write(_COMMAND_CHUNKS, message)

    def _control(self, kind: Type, body: bytes) -> None:
        self._out += self._writer.write(_CONTROL_CHUNKS, Message(kind, 0, 0, body))


def _metadata(message: Message) -> Sequence[Unit]:
    """Of @setDataFrame("onMetaData", {...}), or of onMetaData alone. It only informs: no error."""
    try:
        values = amf0.decode(_amf0_body(message))
    except ProtocolError:
        return ()
    match values:
        case ["@setDataFrame", "onMetaData", dict(properties), *_]:
            return (flv.metadata(properties),)
        case ["onMetaData", dict(properties), *_]:
            return (flv.metadata(properties),)
    return ()


def _amf0_body(message: Message) -> bytes:
    """Types 15 and 17 say in a first byte, 0, that AMF0 follows (Enhanced RTMP v2, AMF3)."""
    if message.type in (Type.DATA_AMF3, Type.COMMAND_AMF3):
        if message.body[:1] != b"\x00":
            raise ProtocolError("AMF3 is not spoken here")
        return message.body[1:]
    return message.body


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")

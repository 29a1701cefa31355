"""The frame layer once more, slow and obvious, written from RFC 6455 section 5 and RFC 7692.

`Parser` reads what a client sends, byte by byte, and says what a server must make of it. It shares
nothing with the core: the tests feed both and compare.
"""

import codecs
import struct
import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
DEFLATE_TAIL = b"\x00\x00\xff\xff"
LAST_BLOCK = b"\x03\x00"

PROTOCOL_ERROR, BAD_PAYLOAD, TOO_BIG = 1002, 1007, 1009

Event = tuple[str | int | bytes | None, ...]


class Violation(Exception):
    """The peer broke a rule; the connection ends with this close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def require(condition: bool, code: int = PROTOCOL_ERROR) -> None:
    if not condition:
        raise Violation(code)


def is_close_code(code: int) -> bool:
    """What may stand in a close frame: RFC 6455 7.4.1, the IANA registry, and 7.4.2."""
    return code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 3000 <= code <= 4999


def mask(data: bytes, key: bytes, phase: int = 0) -> bytes:
    return bytes(byte ^ key[(phase + i) % 4] for i, byte in enumerate(data))


class Utf8:
    """Python's incremental decoder, a little stricter: it gives a surrogate (ED A0 to ED BF) its
    third byte before it complains, for the sake of surrogatepass."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def valid(self, data: bytes, final: bool = False) -> bool:
        """Whether all bytes so far are a beginning of UTF-8, or all of it."""
        try:
            self.decoder.decode(data, final)
        except UnicodeDecodeError:
            return False
        pending = self.pending()
        return not (pending[:1] == b"\xed" and pending[1:] >= b"\xa0")

    def pending(self) -> bytes:
        return self.decoder.getstate()[0]


def utf8_check(data: bytes) -> int:
    """-1: no continuation can make it valid; 0: valid; 1: cut inside a character."""
    text = Utf8()
    if not text.valid(data):
        return -1
    return int(text.pending() != b"")


def length_field(length: int) -> tuple[int, bytes]:
    """The 7-bit field and what extends it, in the fewest bytes (5.2)."""
    if length < 126:
        return length, b""
    if length < 1 << 16:
        return 126, struct.pack(">H", length)
    return 127, struct.pack(">Q", length)


def server_frame(data: bytes, opcode: int, *, rsv1: bool = False) -> bytes:
    field, extended = length_field(len(data))
    return bytes([FIN | (RSV1 if rsv1 else 0) | opcode, field]) + extended + data


def client_frame(
    data: bytes,
    opcode: int,
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = b"\x37\xfa\x21\x3d",
    length: tuple[int, bytes] | None = None,
) -> bytes:
    """A frame as a client sends it; key=None leaves it unmasked, length overrides the field."""
    field, extended = length or length_field(len(data))
    head = bytes([(FIN if fin else 0) | rsv | opcode, field | (0x80 if key else 0)])
    if key is None:
        return head + extended + data
    return head + extended + key + mask(data, key)


def close_payload(code: int, reason: str = "") -> bytes:
    return struct.pack(">H", code) + reason.encode()


def deflate(data: bytes, window_bits: int = 15) -> bytes:
    """A message as RFC 7692 7.2.1 compresses it, without context takeover."""
    squeezer = zlib.compressobj(wbits=-window_bits)
    return (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(DEFLATE_TAIL)


def inflate(data: bytes, limit: int) -> bytes:
    """7.2.2. A message must end where a block does: then an empty last block may follow."""
    out, rest = b"", data + DEFLATE_TAIL + LAST_BLOCK
    while rest:
        stream = zlib.decompressobj(wbits=-15)
        try:
            out += stream.decompress(rest, limit + 1 - len(out))
        except zlib.error:
            raise Violation(BAD_PAYLOAD) from None
        require(len(out) <= limit, TOO_BIG)
        require(stream.eof, BAD_PAYLOAD)
        rest = stream.unused_data  # a sender may set BFINAL; another stream follows (7.2.3.5)
    return out


class Parser:
    """Client bytes in, events out: message, ping, pong, close, and at most one error, the last."""

    def __init__(
        self, *, message_bytes_max: int = 65536, fragments_max: int = 4096, deflate: bool = False
    ) -> None:
        self.message_bytes_max = message_bytes_max
        self.fragments_max = fragments_max
        self.deflate = deflate
        self.events: list[Event] = []
        self.over = False
        # The frame being read: header bytes until there are enough, then the payload.
        self.header = b""
        self.opcode = 0
        self.fin = False
        self.key = b""
        self.length = 0
        self.payload = bytearray()
        # The message being put together: 0 is none.
        self.message_opcode = 0
        self.compressed = False
        self.fragments = 0
        self.message = bytearray()
        self.text = Utf8()

    def feed(self, data: bytes) -> list[Event]:
        """The events of these bytes."""
        self.events = []
        for i in range(len(data)):
            if self.over:
                break
            try:
                self.take(data[i : i + 1])
            except Violation as violation:
                self.over = True
                self.events.append(("error", violation.code))
        return self.events

    @property
    def cut_in_header(self) -> bool:
        """The input ended inside a frame header: a fault in it may be told now or at its end."""
        return 0 < len(self.header) < self.header_length()

    def take(self, byte: bytes) -> None:
        if len(self.header) < self.header_length():
            self.header += byte
            if self.cut_in_header:
                return
            self.begin_frame()
        else:
            self.payload += mask(byte, self.key, len(self.payload))
            self.check_text(bytes(self.payload[-1:]))
        if len(self.payload) == self.length:
            self.end_frame()

    def header_length(self) -> int:
        if len(self.header) < 2:
            return 2
        extended = {126: 2, 127: 8}.get(self.header[1] & 0x7F, 0)
        return 2 + extended + (4 if self.header[1] & 0x80 else 0)

    def begin_frame(self) -> None:
        first, second = self.header[0], self.header[1]
        self.opcode, self.fin, self.payload = first & 0x0F, bool(first & FIN), bytearray()
        field, rest = second & 0x7F, self.header[2:]
        require(bool(second & 0x80))  # 5.1: a client masks
        self.key = rest[-4:]
        self.length = int.from_bytes(rest[:-4], "big") if field >= 126 else field
        require(field < 126 or self.length >= {126: 126, 127: 1 << 16}[field])  # 5.2: minimal
        require(self.length < 1 << 63)
        require(not first & (RSV2 | RSV3))
        require(self.opcode in {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
        if self.opcode >= CLOSE:
            require(self.fin and self.length <= 125 and not first & RSV1)  # 5.5
        else:
            self.begin_data(bool(first & RSV1))

    def begin_data(self, rsv1: bool) -> None:
        if self.opcode == CONTINUATION:
            require(bool(self.message_opcode) and not rsv1)
        else:
            require(not self.message_opcode)
            require(self.deflate or not rsv1)
            self.message_opcode, self.compressed = self.opcode, rsv1
            self.fragments, self.message = 0, bytearray()
            self.text = Utf8()
        self.fragments += 1
        require(self.fragments <= self.fragments_max, TOO_BIG)
        require(len(self.message) + self.length <= self.message_bytes_max, TOO_BIG)

    def check_text(self, data: bytes, final: bool = False) -> None:
        if self.opcode < CLOSE and self.message_opcode == TEXT and not self.compressed:
            require(self.text.valid(data, final), BAD_PAYLOAD)

    def end_frame(self) -> None:
        self.header = b""
        if self.opcode < CLOSE:
            self.end_data()
        elif self.opcode == CLOSE:
            self.end_close()
        else:
            self.events.append(("ping" if self.opcode == PING else "pong", bytes(self.payload)))

    def end_data(self) -> None:
        self.message += self.payload
        if not self.fin:
            return
        self.check_text(b"", final=True)
        message = bytes(self.message)
        if self.compressed:
            message = inflate(message, self.message_bytes_max)
            if self.message_opcode == TEXT:
                require(self.text.valid(message, final=True), BAD_PAYLOAD)
        self.events.append(("message", self.message_opcode, message))
        self.message_opcode = 0

    def end_close(self) -> None:
        self.over = True
        if not self.payload:
            self.events.append(("close", None, b""))
            return
        require(len(self.payload) >= 2)  # 5.5.1
        code, reason = int.from_bytes(self.payload[:2], "big"), bytes(self.payload[2:])
        require(is_close_code(code))
        require(utf8_check(reason) == 0, BAD_PAYLOAD)
        self.events.append(("close", code, reason))

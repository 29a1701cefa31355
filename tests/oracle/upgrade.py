"""The opening handshake once more, slow and obvious: RFC 9112, RFC 6455 4.2, RFC 7692 7.1.

Strict where proxies and servers have disagreed and been smuggled past: one CRLF ends a line,
nothing folds, no body comes with a GET.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

HEAD_BYTES_MAX = 16384
REQUEST_LINE_BYTES_MAX = 8192
HEADERS_MAX = 64

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/(\d)\.(\d)" % TOKEN)
HEADER_LINE = re.compile(rb"(%s):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*" % TOKEN)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ONCE = ("origin", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version")
BOOLEAN_PARAMETERS = {"server_no_context_takeover", "client_no_context_takeover"}


@dataclass
class Request:
    """A request head that may be served; `upgrade` says whether it asks for a WebSocket."""

    method: str
    target: str
    headers: dict[str, list[str]] = field(default_factory=dict)
    upgrade: bool = False

    def value(self, name: str) -> str:
        return ", ".join(self.headers.get(name, []))


class Refused(Exception):
    """Answered with this status, then closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def require(condition: object, status: int = 400) -> None:
    if not condition:
        raise Refused(status)


def accept_key(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def is_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16 and len(value) == 24
    except (binascii.Error, ValueError):
        return False


def tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",") if token.strip()]


def parse(head: bytes) -> Request:
    """The request of a complete head, CRLF CRLF included; Refused tells the status otherwise."""
    line, _, rest = head.partition(b"\r\n")
    require(len(line) + 2 <= REQUEST_LINE_BYTES_MAX, 414)
    require(len(head) <= HEAD_BYTES_MAX, 431)
    match = REQUEST_LINE.fullmatch(line)
    require(match)
    assert match
    require((match[3], match[4]) == (b"1", b"1"), 505)
    request = Request(match[1].decode(), match[2].decode())
    require(request.method in {"GET", "HEAD"}, 405)
    require(request.target.startswith("/"))
    lines = rest.removesuffix(b"\r\n\r\n").split(b"\r\n") if rest != b"\r\n" else []
    require(len(lines) <= HEADERS_MAX, 431)
    for raw in lines:
        header = HEADER_LINE.fullmatch(raw)
        require(header)
        assert header
        name, value = header[1].decode().lower(), header[2].decode("latin-1")
        request.headers.setdefault(name, []).append(value)
    check(request)
    return request


def check(request: Request) -> None:
    headers = request.headers
    require(len(headers.get("host", [])) == 1)
    require(not {"content-length", "transfer-encoding"} & headers.keys())
    wanted = {"upgrade", "sec-websocket-key"} & headers.keys()
    if not wanted:
        return
    require(all(len(headers.get(name, [])) <= 1 for name in ONCE))
    require(request.method == "GET", 405)
    require("websocket" in tokens(request.value("upgrade")))
    require("upgrade" in tokens(request.value("connection")))
    require("sec-websocket-version" in headers)
    require(request.value("sec-websocket-version") == "13", 426)
    require(is_key(request.value("sec-websocket-key")))
    request.upgrade = True


def window_bits(value: str) -> int | None:
    """What a permessage-deflate offer lets the server use; None declines them all."""
    for offer in value.split(","):
        name, *parameters = [part.strip() for part in offer.split(";")]
        if name.lower() != "permessage-deflate":
            continue
        bits = offered_bits(parameters)
        if bits is not None:
            return bits
    return None


def offered_bits(parameters: list[str]) -> int | None:
    bits, seen = 15, set()
    for parameter in parameters:
        name, equals, raw = parameter.partition("=")
        value = raw.strip('"')
        if name in seen:
            return None
        seen.add(name)
        if name in BOOLEAN_PARAMETERS and not equals:
            continue
        if name == "client_max_window_bits" and not equals:
            continue
        if name not in {"client_max_window_bits", "server_max_window_bits"}:
            return None
        if value not in {str(n) for n in range(8, 16)}:
            return None
        if name == "server_max_window_bits":
            bits = int(value)
    return bits

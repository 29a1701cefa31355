"""What does the opening handshake cost in user mode? Parsing a browser's head, and the accept key.

Peers: httptools' C parser with callbacks for every header, websockets' parser, hashlib.
"""

import base64
import hashlib
from functools import partial

import httptools
from websockets.http11 import Request
from websockets.streams import StreamReader

from bench.turns import Versus
from ngage_core.protocol import accept_key, parse_request

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD = (
    b"GET /ws/stage HTTP/1.1\r\nHost: event.example\r\nConnection: Upgrade\r\n"
    b"Pragma: no-cache\r\nCache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/130.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\n"
    b"Origin: https://event.example\r\nSec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


class Headers:
    """What a handshake needs: the headers, by name."""

    def __init__(self) -> None:
        self.found: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found[name.lower()] = value


def httptools_parse() -> dict[bytes, bytes]:
    headers = Headers()
    parser = httptools.HttpRequestParser(headers)
    try:
        parser.feed_data(HEAD)
    except httptools.HttpParserUpgrade:
        return headers.found
    raise AssertionError("it is an upgrade")


def websockets_parse() -> Request:
    stream = StreamReader()
    stream.feed_data(HEAD)
    parser = Request.parse(stream.read_line)
    try:
        next(parser)
    except StopIteration as parsed:
        request: Request = parsed.value
        return request
    raise AssertionError("the head is whole")


def test_parse(versus: Versus) -> None:
    assert parse_request(HEAD)["status"] == 0
    assert httptools_parse()[b"sec-websocket-key"] == KEY
    assert websockets_parse().headers["Sec-WebSocket-Key"] == KEY.decode()
    versus(
        "parse a browser's upgrade",
        partial(parse_request, HEAD),
        {"httptools": httptools_parse, "websockets": websockets_parse},
    )


def test_accept_key(versus: Versus) -> None:
    def of_hashlib() -> bytes:
        return base64.b64encode(hashlib.sha1(KEY + GUID).digest())

    assert accept_key(KEY) == of_hashlib() == ACCEPT
    versus("accept key", partial(accept_key, KEY), {"hashlib and base64": of_hashlib})

"""ngage_core.protocol by tables: each rule of RFC 6455 and RFC 7692 once, with its close code."""

import struct

import pytest

from ngage_core.protocol import (
    FrameParser,
    accept_key,
    deflate,
    encode_frame,
    inflate,
    mask,
    parse_request,
    utf8_check,
)
from tests.oracle import frames
from tests.oracle.frames import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, RSV2, RSV3, TEXT
from tests.oracle.frames import client_frame as frame


def events(*data: bytes, **options: int) -> list[tuple[object, ...]]:
    parser = FrameParser(**options)  # type: ignore[arg-type]
    return [event for piece in data for event in parser.feed(piece)]


# RFC 6455 section 5.7 prints these.
EXAMPLES = [
    ("81 85 37 fa 21 3d 7f 9f 4d 51 58", [("message", TEXT, b"Hello")]),
    ("89 85 37 fa 21 3d 7f 9f 4d 51 58", [("ping", b"Hello")]),
    ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", [("pong", b"Hello")]),
]


@pytest.mark.parametrize(("wire", "expected"), EXAMPLES)
def test_examples_of_the_rfc(wire: str, expected: list[tuple[object, ...]]) -> None:
    assert events(bytes.fromhex(wire)) == expected


def test_message_in_fragments_with_a_ping_between() -> None:
    stream = frame(b"Hel", TEXT, fin=False) + frame(b"?", PING) + frame(b"lo", CONTINUATION)
    assert events(stream) == [("ping", b"?"), ("message", TEXT, b"Hello")]


VIOLATIONS = {
    "unmasked": frame(b"a", TEXT, key=None),
    "RSV1 without deflate": frame(b"a", TEXT, rsv=RSV1),
    "RSV2": frame(b"a", TEXT, rsv=RSV2),
    "RSV3": frame(b"a", TEXT, rsv=RSV3),
    **{f"opcode {opcode}": frame(b"", opcode) for opcode in (*range(3, 8), *range(11, 16))},
    "ping in fragments": frame(b"a", PING, fin=False),
    "close in fragments": frame(b"", CLOSE, fin=False),
    "ping of 126 bytes": frame(bytes(126), PING),
    "pong of 126 bytes": frame(bytes(126), PONG),
    "continuation of nothing": frame(b"a", CONTINUATION),
    "message in a message": frame(b"a", TEXT, fin=False) + frame(b"b", TEXT),
    "16-bit length of 125": frame(bytes(125), BINARY, length=(126, struct.pack(">H", 125))),
    "64-bit length of 65535": frame(b"", BINARY, length=(127, struct.pack(">Q", 65535))),
    "length 2**63": frame(b"", BINARY, length=(127, struct.pack(">Q", 1 << 63))),
    "length 2**64-1": frame(b"", BINARY, length=(127, b"\xff" * 8)),
    "close of one byte": frame(b"\x03", CLOSE),
    **{
        f"close code {code}": frame(frames.close_payload(code), CLOSE)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("stream", VIOLATIONS.values(), ids=VIOLATIONS)
def test_protocol_error(stream: bytes) -> None:
    assert events(stream + frame(b"after", TEXT)) == [("error", 1002)]


DEFLATE_VIOLATIONS = {
    "RSV1 on a ping": frame(b"a", PING, rsv=RSV1),
    "RSV1 on a continuation": frame(b"", TEXT, fin=False) + frame(b"", CONTINUATION, rsv=RSV1),
    "RSV2": frame(b"a", TEXT, rsv=RSV1 | RSV2),
}


@pytest.mark.parametrize("stream", DEFLATE_VIOLATIONS.values(), ids=DEFLATE_VIOLATIONS)
def test_protocol_error_with_deflate(stream: bytes) -> None:
    assert events(stream, deflate=True) == [("error", 1002)]


@pytest.mark.parametrize("size", [1 << 20, 1 << 40, (1 << 63) - 1])
def test_too_big_is_told_by_the_header_alone(size: int) -> None:
    """Also as the continuation of a message: what is held and what is announced may not wrap."""
    header = frame(b"", BINARY, length=(127, struct.pack(">Q", size)))
    assert events(header) == [("error", 1009)]
    continued = frame(b"ab", BINARY, fin=False) + bytes([FIN | CONTINUATION]) + header[1:]
    assert events(continued) == [("error", 1009)]


def test_message_limit_counts_all_fragments() -> None:
    half = frame(bytes(50), BINARY, fin=False)
    assert events(half, frame(bytes(50), CONTINUATION), message_bytes_max=100) == [
        ("message", BINARY, bytes(100))
    ]
    assert events(half, frame(bytes(51), CONTINUATION), message_bytes_max=100) == [("error", 1009)]


def test_fragment_limit_counts_empty_ones() -> None:
    first, more = frame(b"", BINARY, fin=False), frame(b"", CONTINUATION, fin=False)
    assert events(first, more, more, frame(b"", CONTINUATION), fragments_max=4) == [
        ("message", BINARY, b"")
    ]
    assert events(first, more, more, more, frame(b"", CONTINUATION), fragments_max=4) == [
        ("error", 1009)
    ]


BAD_TEXT = {
    "lone continuation": b"\x80",
    "overlong form": b"\xc0",
    "surrogate": b"\xed\xa0",
    "past U+10FFFF": b"\xf4\x90",
    "0xFF": b"\xff",
}


@pytest.mark.parametrize("bad", BAD_TEXT.values(), ids=BAD_TEXT)
@pytest.mark.parametrize("prefix", [b"", b"x" * 63, "\N{MICROPHONE}".encode()])
def test_bad_text_is_told_at_the_bad_byte(prefix: bytes, bad: bytes) -> None:
    """The frame announces 20 bytes more than it sends: the verdict does not wait for them."""
    data = prefix + bad
    wire = frame(data + bytes(20), TEXT)[:-20]
    parser = FrameParser()
    assert parser.feed(wire[:-1]) == []
    assert parser.feed(wire[-1:]) == [("error", 1007)]


def test_character_cut_between_fragments() -> None:
    euro = b"\xe2\x82\xac"
    stream = frame(euro[:1], TEXT, fin=False) + frame(euro[1:], CONTINUATION)
    assert events(stream) == [("message", TEXT, euro)]


def test_text_may_not_end_inside_a_character() -> None:
    assert events(frame(b"\xe2\x82", TEXT)) == [("error", 1007)]
    assert events(frame(b"\xe2\x82", BINARY)) == [("message", BINARY, b"\xe2\x82")]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", ("close", None, b"")),
        *(
            (frames.close_payload(code, "bye"), ("close", code, b"bye"))
            for code in (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999)
        ),
        (frames.close_payload(1000) + b"\xff", ("error", 1007)),
        (frames.close_payload(1000) + b"\xe2\x82", ("error", 1007)),
    ],
)
def test_close(payload: bytes, expected: tuple[object, ...]) -> None:
    assert events(frame(payload, CLOSE) + frame(b"after", TEXT)) == [expected]


# RFC 7692 section 7.2.3: one block, two fragments, no compression, BFINAL set, two blocks.
DEFLATE_EXAMPLES = [
    "f2 48 cd c9 c9 07 00",
    "00 05 00 fa ff 48 65 6c 6c 6f 00",
    "f3 48 cd c9 c9 07 00 00",
    "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
]


@pytest.mark.parametrize("wire", DEFLATE_EXAMPLES)
def test_deflate_examples_of_the_rfc(wire: str) -> None:
    data = bytes.fromhex(wire)
    assert inflate(data, 5) == b"Hello"
    assert events(frame(data, TEXT, rsv=RSV1), deflate=True) == [("message", TEXT, b"Hello")]
    first, rest = frame(data[:3], TEXT, rsv=RSV1, fin=False), frame(data[3:], CONTINUATION)
    assert events(first, rest, deflate=True) == [("message", TEXT, b"Hello")]


def test_deflate_matches_the_rfc() -> None:
    assert deflate(b"Hello") == bytes.fromhex("f2 48 cd c9 c9 07 00")


def test_each_message_is_compressed_by_itself() -> None:
    """No context takeover: the second does not lean on the first."""
    parser = FrameParser(deflate=True)
    wire = frame(frames.deflate(b"hello" * 9), BINARY, rsv=RSV1)
    for _ in range(3):
        assert parser.feed(wire) == [("message", BINARY, b"hello" * 9)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xff\xff", 1007),
        (b"\x00\x64\x00\x9b\xff" + b"hello", 1007),
        (frames.deflate(bytes(65537)), 1009),
        (frames.deflate(bytes(1 << 26)), 1009),
    ],
    ids=["noise", "block cut short", "one byte over", "bomb"],
)
def test_bad_deflate(data: bytes, code: int) -> None:
    assert events(frame(data, BINARY, rsv=RSV1), deflate=True) == [("error", code)]


def test_compressed_text_is_checked() -> None:
    wire = frame(frames.deflate(b"\xff"), TEXT, rsv=RSV1)
    assert events(wire, deflate=True) == [("error", 1007)]


def test_encode_frame() -> None:
    assert encode_frame(b"Hello", TEXT) == bytes.fromhex("81 05 48 65 6c 6c 6f")
    assert encode_frame(b"", BINARY, rsv1=True) == bytes.fromhex("c2 00")


def test_mask_is_its_own_inverse() -> None:
    assert mask(b"Hello", b"\x37\xfa\x21\x3d") == bytes.fromhex("7f 9f 4d 51 58")
    assert mask(mask(b"Hello", b"abcd", 3), b"abcd", 3) == b"Hello"
    with pytest.raises(ValueError, match="4 bytes"):
        mask(b"", b"abc")


def test_utf8_check() -> None:
    assert utf8_check("grüße".encode()) == 0
    assert utf8_check(b"\xff") == -1
    owed = utf8_check(b"\xe2\x82")
    assert owed > 0
    assert utf8_check(b"\xac", owed) == 0


def test_accept_key_of_the_rfc() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    with pytest.raises(ValueError, match="24 bytes"):
        accept_key(b"short")


# The handshake

UPGRADE = {
    "Host": "edge.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def head(*extra: str, line: str = "GET /ws/a?since=e:1 HTTP/1.1", **changed: str | None) -> bytes:
    """An upgrade request; keywords (dashes as underscores) replace a header, None drops it."""
    changes = {name.replace("_", "-"): value for name, value in changed.items()}
    fields = {**UPGRADE, **changes}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([line, *lines, *extra, "", ""]).encode("latin-1")


def test_request_is_read() -> None:
    request = parse_request(
        head(
            "oRiGiN:\t https://a.example \t",
            "Sec-WebSocket-Protocol: ngage.v1, json",
            "X-Forwarded-For: 203.0.113.7",
        )
    )
    assert request == {
        "status": 0,
        "method": "GET",
        "target": "/ws/a?since=e:1",
        "upgrade": True,
        "host": "edge.example",
        "origin": "https://a.example",
        "key": UPGRADE["Sec-WebSocket-Key"],
        "protocols": "ngage.v1, json",
        "extensions": "",
        "deflate": False,
        "window_bits": request["window_bits"],
        "forwarded_for": "203.0.113.7",
    }


REFUSED = {
    "no Host": (head(Host=None), 400),
    "no Upgrade": (head(Upgrade=None), 400),
    "no Connection": (head(Connection=None), 400),
    "no key": (head(Sec_WebSocket_Key=None), 400),
    "no version": (head(Sec_WebSocket_Version=None), 400),
    **{f"two of {name}": (head(f"{name}: {value}"), 400) for name, value in UPGRADE.items()},
    "two origins": (head("Origin: https://a", "Origin: https://b"), 400),
    "Upgrade: h2c": (head(Upgrade="h2c"), 400),
    "Connection: close": (head(Connection="close"), 400),
    "key of 15 bytes": (head(Sec_WebSocket_Key="MTIzNDU2Nzg5MDEyMzQ1"), 400),
    "key of 17 bytes": (head(Sec_WebSocket_Key="MTIzNDU2Nzg5MDEyMzQ1Njc="), 400),
    "key not base64": (head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZ!=="), 400),
    "version 8": (head(Sec_WebSocket_Version="8"), 426),
    "POST": (head(line="POST /ws/a HTTP/1.1"), 405),
    "get in small letters": (head(line="get /ws/a HTTP/1.1"), -1),
    "HTTP/1.0": (head(line="GET /ws/a HTTP/1.0"), 505),
    "HTTP/2.0": (head(line="GET /ws/a HTTP/2.0"), 505),
    "HTTP/0.9": (head(line="GET /ws/a"), 400),
    "absolute-form": (head(line="GET http://a/ws/a HTTP/1.1"), 400),
    "asterisk": (head(line="GET * HTTP/1.1"), 400),
    "two spaces": (head(line="GET  /ws/a HTTP/1.1"), 400),
    "control byte in the target": (head(line="GET /ws/\x01 HTTP/1.1"), 400),
    "space before the colon": (head("X : y"), 400),
    "folded line": (head("X: y\r\n z"), 400),
    "NUL": (head("X: \0"), 400),
    "CR in a value": (head("X: a\rb"), 400),
    "no colon": (head("X"), 400),
    "no name": (head(": y"), 400),
    "Content-Length": (head("Content-Length: 5"), 400),
    "Transfer-Encoding": (head("Transfer-Encoding: chunked"), 400),
    "bare LF": (head().replace(b"\r\n", b"\n", 1), 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -1),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", -1),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes, status: int) -> None:
    assert parse_request(data)["status"] == status


def test_unfinished_head() -> None:
    with pytest.raises(ValueError, match="not complete"):
        parse_request(head()[:-1])


@pytest.mark.parametrize(
    ("offer", "window_bits"),
    [
        ("permessage-deflate", 15),
        ("permessage-deflate; client_max_window_bits", 15),
        ("permessage-deflate; client_max_window_bits=10; client_no_context_takeover", 15),
        ("permessage-deflate; server_max_window_bits=10", 10),
        ('permessage-deflate; server_max_window_bits="10"', 10),
        ("PerMessage-Deflate;server_no_context_takeover", 15),
        ("x-other; a=b, permessage-deflate", 15),
        ("permessage-deflate; mystery, permessage-deflate", 15),
        ("permessage-deflate; server_max_window_bits=16, permessage-deflate", 15),
    ],
)
def test_deflate_is_accepted(offer: str, window_bits: int) -> None:
    request = parse_request(head(f"Sec-WebSocket-Extensions: {offer}"))
    assert (request["status"], request["deflate"], request["window_bits"]) == (0, True, window_bits)


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; mystery",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=11",
    ],
)
def test_deflate_is_declined(offer: str) -> None:
    """A faulty or unknown offer is declined, never half accepted (RFC 7692 section 5.1)."""
    request = parse_request(head(f"Sec-WebSocket-Extensions: {offer}"))
    assert (request["status"], request["deflate"]) == (0, False)

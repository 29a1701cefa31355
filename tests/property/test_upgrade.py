"""The core's handshake parser against the oracle, on good heads and on damaged ones."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ngage_core.protocol import accept_key, parse_request
from tests.oracle import upgrade

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
COMMON = [
    "Host: edge.example:8080",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
]
EXTRA = [
    "Origin: http://edge.example:8080",
    "User-Agent: curl/8.5",
    "Sec-WebSocket-Protocol: ngage.v1, json",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "X-Forwarded-For: 203.0.113.7, 10.0.0.1",
    "Cookie: a=b; c=\x80\xff",
    "X-Empty:",
]


def head(lines: list[str], request_line: str = "GET /ws/stage?since=e:1 HTTP/1.1") -> bytes:
    return "\r\n".join([request_line, *lines, "", ""]).encode("latin-1")


heads = st.builds(
    lambda extra, shuffle: head(shuffle([*COMMON, *extra])),
    st.lists(st.sampled_from(EXTRA), unique=True),
    st.randoms(use_true_random=False).map(
        lambda random: lambda lines: random.sample(lines, len(lines))
    ),
)


def assert_same(data: bytes) -> None:
    got = parse_request(data)
    try:
        expected = upgrade.parse(data)
    except upgrade.Refused:
        assert got["status"] != 0
        return
    assert got["status"] == 0
    seen = {name: got[name] for name in ("method", "target", "upgrade", "host", "origin")}
    assert seen == {
        "method": expected.method,
        "target": expected.target,
        "upgrade": expected.upgrade,
        "host": expected.value("host"),
        "origin": expected.value("origin"),
    }


@given(heads)
def test_good_heads(data: bytes) -> None:
    assert parse_request(data)["status"] == 0
    assert_same(data)


@given(heads, st.data())
def test_one_byte_changed(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 5))
    value = draw.draw(st.sampled_from(b'\x00\t\n\r !",/:;=AZaz\x7f\x80\xff'))
    assert_same(data[:at] + bytes([value]) + data[at + 1 :])


@given(heads, st.data())
def test_one_line_lost_or_doubled(data: bytes, draw: st.DataObject) -> None:
    first, *lines = data[:-4].split(b"\r\n")
    at = draw.draw(st.integers(0, len(lines) - 1))
    lines[at : at + 1] = draw.draw(st.sampled_from([[], [lines[at]] * 2]))
    assert_same(b"\r\n".join([first, *lines, b"", b""]))


@pytest.mark.parametrize(
    ("request_line", "lines"),
    [
        ("GET / HTTP/1.1", ["Host: a"] + ["X: y"] * (upgrade.HEADERS_MAX - 1)),
        ("GET / HTTP/1.1", ["Host: a"] + ["X: y"] * upgrade.HEADERS_MAX),
        ("GET /" + "a" * (upgrade.REQUEST_LINE_BYTES_MAX - 16) + " HTTP/1.1", ["Host: a"]),
        ("GET /" + "a" * (upgrade.REQUEST_LINE_BYTES_MAX - 15) + " HTTP/1.1", ["Host: a"]),
        ("GET / HTTP/1.1", ["Host: a", "X: " + "y" * (upgrade.HEAD_BYTES_MAX - 32)]),
        ("GET / HTTP/1.1", ["Host: a", "X: " + "y" * (upgrade.HEAD_BYTES_MAX - 31)]),
    ],
)
def test_limits_are_inclusive(request_line: str, lines: list[str]) -> None:
    assert_same(head(lines, request_line))


@given(st.binary(min_size=16, max_size=16))
@example(base64.b64decode(KEY))
def test_accept_key(nonce: bytes) -> None:
    key = base64.b64encode(nonce)
    assert accept_key(key) == upgrade.accept_key(key)

"""Rows H1 to H12 of the fault catalogue: what a stranger may do before the 101.

H1 deadline, H2 sizes, H3 pipelining, H4 missing and doubled headers, H5 bytes that two parsers
could read differently, H6 bodies, H7 other methods and versions, H8 other protocols, H9 origins,
H10 long lists, H11 forged addresses, H12 nothing is served after a refusal.
"""

import asyncio
import select
from collections.abc import Iterator

import pytest

import ngage
from tests.helpers.counters import refused
from tests.helpers.daemon import Daemon
from tests.helpers.raw import GoodClients, Raw, settings
from tests.oracle import frames

LONG = 60  # seconds: a deadline that must play no part
GOOD = "https://good.example"


@pytest.fixture(scope="module")
def edge() -> Iterator[Daemon]:
    """One shard, so that a round trip on one connection has let the shard read the others."""
    arguments = settings(handshake_timeout_seconds=LONG, allowed_origins=GOOD)
    with Daemon("--echo", "--shards", "1", *arguments) as daemon:
        yield daemon


@pytest.fixture
def raw(edge: Daemon, good: GoodClients) -> Iterator[Raw]:
    with Raw(edge.public) as client:
        yield client


# H1


@pytest.fixture(scope="module")
def hasty() -> Iterator[Daemon]:
    with Daemon("--echo", *settings(handshake_timeout_seconds=0.5)) as daemon:
        yield daemon


def test_h1_silent_and_slow_heads_are_answered_408(hasty: Daemon) -> None:
    slow = [Raw(hasty.public) for _ in range(300)]
    for i, client in enumerate(slow):
        client.send(client.request("/echo")[: i % 100])
    with GoodClients(hasty) as good:
        good.check()
        for client in slow:
            assert client.read_refusal() == 408
            client.socket.close()
        good.check()
    assert refused(hasty, "timeout") >= len(slow)


def test_h1_bytes_do_not_move_the_deadline(hasty: Daemon) -> None:
    """A head that would go on for ever, a byte at a time, ends all the same."""
    with Raw(hasty.public) as client:
        client.send(b"GET /echo HTTP/1.1\r\nX: ")
        while not select.select([client.socket], [], [], 0.05)[0]:
            client.send(b"y")
        assert client.read_refusal() == 408


# H2


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 8192, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 16384, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 65 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 17, 431),
    ],
    ids=["request line", "one header", "number of headers", "all headers"],
)
def test_h2_too_long(raw: Raw, data: bytes, status: int) -> None:
    raw.send(data)
    assert raw.read_refusal() == status


def test_h2_longest_that_passes(raw: Raw) -> None:
    path = "/echo?" + "a" * 8000
    assert raw.upgrade(path, X_Long="y" * 7000).status == 101


# H3


def test_h3_frames_behind_the_request_cut_anywhere(edge: Daemon, good: GoodClients) -> None:
    messages = [b"one", b"two"]
    pipelined = b"".join(frames.client_frame(data, frames.BINARY) for data in messages)
    with Raw(edge.public) as witness:
        witness.upgrade("/echo")
        size = len(witness.request("/echo") + pipelined)
        for cut in range(1, size):
            with Raw(edge.public) as client:
                stream = client.request("/echo") + pipelined
                client.send(stream[:cut])
                witness.ping()
                client.send(stream[cut:])
                assert client.read_head().status == 101
                assert [client.read_message() for _ in messages] == messages


# H4


@pytest.mark.parametrize(
    "name", ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]
)
def test_h4_missing_and_doubled(edge: Daemon, good: GoodClients, name: str) -> None:
    with Raw(edge.public) as client:
        client.send(client.request("/echo", **{name.replace("-", "_"): None}))
        assert client.read_refusal() == 400
    with Raw(edge.public) as client:
        head = client.request("/echo")
        (line,) = [line for line in head.split(b"\r\n") if line.startswith(name.encode() + b":")]
        client.send(head.replace(line, line + b"\r\n" + line))
        assert client.read_refusal() == 400


@pytest.mark.parametrize(
    "key", ["", "short", "MTIzNDU2Nzg5MDEyMzQ1", "MTIzNDU2Nzg5MDEyMzQ1Njc=", "!" * 24, "A" * 24]
)
def test_h4_key(raw: Raw, key: str) -> None:
    raw.send(raw.request("/echo", Sec_WebSocket_Key=key))
    assert raw.read_refusal() == 400


@pytest.mark.parametrize("version", ["0", "8", "14", "130", "x"])
def test_h4_other_version(raw: Raw, version: str) -> None:
    raw.send(raw.request("/echo", Sec_WebSocket_Version=version))
    head = raw.read_head()
    assert (head.status, head.headers["sec-websocket-version"]) == (426, "13")
    raw.read_to_end()


# H5


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\nY: b",
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\0b",
        b"X: a\rb",
        b"X : a",
        b" X: a",
        b"X\t: a",
        b": a",
        b"X",
        b"X\xff: a",
        b"X: \x7f",
    ],
)
def test_h5_two_readings(raw: Raw, line: bytes) -> None:
    raw.send(raw.request("/echo").replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n"))
    assert raw.read_refusal() == 400


# H6


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"Content-Length": "5", "Transfer-Encoding": "chunked"},
        {"Content-Length": "-1"},
        {"Content-Length": "99999999999999999999"},
    ],
)
def test_h6_body(raw: Raw, headers: dict[str, str]) -> None:
    raw.send(raw.request("/echo", **headers) + b"hello")
    assert raw.read_refusal() == 400


# H7


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /echo HTTP/1.0", 505),
        (b"GET /echo HTTP/2.0", 505),
        (b"GET /echo", 400),
        (b"GET /echo HTTP/1.1 ", 400),
        (b"GET  /echo HTTP/1.1", 400),
        (b"POST /echo HTTP/1.1", 405),
        (b"DELETE /echo HTTP/1.1", 405),
        (b"GET http://a/echo HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"GET /nowhere HTTP/1.1", 404),
        (b"GET /ws/unknown HTTP/1.1", 404),
        (b"GET /ws/ HTTP/1.1", 404),
    ],
)
def test_h7_other_requests(raw: Raw, request_line: bytes, status: int) -> None:
    raw.send(raw.request("/echo").replace(b"GET /echo HTTP/1.1", request_line))
    assert raw.read_refusal() == status


# H8


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\0" * 100,
        b"\r\n\r\n",
    ],
    ids=["HTTP/2", "TLS", "NULs", "empty lines"],
)
def test_h8_other_protocols_are_closed_at_once(edge: Daemon, raw: Raw, data: bytes) -> None:
    before = refused(edge, "not_http")
    raw.send(data)
    assert raw.read_to_end() == b""
    assert refused(edge, "not_http") == before + 1


def test_h8_another_greeting_is_refused_at_its_first_line(raw: Raw) -> None:
    raw.send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    assert raw.read_refusal() == 400


def test_h8_upgrade_to_h2c(raw: Raw) -> None:
    raw.send(raw.request("/echo", Upgrade="h2c", HTTP2_Settings="AAMAAABk"))
    assert raw.read_refusal() == 400


# H9


@pytest.mark.parametrize("origin", [None, GOOD, "http://{host}", "https://{host}"])
def test_h9_origin_accepted(raw: Raw, origin: str | None) -> None:
    host = ":".join(map(str, raw.address))
    raw.upgrade("/echo", Origin=origin.format(host=host) if origin else None)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://good.example",
        "https://good.example:8443",
        "https://good.example.evil",
        "https://evil-good.example",
        "https://good.example@evil",
        "https://evil/https://good.example",
        "https://good.exampl",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "file://",
    ],
)
def test_h9_origin_refused(raw: Raw, origin: str) -> None:
    raw.send(raw.request("/echo", Origin=origin))
    assert raw.read_refusal() == 403


def test_h9_two_origins(raw: Raw) -> None:
    raw.send(raw.request("/echo", Origin="https://evil.example", origin=GOOD))
    assert raw.read_refusal() in {400, 403}


def test_h9_missing_origin_can_be_refused() -> None:
    with Daemon("--echo", *settings(allow_missing_origin="false", allowed_origins=GOOD)) as strict:
        with Raw(strict.public) as client:
            client.send(client.request("/echo"))
            assert client.read_refusal() == 403
        with Raw(strict.public) as client:
            client.upgrade("/echo", Origin=GOOD)


# H10


def test_h10_a_thousand_subprotocols(raw: Raw) -> None:
    """None of them is known, so none is chosen (RFC 6455 section 4.2.2)."""
    head = raw.upgrade("/echo", Sec_WebSocket_Protocol=", ".join(f"p{i}" for i in range(1000)))
    assert "sec-websocket-protocol" not in head.headers


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; " + "; ".join(f"p{i}" for i in range(1000)),
        ", ".join(f"x-{i}" for i in range(1000)),
        'permessage-deflate; server_max_window_bits="',
        'permessage-deflate; server_max_window_bits="1"0"',
        "permessage-deflate;;;",
        ";" * 8000,
        "," * 8000,
        '"' * 8000,
    ],
)
def test_h10_extensions_are_declined(raw: Raw, offer: str) -> None:
    head = raw.upgrade("/echo", Sec_WebSocket_Extensions=offer)
    assert "sec-websocket-extensions" not in head.headers


# H11


@pytest.mark.parametrize(
    ("source", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.2", "203.0.113.7", "127.0.0.2"),
    ],
)
async def test_h11_forwarded_for_is_believed_of_a_trusted_proxy(
    source: str, forwarded: str | None, address: str
) -> None:
    async with ngage.Edge(listen="127.0.0.1:0", trusted_proxies=("127.0.0.1/32",)) as edge:
        edge.channel("stage")
        arriving = asyncio.ensure_future(anext(edge.messages()))
        await asyncio.sleep(0)  # from here on messages are wanted
        with Raw(edge.address, source=source) as client:
            client.upgrade("/ws/stage", X_Forwarded_For=forwarded)
            client.send(frames.client_frame(b"hello", frames.BINARY))
            message = await arriving
        assert (message.data, message.address) == (b"hello", address)


# H12


def test_h12_nothing_is_served_after_a_refusal(edge: Daemon, good: GoodClients) -> None:
    """read_refusal() sees one answer and the end, although more was asked for behind it."""
    for line in (b"GET /nowhere HTTP/1.1\r\n", b"POST /echo HTTP/1.1\r\n"):
        with Raw(edge.public) as client:
            request = client.request("/echo")
            first = request.replace(b"GET /echo HTTP/1.1\r\n", line)
            client.send(first + request + frames.client_frame(b"smuggled", frames.BINARY))
            assert client.read_refusal() in {404, 405}

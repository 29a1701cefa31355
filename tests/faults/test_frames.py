"""Rows F1 to F17 of the fault catalogue: what a client may do after the 101.

tests/unit has every rule of the parser by table; here each row is held end to end, on the wire of a
running edge, with subscribers beside it who must miss nothing.
"""

import struct
import zlib
from collections.abc import Iterator

import pytest

from tests.helpers.counters import gauges
from tests.helpers.daemon import Daemon
from tests.helpers.process import peak_resident_bytes, resident_bytes
from tests.helpers.raw import GoodClients, Raw, settings
from tests.helpers.wait import wait_until
from tests.oracle import frames
from tests.oracle.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, RSV2, TEXT
from tests.oracle.frames import client_frame as frame

MIB = 1 << 20
DEFLATE = "permessage-deflate"


@pytest.fixture(scope="module")
def edge() -> Iterator[Daemon]:
    with Daemon("--echo") as daemon:
        yield daemon


@pytest.fixture
def echo(edge: Daemon, good: GoodClients) -> Iterator[Raw]:
    with Raw(edge.public) as client:
        client.upgrade("/echo", Sec_WebSocket_Extensions=DEFLATE)
        yield client


@pytest.fixture
def viewer(edge: Daemon, good: GoodClients) -> Iterator[Raw]:
    """A subscriber, under the limits of production."""
    with Raw(edge.public) as client:
        client.upgrade("/ws/stage")
        yield client


WIRE = {
    "F1 unmasked": (frame(b"a", TEXT, key=None), 1002),
    "F2 RSV2": (frame(b"a", TEXT, rsv=RSV2), 1002),
    "F2 RSV1 on a control frame": (frame(b"a", PING, rsv=RSV1), 1002),
    "F2 RSV1 on a continuation": (
        frame(b"a", TEXT, fin=False) + frame(b"a", CONTINUATION, rsv=RSV1),
        1002,
    ),
    **{f"F3 opcode {n}": (frame(b"", n), 1002) for n in (*range(3, 8), *range(11, 16))},
    "F4 ping in fragments": (frame(b"", PING, fin=False), 1002),
    "F4 ping of 126 bytes": (frame(bytes(126), PING), 1002),
    "F4 pong of 126 bytes": (frame(bytes(126), PONG), 1002),
    "F5 2**63": (frame(b"", BINARY, length=(127, struct.pack(">Q", 1 << 63))), 1002),
    "F5 2**64-1": (frame(b"", BINARY, length=(127, b"\xff" * 8)), 1002),
    "F5 2**63-1": (frame(b"", BINARY, length=(127, struct.pack(">Q", (1 << 63) - 1))), 1009),
    "F5 17 MiB": (frame(b"", BINARY, length=(127, struct.pack(">Q", 17 * MIB))), 1009),
    "F5 long form of 125": (frame(b"", BINARY, length=(126, b"\0\x7d")), 1002),
    "F5 longest form of 65535": (frame(b"", BINARY, length=(127, b"\0\0\0\0\0\0\xff\xff")), 1002),
    "F6 continuation of nothing": (frame(b"a", CONTINUATION), 1002),
    "F6 message in a message": (frame(b"a", TEXT, fin=False) + frame(b"b", TEXT), 1002),
    "F7 not UTF-8": (frame(b"\xff", TEXT), 1007),
    "F7 ends inside a character": (frame(b"\xe2\x82", TEXT), 1007),
    "F7 at the bad byte": (frame(b"a\xed\xa0" + bytes(99), TEXT)[:-99], 1007),
    "F8 one byte": (frame(b"\x03", CLOSE), 1002),
    **{
        f"F8 code {n}": (frame(frames.close_payload(n), CLOSE), 1002)
        for n in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)
    },
    "F8 reason not UTF-8": (frame(frames.close_payload(1000) + b"\xff", CLOSE), 1007),
    "F13 noise": (frame(b"\xff\xff\xff", BINARY, rsv=RSV1), 1007),
    "F13 block cut short": (frame(b"\x00\x64\x00\x9b\xffhello", BINARY, rsv=RSV1), 1007),
    "F17 HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1002),
}


@pytest.mark.parametrize(("stream", "code"), WIRE.values(), ids=WIRE)
def test_wire(echo: Raw, stream: bytes, code: int) -> None:
    echo.send(stream)
    assert echo.read_close() == code


def test_f2_rsv1_without_deflate(viewer: Raw) -> None:
    viewer.send(frame(frames.deflate(b"a"), TEXT, rsv=RSV1))
    assert viewer.read_close() == 1002


@pytest.mark.memory
def test_f5_an_announced_length_takes_no_memory(edge: Daemon, good: GoodClients) -> None:
    """16 MiB announced 50 times, nothing sent: 800 MiB that nobody allocates."""
    clients = [Raw(edge.public) for _ in range(50)]
    for client in clients:
        client.upgrade("/echo")
        client.ping()
    before = resident_bytes(edge.pid)
    announced = frame(b"", BINARY, length=(127, struct.pack(">Q", 16 * MIB)))
    for client in clients:
        client.send(announced)
    wait_until(lambda: gauges(edge)["inbound_states"] >= len(clients), "the headers are read")
    assert resident_bytes(edge.pid) - before < 8 * MIB
    for client in clients:
        client.socket.close()


def test_f7_text_cut_at_every_offset(edge: Daemon, good: GoodClients) -> None:
    text = "a\N{EURO SIGN}\N{MICROPHONE}é".encode()
    for cut in range(1, len(text)):
        with Raw(edge.public) as client:
            client.upgrade("/echo")
            client.send(frame(text[:cut], TEXT, fin=False))
            client.ping()
            client.send(frame(text[cut:], CONTINUATION))
            assert client.read_message() == text


def test_f8_close_is_answered_with_its_code(echo: Raw) -> None:
    echo.send(frame(frames.close_payload(4321, "bye"), CLOSE))
    assert echo.read_close() == 4321


def test_f8_close_without_a_code(echo: Raw) -> None:
    echo.send(frame(b"", CLOSE))
    assert (echo.read_frame().data, echo.read_to_end()) == (b"", b"")


@pytest.mark.memory
def test_f9_only_the_newest_pings_are_answered() -> None:
    """200,000 pings by a client that does not read: what waits for it stays small."""
    with Daemon("--echo", *settings(send_buffer_bytes=16384)) as edge, GoodClients(edge) as good:
        with Raw(edge.public, receive_bytes=4096) as client:
            client.upgrade("/echo")
            client.ping()
            before = resident_bytes(edge.pid)
            batch = b"".join(frame(struct.pack(">Q", i), PING) for i in range(10000))
            for _ in range(20):
                client.send(batch)
            good.check()
            assert resident_bytes(edge.pid) - before < 4 * MIB
            client.send(frame(b"the last", PING))
            answered = 1
            while client.read_frame().data != b"the last":
                answered += 1
            assert answered < 200000
        good.check()


def test_f9_ping_flood_is_refused(viewer: Raw) -> None:
    viewer.send(frame(b"", PING) * 1000)
    assert viewer.read_close() == 1008


def test_f9_pongs_are_no_flood(viewer: Raw) -> None:
    """Whoever lags in a `ring` channel answers a ping for each gap: as many as we send."""
    viewer.send(frame(b"gap 1-2", PONG) * 1000)
    viewer.ping()


def test_f10_tiny_fragments_hold_what_they_carry(edge: Daemon, viewer: Raw) -> None:
    """4,096 fragments of one byte are held in one buffer; the next is one too many."""
    viewer.send(frame(b"a", BINARY, fin=False) + frame(b"a", CONTINUATION, fin=False) * 4095)
    viewer.ping()
    assert 4096 <= gauges(edge)["held_bytes"] <= 2 * 4096
    viewer.send(frame(b"a", CONTINUATION, fin=False))
    assert viewer.read_close() == 1009
    wait_until(lambda: gauges(edge)["held_bytes"] == 0, "what was held is freed")


def test_f10_empty_fragments_count(viewer: Raw) -> None:
    viewer.send(frame(b"", BINARY, fin=False) + frame(b"", CONTINUATION, fin=False) * 4096)
    assert viewer.read_close() == 1009


def test_f10_fragments_over_the_message_limit(viewer: Raw) -> None:
    viewer.send(frame(bytes(65536), BINARY, fin=False))
    viewer.send(frame(b"a", CONTINUATION))
    assert viewer.read_close() == 1009


@pytest.fixture(scope="module")
def hasty() -> Iterator[Daemon]:
    with Daemon(*settings(message_timeout_seconds=0.5, close_timeout_seconds=0.5)) as edge:
        yield edge


@pytest.mark.parametrize(
    "stream",
    [b"\x82", frame(b"hello", BINARY)[:-1], frame(b"hello", BINARY, fin=False)],
    ids=["header", "payload", "message"],
)
def test_f11_unfinished_messages_have_a_deadline(hasty: Daemon, stream: bytes) -> None:
    with GoodClients(hasty) as good, Raw(hasty.public) as client:
        client.upgrade("/ws/stage")
        client.send(stream)
        assert client.read_close() == 1008
        good.check()


@pytest.mark.memory
def test_f12_compression_bomb() -> None:
    """512 MiB of zeros in half a MiB, eight at once, at an edge that allows 1 MiB a message."""
    squeezer = zlib.compressobj(wbits=-15)
    bomb = b"".join(squeezer.compress(bytes(16 * MIB)) for _ in range(32))
    bomb += squeezer.flush(zlib.Z_SYNC_FLUSH).removesuffix(frames.DEFLATE_TAIL)
    assert len(bomb) < MIB
    with Daemon("--set", f"message_bytes_max={MIB}") as edge, GoodClients(edge) as good:
        before = peak_resident_bytes(edge.pid)
        clients = [Raw(edge.public) for _ in range(8)]
        for client in clients:
            head = client.upgrade("/ws/stage", Sec_WebSocket_Extensions=DEFLATE)
            assert head.headers["sec-websocket-extensions"].startswith(DEFLATE)
            client.send(frame(bomb, BINARY, rsv=RSV1))
        for client in clients:
            assert client.read_close() == 1009
            client.socket.close()
        good.check()
        assert peak_resident_bytes(edge.pid) - before < 32 * MIB


def test_f15_nothing_is_read_after_a_close(echo: Raw) -> None:
    echo.send(frame(frames.close_payload(1000), CLOSE) + frame(b"late", TEXT) + b"\xff" * 100)
    assert echo.read_close() == 1000


def test_f15_a_close_that_is_never_answered(hasty: Daemon) -> None:
    """The host sends a viewer away, who keeps the connection open, and is cut off."""
    with GoodClients(hasty) as good, Raw(hasty.public) as client:
        good.publisher.publish("lonely", b"")
        client.upgrade("/ws/lonely")
        assert hasty.api("disconnect", {"channel": "lonely", "code": 4000}).status_code == 200
        assert client.read_close() == 4000
        good.check()


def test_f15_half_closed(edge: Daemon, good: GoodClients) -> None:
    connected = gauges(edge)["client_connections"]
    with Raw(edge.public) as client:
        client.upgrade("/ws/stage")
        client.socket.shutdown(1)
        client.read_to_end()
        wait_until(lambda: gauges(edge)["client_connections"] <= connected, "the slot comes back")


def test_f16_flood_of_messages_by_a_subscriber(viewer: Raw) -> None:
    viewer.send(frame(b"spam", TEXT) * 1000)
    assert viewer.read_close() == 1008


def test_f16_flood_of_bytes_is_not_read(good: GoodClients, viewer: Raw) -> None:
    """Over its rate a client is not read: it fills the kernel's buffers, and then it waits."""
    flood = frame(bytes(60000), BINARY) * 20
    sent = 0
    viewer.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while sent < 256 * MIB:
            sent += viewer.socket.send(flood)
    good.check()

"""What the core does with clients of the client protocol that are late, slow or silent."""

import json
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from ngage_core import engine as core
from tests.helpers.raw import Raw
from tests.helpers.speaking import PING_MS, Client, Server, subscribe
from tests.helpers.tickets import ticket
from tests.helpers.wait import wait_until
from tests.oracle.frames import BINARY, TEXT, client_frame

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(**options: int) -> Server:
        servers.append(Server(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.engine.stop()


# Pings, tokens, those who do not say who they are


@pytest.mark.parametrize("pong_ms", [PING_MS // 2, 2 * PING_MS])
def test_a_pong_may_take_no_longer_than_to_the_next_ping(serve: Serve, pong_ms: int) -> None:
    server = serve(pong_timeout_ms=pong_ms)
    with Client(server.address) as client:
        client.join(server)
        assert client.hear() == {}
        client.say({})
        assert client.hear() == {}
        assert client.read_close() == 3012


def test_who_is_not_read_is_not_judged_by_its_pong(serve: Serve) -> None:
    """The control plane stands still; meanwhile another client fills what it has not taken."""
    server = serve(inbound_messages_per_second=60000, inbound_bytes_per_second=1 << 30)
    with Client(server.address) as client, Client(server.address) as flood:
        client.join(server)
        flood.join(server, voter=8)
        flood.send(client_frame(b'{"id":9}', TEXT) * 6000)
        for _ in range(3):
            assert client.hear() == {}
            client.say({})
        server.events(6000)
        assert client.hear() == {}


def test_a_tokens_end_is_waited_for_without_a_ping(serve: Serve) -> None:
    server = serve(client_ping_ms=0)
    with Client(server.address) as client, Client(server.address) as renewed:
        client.join(server, expires=int(time.time()) - 24)
        renewed.join(server, voter=8, expires=int(time.time()) + 1000)
        server.engine.identify(renewed.handle, 8, int(time.time()) - 60, b"me")
        assert renewed.read_close() == 3005
        client.socket.settimeout(10)  # less than EXPIRY_GRACE_S
        assert client.read_close() == 3005


def test_an_unfinished_message_does_not_shorten_the_time_to_connect(serve: Serve) -> None:
    server = serve(message_timeout_ms=200)
    with Client(server.address) as client, Client(server.address) as clock:
        client.upgrade("/connection/websocket")
        connect = client_frame(b'{"id":1,"connect":{}}', TEXT)
        client.send(connect[:9])
        wait_until(lambda: server.counter("held_bytes") > 0, "the first part")
        client.send(connect[9:])
        ((handle, *_),) = server.events()
        clock.join(server)
        assert clock.hear() == {}  # so much later
        assert server.engine.identify(handle, 7, 0, b"me")
        assert client.hear() == {}


# Subscriptions and what waits for a client


def test_a_silent_subscription_misses_nothing_published_meanwhile(serve: Serve) -> None:
    server = serve(client_ping_ms=0)
    with Client(server.address) as client:
        client.join(server)
        for number in range(1, 21):
            wait_until(lambda: server.engine.subscribers(server.channel) == 0, "nobody there")
            subscribe(server, client, number, id=0)
            server.publish(number)
            assert client.hear()["push"]["pub"]["offset"] == number
            server.engine.unsubscribe(client.handle, server.pushes)


def test_what_comes_back_does_not_count_as_slowness(serve: Serve) -> None:
    server = serve(ring_bytes=16 << 20)
    data = b'"' + b"x" * 16000 + b'"'
    for _ in range(300):
        server.publish_data(data)
    with Client(server.address) as client:
        client.join(server)
        subscribe(server, client, 1, recovers=True)
        server.engine.send(client.handle, b'{"id":3}', TEXT)
        assert len(client.hear()["subscribe"]["publications"]) == 300
        assert client.hear() == {"id": 3}
    assert server.counter("slow_closed") == 0


def test_who_takes_no_answers_is_closed(serve: Serve) -> None:
    server = serve()
    with Client(server.address, receive_bytes=4096) as client:
        client.join(server)
        big = b'"' + b"x" * (1 << 20) + b'"'
        for _ in range(8):
            server.engine.send(client.handle, big, TEXT)
        wait_until(lambda: server.counter("slow_closed") == 1, "the close")


def test_who_is_lapped_is_told_to_come_back(serve: Serve) -> None:
    options = {"ring_frames": 16, "ring_bytes": 16 << 20, "send_buffer_bytes": 8192}
    server = serve(client_ping_ms=0, **options)
    data = b'"' + b"x" * 60000 + b'"'
    with Client(server.address, receive_bytes=4096) as client:
        client.join(server)
        subscribe(server, client, 1)
        assert client.hear()["id"] == 2
        for _ in range(100):
            server.publish_data(data)
        offsets = []
        while (frame := client.read_frame()).opcode == TEXT:
            offsets.append(json.loads(frame.data)["push"]["pub"]["offset"])
        assert offsets == list(range(1, len(offsets) + 1))
        assert int.from_bytes(frame.data[:2], "big") == 3010
    assert server.counter("slow_closed") == 1


# Reactions


def test_the_next_to_have_a_record_begins_anew(serve: Serve) -> None:
    server = serve(reactions_per_second=100)
    react = client_frame(struct.pack("<BBHI", 17, 0, 100, 1), BINARY)
    for voter in range(1, 6):
        with Raw(server.address) as client:
            client.upgrade(f"/ws/chat?ticket={ticket(voter)}")
            client.send(react)
            client.ping()
        wait_until(lambda: server.counter("websockets") == 0, "the leave")
    assert server.engine.reactions(1)[0] == 500


# How many may come


def test_addresses_of_one_ipv6_network_are_one(serve: Serve) -> None:
    engine = core.Engine(
        host="127.0.0.1",
        port=0,
        shards=1,
        connections_per_shard=16,
        address_connects_per_second=1,
        address_connects_burst=2,
        trusted_proxies=("127.0.0.1/32",),
        echo=True,
    )
    address = engine.start()
    answers = []
    for one in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "192.0.2.1"):
        with Raw(address) as client:
            client.send(client.request("/echo", X_Forwarded_For=one))
            answers.append(client.read_head().status)
    assert answers == [101, 101, 429, 101, 101]
    engine.stop()

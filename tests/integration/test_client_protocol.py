"""What the core does for clients of the client protocol, on an engine of its own.

What happens by time or by slowness is in test_client_bounds.py.
"""

import struct
import time
from collections.abc import Iterator

import pytest

from ngage_core import engine as core
from tests.helpers.raw import Raw
from tests.helpers.speaking import Client, Server, subscribe
from tests.helpers.tickets import ticket
from tests.helpers.wait import wait_until
from tests.oracle.frames import BINARY, TEXT, client_frame

RECOVERED_MAX = core.limits()["recovered_max"]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.engine.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


def test_the_endpoint_is_there_when_somebody_speaks(server: Server, client: Client) -> None:
    server.engine.speak(False)
    client.send(client.request("/connection/websocket"))
    assert client.read_refusal() == 404


def test_identity_comes_back_with_each_message(server: Server, client: Client) -> None:
    client.join(server, about=b"first")
    client.say({"id": 2})
    assert [one[5] for one in server.events()] == [b"first"]
    client.known_as(server, 7, 0, b"second")
    client.say({"id": 3})
    assert [(one[3], one[5]) for one in server.events()] == [(b'{"id": 3}', b"second")]


def test_a_subscriber_gets_pushes_from_the_offset_on(server: Server, client: Client) -> None:
    client.join(server)
    server.publish(1)
    server.publish(2)
    subscribe(server, client, 2)
    assert client.hear() == {"id": 2, "subscribe": {"epoch": "e"}}
    server.publish(3)
    got = [client.hear()["push"] for _ in range(2)]
    assert got == [{"channel": "chat", "pub": {"data": {"n": n}, "offset": n}} for n in (2, 3)]


def test_what_was_missed_is_in_the_answer(server: Server, client: Client) -> None:
    client.join(server)
    for number in range(1, RECOVERED_MAX + 11):
        server.publish(number)
    subscribe(server, client, 11, recovers=True)
    answer = client.hear()
    server.publish(RECOVERED_MAX + 11)
    numbers = range(11, RECOVERED_MAX + 11)
    assert answer["subscribe"]["publications"] == [{"data": {"n": n}, "offset": n} for n in numbers]
    assert client.hear()["push"]["pub"]["offset"] == RECOVERED_MAX + 11
    assert server.counter("recovered_publications") == RECOVERED_MAX


def test_nothing_missed_is_no_list(server: Server, client: Client) -> None:
    client.join(server)
    server.publish(1)
    subscribe(server, client, 2, recovers=True)
    assert client.hear() == {"id": 2, "subscribe": {"epoch": "e"}}


def test_missed_too_much_asks_anew(server: Server, client: Client) -> None:
    client.join(server)
    for number in range(1, 2 * RECOVERED_MAX):
        server.publish(number)
    subscribe(server, client, 1, recovers=True)
    assert client.read_close() == 3010


def test_a_log_of_pushes_begins_with_what_is_held(server: Server, client: Client) -> None:
    late = server.engine.channel("late", lag=core.LAG_RING, ring_frames=2, ring_bytes=1 << 20)
    for number in range(1, 6):
        server.engine.publish(late, b"%d" % number, TEXT)
    server.pushes = server.engine.push_log(late, [b'"data":4', b'"data":5'])
    assert server.engine.push_log(late, []) == server.pushes
    client.join(server)
    subscribe(server, client, 4, recovers=True)
    publications = client.hear()["subscribe"]["publications"]
    assert publications == [{"data": 4, "offset": 4}, {"data": 5, "offset": 5}]
    server.engine.publish(late, b"6", TEXT, fields=b'"data":6,"info":{"user":"u"}')
    pub = client.hear()["push"]["pub"]
    assert pub == {"data": 6, "info": {"user": "u"}, "offset": 6}


def test_twice_is_105_too_many_is_106(server: Server, client: Client) -> None:
    client.join(server)
    subscribe(server, client, 1)
    subscribe(server, client, 1, id=3)
    client.hear()
    assert client.hear() == {"id": 3, "error": {"code": 105, "message": "already subscribed"}}
    for number in range(core.limits()["subscriptions_per_connection"]):
        name = f"more{number}"
        more = server.engine.channel(name, lag=core.LAG_RING, ring_frames=2, ring_bytes=1 << 20)
        server.pushes = server.engine.push_log(more, [])
        subscribe(server, client, 1, id=100 + number)
    answers = [client.hear() for _ in range(core.limits()["subscriptions_per_connection"])]
    assert all("subscribe" in one for one in answers[:-1])
    assert answers[-1]["error"] == {"code": 106, "message": "limit exceeded"}


def test_who_unsubscribed_gets_nothing_and_may_come_back(server: Server, client: Client) -> None:
    client.join(server)
    subscribe(server, client, 1)
    assert client.hear()["id"] == 2
    assert server.engine.subscribers(server.channel) == 1
    server.engine.unsubscribe(client.handle, server.pushes)
    server.engine.unsubscribe(client.handle, server.pushes)
    server.engine.send(client.handle, b'{"id":3}', TEXT)
    assert client.hear() == {"id": 3}
    server.publish(1)
    subscribe(server, client, 2, id=4)
    assert client.hear()["id"] == 4
    server.publish(2)
    assert client.hear()["push"]["pub"]["offset"] == 2
    assert server.engine.subscribers(server.channel) == 1


def test_raw_and_pushed_are_the_same_log(server: Server, client: Client) -> None:
    client.join(server)
    subscribe(server, client, 1)
    client.hear()
    with Raw(server.address) as raw:
        raw.upgrade("/ws/chat")
        server.publish(1)
        assert raw.read_message() == b'{"n":1}'
        assert client.hear()["push"]["pub"] == {"data": {"n": 1}, "offset": 1}
        assert server.engine.subscribers(server.channel) == 2
        server.engine.close_channel(server.channel, 3503)
        assert (raw.read_close(), client.read_close()) == (3503, 3503)


def test_a_ping_is_answered_or_the_client_closed(server: Server, client: Client) -> None:
    client.join(server)
    assert client.hear() == {}
    client.say({})
    assert client.hear() == {}
    assert client.read_close() == 3012
    assert (server.counter("pings_sent"), server.counter("pongs_received")) == (2, 1)


def test_who_has_expired_is_closed_at_the_next_ping(server: Server, client: Client) -> None:
    client.join(server, expires=int(time.time()) - 60)
    assert client.read_close() == 3005
    assert server.counter("expired_closed") == 1


def test_a_hidden_channel_is_not_there_for_raw_clients(server: Server, client: Client) -> None:
    server.engine.view(server.channel, "view", tick_ms=0)
    server.engine.hide(server.channel, True)
    for path in ("/ws/chat", "/ws/view"):
        with Raw(server.address) as raw:
            raw.send(raw.request(path))
            assert raw.read_refusal() == 404
    client.join(server)
    subscribe(server, client, 1)
    assert client.hear()["id"] == 2
    server.engine.hide(server.channel, False)
    with Raw(server.address) as raw:
        raw.upgrade("/ws/chat")


# Viewers


def test_a_viewer_counts_once_however_many_connections(server: Server, client: Client) -> None:
    client.join(server, voter=7)
    subscribe(server, client, 1)
    client.hear()
    with (
        Raw(server.address) as same,
        Raw(server.address) as other,
        Raw(server.address) as unknown,
        Raw(server.address) as monitor,
    ):
        same.upgrade(f"/ws/chat?ticket={ticket(7)}")
        other.upgrade(f"/ws/chat?ticket={ticket(8)}")
        unknown.upgrade("/ws/chat")
        monitor.upgrade(f"/ws/chat?ticket={ticket(9, flags=1)}")
        assert server.engine.viewers(server.channel) == (4, 3)
        client.socket.close()
        wait_until(lambda: server.engine.viewers(server.channel) == (3, 3), "one less")
        same.socket.close()
        wait_until(lambda: server.engine.viewers(server.channel) == (2, 2), "a viewer less")
    wait_until(lambda: server.engine.viewers(server.channel) == (0, 0), "nobody")


@pytest.mark.parametrize("bad", ["", "x", ticket(7, expires=1), ticket(7)[:-1] + "!"])
def test_a_bad_ticket_is_refused(server: Server, client: Client, bad: str) -> None:
    client.send(client.request(f"/ws/chat?ticket={bad}"))
    assert client.read_refusal() == 403
    assert server.counter("refused_tickets") == 1
    assert server.engine.viewers(server.channel) == (0, 0)


# How many may come


def test_who_comes_too_often_is_told_to_wait() -> None:
    limits = {"connects_per_second": 3, "address_connects_per_second": 1}
    options = {"host": "127.0.0.1", "port": 0, "shards": 1, "connections_per_shard": 16}
    engine = core.Engine(**options, **limits, address_connects_burst=2)
    engine.channel("stage", lag=core.LAG_RING, ring_frames=2, ring_bytes=1 << 16)
    address = engine.start()
    sources = ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"]
    answers: list[int] = []
    for source in sources:
        with Raw(address, source=source) as raw:
            raw.send(raw.request("/ws/stage"))
            answers.append(raw.read_head().status)
    assert answers == [101, 101, 429, 101, 503]
    counters = engine.counters()
    assert (counters["refused_address"], counters["refused_rate"]) == (1, 1)
    engine.stop()


# Reactions


def react(kind: int, count: int, event: int) -> bytes:
    return client_frame(struct.pack("<BBHI", 17, kind, count, event), BINARY)


def test_reactions_are_counted_within_the_rate(server: Server, client: Client) -> None:
    client.upgrade(f"/ws/chat?ticket={ticket(7)}")
    for verb in [(2, 3, 5), (2, 97, 5), (0, 1, 5), (3, 0, 5), (3, 101, 5), (16, 1, 5)]:
        client.send(react(*verb))
    client.send(react(1, 100, 6))  # over 150 in this second
    client.ping()
    assert server.engine.reactions(5)[:4] == [1, 0, 100, 0]
    assert server.engine.reactions(6) == [0] * 16
    assert server.counter("reactions") == 101
    assert server.counter("reactions_dropped") == 101 + 1 + 100


def test_without_a_ticket_a_verb_is_a_message(server: Server, client: Client) -> None:
    server.engine.deliver_messages(True)
    client.upgrade("/ws/chat")
    client.send(react(2, 3, 5))
    ((_, _, opcode, data, _, identity, _, _),) = server.events()
    assert (opcode, data[:1], identity) == (BINARY, b"\x11", None)
    assert server.engine.reactions(5) == [0] * 16


# A cache


def test_who_joins_a_cache_gets_its_newest_at_once(server: Server, client: Client) -> None:
    cache = server.engine.channel(
        "cache", lag=core.LAG_LATEST, ring_frames=4, ring_bytes=1 << 20, cache=True
    )
    with Raw(server.address) as early:
        early.upgrade("/ws/cache")
        server.engine.publish(cache, b"one", TEXT)
        server.engine.publish(cache, b"two", TEXT)
        client.upgrade("/ws/cache")
        assert client.read_message() == b"two"
        assert early.read_message() in (b"one", b"two")

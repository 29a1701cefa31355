"""Commands and their replies, byte for byte."""

import json

import pytest

from ngage import identity
from ngage.errors import CloseCode
from ngage.limits import (
    HISTORY_BYTES_MAX,
    HISTORY_PUBLICATIONS_MAX,
    RECOVERED_PUBLICATIONS_MAX,
)
from ngage.settings import NamespaceOptions, Settings
from tests.helpers.protocol import EPOCH, End, World

BAD_REQUEST = End(CloseCode.BAD_REQUEST, "bad request")


def world() -> World:
    """Client 1 is connected; `stage` holds 3 to 5 of five publications, `news` is empty."""
    here = World(
        Settings(
            namespaces={
                "open": NamespaceOptions(publish="anybody", create=True),
                "shut": NamespaceOptions(history=False, presence_stats=False, recovery="none"),
                "free": NamespaceOptions(recovery="none"),
                "last": NamespaceOptions(recovery="cache"),
            }
        )
    )
    for name in ("stage", "shut:1", "free:1", "last:1"):
        channel = here.edge.channel(name)
        for number in range(1, 6):
            channel.publish(json.dumps({"n": number}))
        del channel.held[:2]
        channel.subscribers = 9
    here.edge.channel("counted", counted=True).viewers = (7, 5)
    here.edge.channel("news")
    here.edge.channel("one:many")
    here.edge.channel("last:none")
    here.edge.channel("film", lag="keyframe").subscribers = 3
    here.edge.channel("open:film", lag="keyframe")
    here.edge.channel("mixed").publish("no json")
    here.edge.channel("mixed").publish(b"\x00\xff")
    here.edge.channel("mixed").publish('{"a":\n 1}')
    here.connected(1)
    return here


STAGE = b'"recoverable":true,"epoch":"0a1b2c3d","offset":5,"positioned":true'
PUBLICATIONS = b'"publications":[{"data":{"n": 4},"offset":4},{"data":{"n": 5},"offset":5}]'
MIXED = (
    b'"publications":[{"data":"no json","offset":1},{"data":"AP8=","offset":2},'
    b'{"data":{"a":1},"offset":3}]'
)
RECOVERED = b'"recoverable":true,"epoch":"0a1b2c3d","recovered":true,"offset":3,"positioned":true'
LOST = b'"recoverable":true,"epoch":"0a1b2c3d","offset":5,"positioned":true,"was_recovering":true'

REPLIES: list[tuple[str, dict[str, object], bytes]] = [
    # subscribe
    ("subscribe", {"channel": "stage"}, b'"subscribe":{%b}' % STAGE),
    (
        "subscribe",
        {"channel": "news"},
        b'"subscribe":{"recoverable":true,"epoch":"0a1b2c3d","positioned":true}',
    ),
    (
        "subscribe",
        {"channel": "stage", "recover": True, "epoch": EPOCH, "offset": 3},
        b'"subscribe":{%b,"was_recovering":true,%b}' % (RECOVERED, PUBLICATIONS),
    ),
    (
        "subscribe",
        {"channel": "stage", "recover": True, "epoch": EPOCH, "offset": 5},
        b'"subscribe":{%b,"was_recovering":true}' % RECOVERED.replace(b":3", b":5"),
    ),
    (
        "subscribe",  # 2 is gone: whoever has 1 has missed it for good
        {"channel": "stage", "recover": True, "epoch": EPOCH, "offset": 1},
        b'"subscribe":{%b}' % LOST,
    ),
    (
        "subscribe",
        {"channel": "stage", "recover": True, "epoch": "other", "offset": 5},
        b'"subscribe":{%b}' % LOST,
    ),
    (
        "subscribe",
        {"channel": "stage", "recover": True, "epoch": EPOCH, "offset": 6},
        b'"subscribe":{%b}' % LOST,
    ),
    (
        "subscribe",
        {"channel": "stage", "recover": True, "epoch": "other", "offset": 5, "flag": 2},
        b'"error":{"code":112,"message":"unrecoverable position"}',
    ),
    ("subscribe", {"channel": "shut:1", "recoverable": True}, b'"subscribe":{}'),
    ("subscribe", {"channel": "free:1", "recover": True, "offset": 5}, b'"subscribe":{}'),
    (
        "subscribe",
        {"channel": "free:1", "positioned": True},
        b'"subscribe":{"epoch":"0a1b2c3d","offset":5,"positioned":true}',
    ),
    ("subscribe", {"channel": "free:1", "recoverable": True}, b'"subscribe":{%b}' % STAGE),
    (
        "subscribe",
        {"channel": "last:1"},
        b'"subscribe":{%b,"publications":[{"data":{"n": 5},"offset":5}]}'
        % RECOVERED.replace(b":3", b":4"),
    ),
    (
        "subscribe",
        {"channel": "last:1", "recover": True, "epoch": "other", "offset": 2},
        b'"subscribe":{%b,"was_recovering":true,"publications":[{"data":{"n": 5},"offset":5}]}'
        % RECOVERED.replace(b":3", b":2"),
    ),
    (
        "subscribe",
        {"channel": "last:1", "recover": True, "epoch": EPOCH, "offset": 5},
        b'"subscribe":{%b,"was_recovering":true}' % RECOVERED.replace(b":3", b":5"),
    ),
    (
        "subscribe",
        {"channel": "last:none", "recover": True, "epoch": "other", "offset": 5},
        b'"subscribe":{"recoverable":true,"epoch":"0a1b2c3d","positioned":true,'
        b'"was_recovering":true}',
    ),
    (
        "subscribe",
        {"channel": "open:new"},
        b'"subscribe":{"recoverable":true,"epoch":"0a1b2c3d","positioned":true}',
    ),
    ("subscribe", {"channel": "one:many"}, b'"error":{"code":106,"message":"limit exceeded"}'),
    ("subscribe", {"channel": "film"}, b'"error":{"code":108,"message":"not available"}'),
    ("subscribe", {"channel": "none"}, b'"error":{"code":102,"message":"unknown channel"}'),
    ("subscribe", {"channel": "open:\0"}, b'"error":{"code":107,"message":"bad request"}'),
    ("subscribe", {"channel": "x" * 256}, b'"error":{"code":107,"message":"bad request"}'),
    (
        "subscribe",
        {"channel": "stage", "type": 1},
        b'"error":{"code":108,"message":"not available"}',
    ),
    ("subscribe", {"channel": "stage", "tf": {}}, b'"error":{"code":107,"message":"bad request"}'),
    ("subscribe", {"channel": "$secret"}, b'"error":{"code":103,"message":"permission denied"}'),
    # unsubscribe
    ("unsubscribe", {"channel": "stage"}, b'"unsubscribe":{}'),
    ("unsubscribe", {"channel": "none"}, b'"unsubscribe":{}'),
    ("unsubscribe", {"channel": "film"}, b'"unsubscribe":{}'),
    # publish
    ("publish", {"channel": "open:new", "data": {"a": 1}}, b'"publish":{}'),
    (
        "publish",
        {"channel": "stage", "data": 1},
        b'"error":{"code":103,"message":"permission denied"}',
    ),
    ("publish", {"channel": "open:new"}, b'"error":{"code":107,"message":"bad request"}'),
    (
        "publish",
        {"channel": "open:new", "data": "x" * 20_000},
        b'"error":{"code":107,"message":"bad request"}',
    ),
    (
        "publish",
        {"channel": "open:film", "data": 1},
        b'"error":{"code":108,"message":"not available"}',
    ),
    # history
    ("history", {"channel": "stage"}, b'"history":{"epoch":"0a1b2c3d","offset":5}'),
    ("history", {"channel": "news", "limit": 9}, b'"history":{"epoch":"0a1b2c3d"}'),
    (
        "history",
        {"channel": "stage", "limit": 1},
        b'"history":{"publications":[{"data":{"n": 3},"offset":3}],"epoch":"0a1b2c3d","offset":5}',
    ),
    (
        "history",
        {"channel": "stage", "limit": 1, "reverse": True},
        b'"history":{"publications":[{"data":{"n": 5},"offset":5}],"epoch":"0a1b2c3d","offset":5}',
    ),
    (
        "history",
        {"channel": "stage", "limit": -1, "since": {"offset": 3, "epoch": EPOCH}},
        b'"history":{%b,"epoch":"0a1b2c3d","offset":5}' % PUBLICATIONS,
    ),
    (
        "history",
        {"channel": "stage", "limit": 9, "since": {"offset": 4}, "reverse": True},
        b'"history":{"publications":[{"data":{"n": 3},"offset":3}],"epoch":"0a1b2c3d","offset":5}',
    ),
    (
        "history",
        {"channel": "stage", "limit": 9, "since": {"offset": 1 << 70}},
        b'"history":{"epoch":"0a1b2c3d","offset":5}',
    ),
    (
        "history",
        {"channel": "stage", "limit": 1, "since": {"offset": 1, "epoch": "other"}},
        b'"error":{"code":112,"message":"unrecoverable position"}',
    ),
    (
        "history",
        {"channel": "mixed", "limit": -1},
        b'"history":{%b,"epoch":"0a1b2c3d","offset":3}' % MIXED,
    ),
    ("history", {"channel": "shut:1"}, b'"error":{"code":108,"message":"not available"}'),
    (
        "history",
        {"channel": "film", "limit": 1},
        b'"error":{"code":108,"message":"not available"}',
    ),
    ("history", {"channel": "none"}, b'"error":{"code":102,"message":"unknown channel"}'),
    ("history", {"channel": "$secret"}, b'"error":{"code":103,"message":"permission denied"}'),
    # presence
    (
        "presence_stats",
        {"channel": "stage"},
        b'"presence_stats":{"num_clients":9,"num_users":9}',
    ),
    (
        "presence_stats",
        {"channel": "counted"},
        b'"presence_stats":{"num_clients":7,"num_users":5}',
    ),
    (
        "presence_stats",
        {"channel": "film"},
        b'"presence_stats":{"num_clients":3,"num_users":3}',
    ),
    ("presence_stats", {"channel": "news"}, b'"presence_stats":{}'),
    ("presence_stats", {"channel": "shut:1"}, b'"error":{"code":108,"message":"not available"}'),
    ("presence", {"channel": "stage"}, b'"error":{"code":108,"message":"not available"}'),
    # the rest
    ("rpc", {"method": "any"}, b'"error":{"code":108,"message":"not available"}'),
    ("ping", {}, b'"ping":{}'),
    (
        "sub_refresh",
        {"channel": "stage", "token": "x"},
        b'"error":{"code":103,"message":"permission denied"}',
    ),
]


@pytest.mark.parametrize(("name", "request_", "member"), REPLIES)
def test_reply(name: str, request_: dict[str, object], member: bytes) -> None:
    assert world().say(1, {"id": 7, name: request_}) == [b'{"id":7,%b}' % member]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"[]",
        b"1",
        b'{"id":1',
        b'{"id":-1,"ping":{}}',
        b'{"id":4294967296,"ping":{}}',
        b'{"id":1.5,"ping":{}}',
        b'{"id":"1","ping":{}}',
        b'{"ping":{}}',
        b'{"id":1}',
        b'{"id":1,"ping":null}',
        b'{"id":1,"unheard":{}}',
        b'{"id":1,"ping":[]}',
        b'{"id":1,"subscribe":{}}',
        b'{"id":1,"subscribe":{"channel":1}}',
        b'{"id":1,"subscribe":{"channel":"a","offset":-1}}',
        b'{"id":1,"unsubscribe":{}}',
        b'{"id":1,"publish":{"data":1}}',
        b'{"id":1,"publish":{"channel":"open:1","data":"\xff"}}',
        b'{"id":1,"history":{}}',
        b'{"id":1,"presence_stats":{}}',
        b'{"id":1,"refresh":{}}',
        b'{"id":1,"sub_refresh":{}}',
        b'{"id":1,"connect":{}}',
        b'{"id":1,"rpc":{"data":%b1}}' % (b"[" * 100_000),
    ],
)
def test_bad_request(data: bytes) -> None:
    here = world()
    assert here.send(1, data) == ([BAD_REQUEST] if data else [])


@pytest.mark.parametrize("command", [{"id": 1, "ping": {}}, {}, {"send": {}}, {"id": 0}])
def test_nothing_comes_before_connect(command: dict[str, object]) -> None:
    assert World().say(1, command) == [BAD_REQUEST]


def test_replies_of_one_message_leave_together() -> None:
    ping = {"id": 2, "ping": {}}
    assert world().say(1, ping, {"id": 3, "ping": {}}) == [
        b'{"id":2,"ping":{}}\n{"id":3,"ping":{}}'
    ]


def test_what_was_answered_comes_before_a_subscription_and_a_disconnect() -> None:
    here = world()
    subscribe = {"id": 3, "subscribe": {"channel": "news"}}
    got = here.say(1, {"id": 2, "ping": {}}, subscribe, {"id": 4, "ping": {}}, {"id": 5})
    assert [frame if isinstance(frame, End) else json.loads(frame)["id"] for frame in got] == [
        *(2, 3, 4),
        BAD_REQUEST,
    ]


def test_nothing_is_done_after_a_disconnect() -> None:
    here = world()
    publish = {"id": 2, "publish": {"channel": "open:1", "data": 1}}
    assert here.say(1, {"id": 1}, publish) == [BAD_REQUEST]
    assert here.say(1, publish) == []
    assert "open:1" not in here.edge.channels


def test_pong_and_send_get_no_reply() -> None:
    assert world().say(1, {}, {"send": {"data": 1}}, {}) == []


def test_subscribed_twice_is_for_the_core_to_refuse() -> None:
    here = world()
    here.say(1, {"id": 2, "subscribe": {"channel": "news"}})
    again = here.ask(1, {"id": 3, "subscribe": {"channel": "news"}})
    assert again == {"id": 3, "error": {"code": 105, "message": "already subscribed"}}


def test_who_publishes_is_told() -> None:
    here = world()
    here.say(1, {"id": 2, "publish": {"channel": "open:1", "data": {"a": 1}}})
    channel = here.edge.channels["open:1"]
    (info,) = channel.published_by
    assert info is not None
    assert json.loads(info) == {
        "user": identity.decode(here.clients.under_way[1]).user,
        "client": "0000000000000001",
    }
    assert channel.held[0].data == '{"a": 1}'


def test_a_long_absence_cannot_be_recovered() -> None:
    here = world()
    channel = here.edge.channel("long")
    for number in range(RECOVERED_PUBLICATIONS_MAX + 1):
        channel.publish(str(number))
    absent = {"channel": "long", "recover": True, "epoch": EPOCH}
    assert (
        "recovered" not in here.ask(1, {"id": 2, "subscribe": {**absent, "offset": 0}})["subscribe"]
    )
    here.say(1, {"id": 3, "unsubscribe": {"channel": "long"}})
    result = here.ask(1, {"id": 4, "subscribe": {**absent, "offset": 1}})["subscribe"]
    assert [held["offset"] for held in result["publications"]] == list(
        range(2, RECOVERED_PUBLICATIONS_MAX + 2)
    )


def test_history_is_bounded_in_number_and_size() -> None:
    here = world()
    for name, data in (("many", "1"), ("large", json.dumps("x" * 8990))):
        channel = here.edge.channel(name)
        for _ in range(2000):
            channel.publish(data)
    many = here.ask(1, {"id": 2, "history": {"channel": "many", "limit": -1}})["history"]
    assert len(many["publications"]) == HISTORY_PUBLICATIONS_MAX
    assert many["offset"] == 2000
    (large,) = here.say(1, {"id": 3, "history": {"channel": "large", "limit": -1}})
    assert isinstance(large, bytes)
    assert HISTORY_BYTES_MAX <= len(large) < HISTORY_BYTES_MAX + 10_000


def test_a_cache_is_one_by_its_channel_too() -> None:
    here = world()
    here.edge.channel("state", cache=True).publish("1")
    result = here.ask(1, {"id": 2, "subscribe": {"channel": "state"}})["subscribe"]
    assert (result["recovered"], result["publications"]) == (True, [{"data": 1, "offset": 1}])


def test_a_cache_whose_newest_is_gone_has_nothing_to_give() -> None:
    here = world()
    here.edge.channel("state", cache=True).last = 7
    result = here.ask(1, {"id": 2, "subscribe": {"channel": "state"}})["subscribe"]
    assert (result.get("recovered"), result["offset"]) == (None, 7)

"""Subscription tokens: what they open, for whom, and for how long."""

from typing import Any

import pytest

from ngage.centrifugo import expiry
from ngage.centrifugo.expiry import Expiries
from ngage.errors import CloseCode
from ngage.identity import decode
from ngage.limits import EXPIRY_GRACE_SECONDS
from ngage.settings import NamespaceOptions, Settings
from tests.helpers.jwks import SECRET as KEY
from tests.helpers.jwks import sign
from tests.helpers.protocol import NOW, End, World

SOON = int(NOW) + 60
INVALID = End(CloseCode.INVALID_TOKEN, "invalid token")
DENIED = {"code": 103, "message": "permission denied"}


def world() -> World:
    """Clients 1 (user 42) and 2 (anonymous); $a and token:a need tokens."""
    here = World(
        Settings(
            token_hmac_secret=KEY,
            namespaces={"token": NamespaceOptions(subscribe="token", publish="anybody")},
        )
    )
    here.edge.channel("$a").publish("1")
    here.edge.channel("token:a")
    here.edge.channel("free")
    here.connected(1, token=sign({"sub": "42"}))
    here.connected(2)
    return here


def token(channel: str = "$a", sub: str = "42", **claims: Any) -> str:
    return sign({"sub": sub, "channel": channel, **claims})


def subscribe(here: World, client: int = 1, channel: str = "$a", text: str = "") -> Any:
    return here.ask(client, {"id": 2, "subscribe": {"channel": channel, "token": text}})


@pytest.mark.parametrize("channel", ["$a", "token:a", "free"])
def test_a_token_opens(channel: str) -> None:
    here = world()
    assert "subscribe" in subscribe(here, 1, channel, token(channel))
    assert (1, channel) in here.clients.subscribed


def test_result_says_when_it_expires() -> None:
    here = world()
    (got,) = here.say(1, {"id": 2, "subscribe": {"channel": "$a", "token": token(exp=SOON)}})
    assert got == (
        b'{"id":2,"subscribe":{"expires":true,"ttl":60,"recoverable":true,'
        b'"epoch":"0a1b2c3d","offset":1,"positioned":true}}'
    )


@pytest.mark.parametrize("channel", ["$a", "token:a"])
def test_without_a_token(channel: str) -> None:
    assert subscribe(world(), 1, channel)["error"] == DENIED


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x", 103),
        (sign({"sub": "42", "channel": "$a"}, key=KEY + "x"), 103),
        (token(exp=int(NOW)), 109),
        (token(expire_at=1), 110),
    ],
)
def test_errors(text: str, code: int) -> None:
    assert subscribe(world(), text=text)["error"]["code"] == code


@pytest.mark.parametrize(
    "text",
    [token("$b"), token(sub="43"), token(sub=""), token(client="0000000000000002"), sign({})],
)
def test_a_token_for_another_channel_user_or_client(text: str) -> None:
    assert subscribe(world(), text=text) == INVALID


def test_a_token_for_this_client() -> None:
    assert "subscribe" in subscribe(world(), text=token(client="0000000000000001"))


def test_a_token_for_an_anonymous_one() -> None:
    here = world()
    assert "subscribe" in subscribe(here, 2, text=token(sub=""))
    user = decode(here.clients.under_way[2]).user
    here.say(2, {"id": 3, "unsubscribe": {"channel": "$a"}})
    assert "subscribe" in subscribe(here, 2, text=token(sub=user))


def test_what_a_token_opened_may_be_asked() -> None:
    here = world()
    history = {"id": 3, "history": {"channel": "$a", "limit": 1}}
    assert here.ask(1, history)["error"] == DENIED
    subscribe(here, text=token(exp=SOON))
    assert len(here.ask(1, history)["history"]["publications"]) == 1
    here.now = SOON
    assert here.ask(1, history)["error"] == DENIED


def test_what_a_token_opened_may_be_published_to() -> None:
    here = world()
    publish = {"id": 3, "publish": {"channel": "token:a", "data": 1}}
    assert here.ask(1, publish)["error"] == DENIED
    subscribe(here, 1, "token:a", token("token:a"))
    assert here.ask(1, publish) == {"id": 3, "publish": {}}
    here.say(1, {"id": 4, "unsubscribe": {"channel": "token:a"}})
    assert here.ask(1, publish)["error"] == DENIED


def test_grants_are_bounded() -> None:
    here = world()
    for number in range(20):
        here.edge.channel(f"${number}")
        subscribe(here, 1, f"${number}", token(f"${number}"))
    granted = decode(here.clients.under_way[1]).granted
    assert [name for name, _ in granted] == [f"${number}" for number in range(4, 20)]


# Expiry


def test_a_subscription_ends_a_while_after_its_token() -> None:
    here = world()
    subscribe(here, text=token(exp=SOON))
    here.taken(1)
    here.now = SOON + EXPIRY_GRACE_SECONDS - 1
    here.protocol.end_expired()
    assert here.taken(1) == []
    here.now += 1
    here.protocol.end_expired()
    assert here.taken(1) == [
        b'{"push":{"channel":"$a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}'
    ]
    assert (1, "$a") not in here.clients.subscribed


def test_refresh_puts_the_end_off() -> None:
    here = world()
    subscribe(here, text=token(exp=SOON))
    fresh = {"channel": "$a", "token": token(exp=SOON + 100)}
    assert here.say(1, {"id": 3, "sub_refresh": fresh}) == [
        b'{"id":3,"sub_refresh":{"expires":true,"ttl":160}}'
    ]
    here.now = SOON + EXPIRY_GRACE_SECONDS
    here.protocol.end_expired()
    assert here.taken(1) == []
    here.now += 100
    here.protocol.end_expired()
    assert len(here.taken(1)) == 1


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (token(), {"id": 3, "sub_refresh": {}}),
        ("x", INVALID),
        (token("$b"), INVALID),
        (token(sub="43"), INVALID),
        (token(exp=1), {"id": 3, "error": {"code": 109, "message": "token expired"}}),
        ("", {"id": 3, "error": {"code": 107, "message": "bad request"}}),
    ],
)
def test_refresh(text: str, answer: object) -> None:
    here = world()
    subscribe(here, text=token(exp=SOON))
    assert here.ask(1, {"id": 3, "sub_refresh": {"channel": "$a", "token": text}}) == answer


def test_only_what_expires_is_refreshed() -> None:
    here = world()
    subscribe(here, text=token())
    got = here.ask(1, {"id": 3, "sub_refresh": {"channel": "$a", "token": token(exp=SOON)}})
    assert got["error"] == DENIED


@pytest.mark.parametrize("again", ["", token("free")])
def test_what_was_ended_and_begun_anew_does_not_end(again: str) -> None:
    here = world()
    subscribe(here, 1, "free", token("free", exp=SOON))
    here.say(1, {"id": 3, "unsubscribe": {"channel": "free"}})
    subscribe(here, 1, "free", again)
    here.taken(1)
    here.now = SOON + 1000
    here.protocol.end_expired()
    assert here.taken(1) == []


def test_expiries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "EXPIRING_SUBSCRIPTIONS_MAX", 1)
    here = world()
    subscribe(here, text=token(exp=SOON))
    got = subscribe(here, 1, "token:a", token("token:a", exp=SOON))
    assert got["error"]["code"] == 106
    assert "subscribe" in subscribe(here, 1, "free")


def test_refreshing_often_does_not_grow() -> None:
    expiries = Expiries()
    for second in range(10_000):
        assert expiries.add(1, "a", second)
    assert len(expiries._heap) < 100
    assert list(expiries.due(1e9)) == [(1, "a")]
    assert len(expiries) == 0


async def test_timers_end_and_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    subscribe(here, text=token(exp=SOON))
    here.now = SOON + 1000
    async with here.protocol:
        for _ in range(10):
            assert here.protocol._timer is not None
            here.protocol._timer.cancel()
            here.protocol._tick()
    assert (1, "$a") not in here.clients.subscribed
    assert here.protocol._recent._young == {}


def test_reload_takes_keys_and_namespaces() -> None:
    here = world()
    here.protocol.reload(Settings(namespace_subscribe="token", token_hmac_secret=KEY[::-1]))
    assert subscribe(here, 1, "free")["error"] == DENIED
    assert subscribe(here, 1, "free", token("free"))["error"] == DENIED
    fresh = sign({"sub": "42", "channel": "free"}, key=KEY[::-1])
    assert "subscribe" in subscribe(here, 1, "free", fresh)

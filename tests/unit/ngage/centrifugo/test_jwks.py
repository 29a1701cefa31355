"""Keys by URL: found, rotated, withdrawn, out of reach; never waited for on the loop."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from ngage.centrifugo import jwks
from ngage.centrifugo.jwks import KeySet, parse
from ngage.errors import CloseCode
from ngage.limits import (
    CLIENT_WAITING_MESSAGES_MAX,
    JWKS_BYTES_MAX,
    WAITING_MESSAGES_MAX,
)
from ngage.settings import Settings
from tests.helpers.jwks import KeyServer, jwk, private_key, rsa_key, sign
from tests.helpers.protocol import End, World
from tests.helpers.wait import eventually

INVALID = End(CloseCode.INVALID_TOKEN, "invalid token")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch again without a pause."""
    monkeypatch.setattr(jwks, "JWKS_INTERVAL_SECONDS", 0)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer().running() as running:
        running.keys = [jwk(rsa_key(), "one")]
        yield running


def world(server: KeyServer) -> World:
    return World(Settings(token_jwks_url=server.url))


async def join(here: World, client: int, token: str) -> object:
    """What a client gets for a connect with a token that waits for keys."""
    assert here.say(client, {"id": 1, "connect": {"token": token}}) == []
    await eventually(lambda: client in here.clients.sent, "an answer")
    (got,) = here.taken(client)
    return got


async def test_keys_are_fetched_once_and_then_known(server: KeyServer) -> None:
    here = world(server)
    token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
    assert isinstance(await join(here, 1, token), bytes)
    assert here.connected(2, token=token)["data"]["user"] == "42"
    assert server.asked == 1


async def test_a_key_that_is_new_is_fetched(server: KeyServer) -> None:
    here = world(server)
    await join(here, 1, sign({"sub": "42"}, "RS256", rsa_key(), kid="one"))
    server.keys = [jwk(private_key("ES256"), "two")]
    assert isinstance(
        await join(here, 2, sign({"sub": "42"}, "ES256", private_key("ES256"), kid="two")), bytes
    )
    assert server.asked == 2
    # What is no longer in the set is forgotten.
    assert await join(here, 3, sign({"sub": "42"}, "RS256", rsa_key(), kid="one")) == INVALID


async def test_a_key_that_nobody_has_is_a_forgery(server: KeyServer) -> None:
    assert await join(world(server), 1, sign({}, "RS256", rsa_key(1), kid="none")) == INVALID


async def test_a_set_of_one_key_needs_no_name(server: KeyServer) -> None:
    assert isinstance(await join(world(server), 1, sign({}, "RS512", rsa_key())), bytes)


async def test_whoever_waits_waits_for_the_same_fetch(server: KeyServer) -> None:
    here = world(server)
    for client in range(50):
        token = sign({"sub": "42"}, "RS256", rsa_key(), kid=f"forged {client}")
        here.say(client, {"id": 1, "connect": {"token": token}})
    await eventually(lambda: len(here.clients.sent) == 50, "answers")
    assert server.asked == 1


async def test_fetches_keep_their_distance(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keys tokens name, the next fetch begins an interval after the last."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    keys = KeySet(server.url)
    await keys.refresh()
    monkeypatch.setattr(jwks, "JWKS_INTERVAL_SECONDS", 1000)
    monkeypatch.setattr(jwks.asyncio, "sleep", sleep)
    await keys.refresh()
    assert 900 < pauses[0] <= 1000


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (200, b""), (200, b"[]"), (200, b'{"keys":{}}'), (200, b"x" * JWKS_BYTES_MAX * 2)],
)
async def test_trouble_with_the_server_is_temporary(
    status: int, body: bytes, server: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.status, server.body = status, body
    here = world(server)
    token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
    error = b'{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}'
    assert await join(here, 1, token) == error
    assert await join(here, 2, token) == error
    assert len(caplog.records) == 1
    assert server.url in caplog.text
    server.status, server.body = 200, None
    assert isinstance(await join(here, 1, token), bytes)


async def test_old_keys_hold_while_the_server_is_away(server: KeyServer) -> None:
    here = world(server)
    token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
    await join(here, 1, token)
    server.status = 500
    await join(here, 2, sign({}, "RS256", rsa_key(1), kid="none"))
    assert here.connected(3, token=token)


async def test_a_withdrawn_key_is_forgotten_after_a_while(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeySet(server.url)
    await keys.refresh()
    server.keys = [jwk(rsa_key(1), "two")]
    monkeypatch.setattr(jwks, "JWKS_AGE_SECONDS_MAX", -1)
    assert keys.find("one") is not None
    await keys.refresh()
    assert keys.find("one") is None


async def test_commands_keep_their_order_while_a_token_waits(server: KeyServer) -> None:
    here = world(server)
    here.edge.channel("stage")
    token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
    connect = {"id": 1, "connect": {"token": token}}
    assert here.say(1, connect, {"id": 2, "subscribe": {"channel": "stage"}}) == []
    assert here.say(1, {"id": 3, "history": {"channel": "stage"}}) == []
    await eventually(lambda: (1, "stage") in here.clients.subscribed, "a subscription")
    got = b"\n".join(frame for frame in here.taken(1) if isinstance(frame, bytes))
    assert [line[:7] for line in got.split(b"\n")] == [b'{"id":1', b'{"id":2', b'{"id":3']


async def test_a_crowd_that_waits_is_taken_bit_by_bit(server: KeyServer) -> None:
    """Who comes on top waits in the core; nobody is turned away."""
    here = world(server)
    token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
    batch = [
        here.message(client, b'{"id":1,"connect":{"token":"%b"}}' % token.encode())
        for client in range(2 * WAITING_MESSAGES_MAX)
    ]
    here.protocol.receive(batch[: WAITING_MESSAGES_MAX + 1])
    assert here.clients.held
    assert here.protocol._waiting_messages == WAITING_MESSAGES_MAX
    here.protocol.receive(batch[WAITING_MESSAGES_MAX + 1 :])
    await eventually(lambda: len(here.clients.sent) == len(batch), "answers")
    assert sorted(here.clients.identities | here.clients.under_way) == list(range(len(batch)))
    assert here.protocol._waiting_messages == 0
    assert not here.clients.held


async def test_who_sends_on_and_on_is_closed(server: KeyServer) -> None:
    here = world(server)
    token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
    here.say(1, {"id": 1, "connect": {"token": token}})
    for number in range(CLIENT_WAITING_MESSAGES_MAX - 1):
        assert here.say(1, {"id": 2 + number, "ping": {}}) == []
    assert here.say(1, {"id": 100, "ping": {}}) == [End(3013, "too many requests")]
    assert here.protocol._waiting_messages == 0


async def test_a_subscription_token_waits_too(server: KeyServer) -> None:
    here = world(server)
    here.edge.channel("$stage")
    user = here.connected(1)["data"]["user"]
    claims = {"sub": user, "channel": "$stage"}
    token = sign(claims, "RS256", rsa_key(), kid="one")
    assert here.say(1, {"id": 2, "subscribe": {"channel": "$stage", "token": token}}) == []
    await eventually(lambda: (1, "$stage") in here.clients.subscribed, "a subscription")


async def test_stopping_waits_for_nobody(server: KeyServer) -> None:
    here = world(server)
    async with here.protocol:
        here.say(1, {"id": 1, "connect": {"token": sign({}, "RS256", rsa_key(), kid="one")}})
    await asyncio.sleep(0)
    assert here.clients.sent == {}


def test_keys_that_verify_no_token_are_passed_over() -> None:
    private = jwt_private()
    keys = [
        jwk(rsa_key(), "signs", alg="RS384"),
        jwk(rsa_key(), "encrypts", use="enc"),
        jwk(rsa_key(0, 1024), "short"),
        jwk(private_key("ES256"), "other", alg="RS256"),
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "edwards", "x": "A" * 43},
        {"kty": "RSA", "kid": "half", "n": "AQAB"},
        {"kid": "nothing"},
        private,
        1,
    ]
    found = parse(json.dumps({"keys": keys}).encode())
    assert {kid: sorted(key.algorithms) for kid, key in found.items()} == {"signs": ["RS384"]}


def jwt_private() -> dict[str, object]:
    """A private key where a public one belongs."""
    return {
        **jwks.jwt.algorithms.ECAlgorithm.to_jwk(private_key("ES256"), as_dict=True),
        "kid": "private",
    }

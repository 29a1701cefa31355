"""Centrifugo's own SDKs, as they come from their registries, on this edge."""

import time
from typing import Any

import pytest

from ngage import tickets
from ngage.centrifugo import codec, expiry
from ngage.identity import RpcCall
from ngage.settings import NamespaceOptions, Settings
from tests.helpers.daemon import Daemon
from tests.helpers.jwks import SECRET as KEY
from tests.helpers.jwks import sign
from tests.helpers.sdks import SDKS, CallFailedError
from tests.helpers.spoken import SECRET, Network, spoken
from tests.helpers.successors import upgradable
from tests.helpers.wait import eventually

PATH = "/connection/websocket"
SETTINGS = Settings(
    token_hmac_secret=KEY,
    namespaces={"open": NamespaceOptions(publish="anybody", create=True)},
)
DAEMON = ["--set", "namespace_create=true", "--set", "namespace_publish=anybody"]

pytestmark = pytest.mark.parametrize("sdk", SDKS, ids=["python", "js"])


def lasting(seconds: float, **claims: object) -> str:
    """A token that expires."""
    return sign({"sub": "42", "exp": time.time() + seconds, **claims})


async def test_subscribe_publish_and_ask(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        await client.connect(token=sign({"sub": "42", "info": {"name": "x"}}))
        assert (await client.next("connected"))["data"]["user"] == "42"
        await client.subscribe("open:1")
        await client.next("subscribed")
        await client.publish("open:1", {"text": "hello, everybody"})
        got = await client.next("publication")
        assert (got["data"], got["offset"]) == ({"text": "hello, everybody"}, 1)
        assert got["info"] == {"user": "42", "conn_info": {"name": "x"}}
        edge.channel("open:1").publish("no json")
        assert await client.published(1) == ["no json"]
        assert await client.history("open:1", 10) == [{"text": "hello, everybody"}, "no json"]
        assert await client.presence_stats("open:1") == (1, 1)
        await client.unsubscribe("open:1")
        await client.next("unsubscribed")
        await eventually(lambda: not edge.channel("open:1").subscribers, "nobody to be left")


async def test_calls(sdk: type[Any]) -> None:
    def rpc(call: RpcCall) -> object:
        return call.data if call.method == "echo" else RefusalOfTest()

    async with spoken(SETTINGS, rpc=rpc) as edge, sdk(edge.url + PATH) as client:
        await client.connect()
        await client.next("connected")
        assert await client.rpc("echo", {"a": [1, "\N{SNOWMAN}"]}) == {"a": [1, "\N{SNOWMAN}"]}
        with pytest.raises(CallFailedError) as failed:
            await client.rpc("other", {})
        assert failed.value.code == 4009


class RefusalOfTest:
    code = 4009
    message = "not now"


async def test_errors_have_their_codes(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        edge.channel("stage")
        await client.connect()
        await client.next("connected")
        for call, code in (
            (client.publish("stage", 1), 103),
            (client.history("none", 1), 102),
            (client.history("$none", 1), 103),
            (client.presence("stage"), 108),
        ):
            with pytest.raises(CallFailedError) as failed:
                await call
            assert failed.value.code == code
        for channel, code in (("none", 102), ("$none", 103)):
            await client.subscribe(channel)
            assert (await client.next("unsubscribed", channel=channel))["code"] == code


async def test_a_ticket_is_the_same_voter(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        ticket = tickets.mint(SECRET, 7, int(time.time()) + 100)
        await client.connect(data={"ticket": ticket})
        assert (await client.next("connected"))["data"]["user"] == "anon-0000000000000007"


async def test_an_invalid_token_is_final(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        await client.connect(token=sign({"sub": "42"}, key=KEY[::-1]))
        assert (await client.next("disconnected"))["code"] == 3500


async def test_an_expired_token_is_replaced(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        await client.connect(token=lasting(-1), get_token=lambda: lasting(100))
        assert (await client.next("connected"))["data"]["user"] == "42"


async def test_tokens_are_refreshed_in_time(sdk: type[Any]) -> None:
    """Of the connection and of a subscription; both go on."""
    asked: list[str] = []

    def get_token(channel: str) -> str:
        asked.append(channel)
        return lasting(1.5 if asked.count(channel) == 1 else 1000, channel=channel)

    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        edge.channel("$a")
        await client.connect(get_token=lambda: get_token(""))
        await client.next("connected")
        await client.subscribe("$a", get_token=lambda: get_token("$a"))
        await client.next("subscribed")
        await eventually(lambda: sorted(asked) == ["", "", "$a", "$a"], "refreshes")
        edge.channel("$a").publish("1")
        assert await client.published(1) == [1]


async def test_a_subscription_that_nobody_refreshes_ends(
    sdk: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "EXPIRY_GRACE_SECONDS", 0)
    # An SDK that cannot refresh ends it by itself after the ttl, perhaps sooner than the edge.
    monkeypatch.setattr(codec, "expiry", lambda _expires, _now: b'"expires":true,"ttl":3600')
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        edge.channel("$a")
        await client.connect(token=sign({"sub": "42"}))
        await client.next("connected")
        await client.subscribe("$a", token=lasting(1.5, channel="$a"))
        await client.next("subscribed")
        await client.next("subscribing", channel="$a", code=2501)
        # It tries again with what it has, which is no longer taken.
        await client.next("unsubscribed", channel="$a")


async def test_sent_away(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        await client.connect()
        first = (await client.next("connected"))["client"]
        assert edge.disconnect(first, 3011, "force reconnect")
        second = (await client.next("connected"))["client"]
        assert second != first
        assert edge.disconnect(second, 3503, "force disconnect")
        gone = await client.next("disconnected")
        assert (gone["code"], gone["reason"]) == (3503, "force disconnect")


async def test_the_server_subscribes(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        edge.channel("news")
        await client.connect(token=sign({"sub": "42", "channels": ["news"]}))
        await client.next("connected")
        edge.channel("news").publish("1")
        got = await client.next("server_publication")
        assert (got["channel"], got["data"]) == ("news", 1)


async def test_a_cache_gives_the_newest_at_once(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, sdk(edge.url + PATH) as client:
        state = edge.channel("state", cache=True)
        for number in range(3):
            state.publish(str(number))
        await client.connect()
        await client.subscribe("state")
        assert (await client.next("subscribed"))["recovered"]
        assert await client.published(1) == [2]
        state.publish("3")
        assert await client.published(1) == [3]


# Recovery


async def test_recovers_after_the_network_was_away(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, Network(edge.address) as network:
        stage = edge.channel("stage")
        async with sdk(network.url + PATH) as client:
            await client.connect()
            await client.subscribe("stage")
            await client.next("subscribed")
            for number in range(3):
                stage.publish(str(number))
            assert await client.published(3) == [0, 1, 2]
            network.target = None
            network.cut()
            await client.next("connecting")
            for number in range(3, 103):
                stage.publish(str(number))
            network.target = edge.address
            back = await client.next("subscribed")
            assert (back["was_recovering"], back["recovered"]) == (True, True)
            stage.publish("103")
            assert await client.published(101) == list(range(3, 104))


async def test_is_told_that_too_much_was_missed(sdk: type[Any]) -> None:
    async with spoken(SETTINGS) as edge, Network(edge.address) as network:
        stage = edge.channel("stage", history=16)
        async with sdk(network.url + PATH) as client:
            await client.connect()
            await client.subscribe("stage")
            await client.next("subscribed")
            network.target = None
            network.cut()
            await client.next("connecting")
            for number in range(100):
                stage.publish(str(number))
            network.target = edge.address
            back = await client.next("subscribed")
            assert (back["was_recovering"], back["recovered"]) == (True, False)
            stage.publish("100")
            assert await client.published(1) == [100]


async def test_comes_back_after_a_restart(sdk: type[Any]) -> None:
    """The new process has new epochs, and says so."""
    with Daemon(*DAEMON) as daemon:
        async with Network(daemon.public) as network, sdk(network.url + PATH) as client:
            await client.connect()
            await client.subscribe("stage")
            await client.next("subscribed")
            await client.publish("stage", 1)
            assert await client.published(1) == [1]
            network.target = None
            assert daemon.stop() == 0
            await client.next("connecting")
            with Daemon(*DAEMON) as another:
                network.target = another.public
                back = await client.next("subscribed")
                assert (back["was_recovering"], back["recovered"]) == (True, False)
                await client.publish("stage", 2)
                assert await client.published(1) == [2]


async def test_misses_nothing_across_an_upgrade(sdk: type[Any]) -> None:
    with upgradable(*DAEMON) as (daemon, successors):
        async with sdk(daemon.url + PATH) as client:
            await client.connect()
            await client.subscribe("stage")
            await client.next("subscribed")
            for number in range(5):
                daemon.api("publish", {"channel": "stage", "data": number})
            successors.upgrade()
            for number in range(5, 10):
                daemon.api("publish", {"channel": "stage", "data": number})
            assert await client.published(5) == list(range(5))
            back = await client.next("subscribed")
            assert (back["was_recovering"], back["recovered"]) == (True, True)
            assert await client.published(5) == list(range(5, 10))

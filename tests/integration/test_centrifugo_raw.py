"""The JSON protocol on a plain WebSocket: what goes over the wire, on a whole edge."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from ngage import tickets
from ngage.api import Edge
from ngage.errors import CloseCode
from ngage.settings import NamespaceOptions, Settings
from tests.helpers.daemon import Daemon
from tests.helpers.jwks import SECRET as KEY
from tests.helpers.jwks import KeyServer, jwk, rsa_key, sign
from tests.helpers.spoken import SECRET, spoken
from tests.helpers.wait import eventually

SETTINGS = Settings(
    token_hmac_secret=KEY, namespaces={"open": NamespaceOptions(publish="anybody", create=True)}
)


@asynccontextmanager
async def wire(edge: Edge) -> AsyncIterator[ClientConnection]:
    """A WebSocket on the endpoint."""
    async with websockets.connect(f"{edge.url}/connection/websocket", proxy=None) as socket:
        yield socket


async def replies(socket: ClientConnection, *commands: object) -> list[Any]:
    """What comes back for commands in one message: as many replies, pushes left out."""
    await socket.send("\n".join(map(json.dumps, commands)))
    got: list[Any] = []
    while len(got) < len(commands):
        for line in str(await socket.recv()).split("\n"):
            reply = json.loads(line)
            got += [reply] if "id" in reply else []
    return got


async def ask(socket: ClientConnection, command: object) -> Any:
    (reply,) = await replies(socket, command)
    return reply


async def ended(socket: ClientConnection) -> tuple[int | None, str | None]:
    await socket.wait_closed()
    return socket.close_code, socket.close_reason


async def test_a_whole_conversation() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        connect = await ask(socket, {"id": 1, "connect": {}})
        client, user = connect["connect"]["client"], connect["connect"]["data"]["user"]
        await socket.send(json.dumps({"id": 2, "subscribe": {"channel": "open:1"}}))
        epoch = edge.channel("open:1").position.epoch
        assert await socket.recv() == (
            f'{{"id":2,"subscribe":{{"recoverable":true,"epoch":"{epoch}","positioned":true}}}}'
        )
        await socket.send(json.dumps({"id": 3, "publish": {"channel": "open:1", "data": {"a": 1}}}))
        frames = [str(await socket.recv()) for _ in range(2)]
        info = f'{{"user":"{user}","client":"{client}"}}'
        pub = f'{{"data":{{"a": 1}},"info":{info},"offset":1}}'
        push = f'{{"push":{{"channel":"open:1","pub":{pub}}}}}'
        assert sorted(frames) == ['{"id":3,"publish":{}}', push]
        stats = await ask(socket, {"id": 4, "presence_stats": {"channel": "open:1"}})
        assert stats["presence_stats"] == {"num_clients": 1, "num_users": 1}
        assert await ask(socket, {"id": 5, "unsubscribe": {"channel": "open:1"}}) == {
            "id": 5,
            "unsubscribe": {},
        }
        await eventually(lambda: not edge.channel("open:1").subscribers, "nobody to be left")


async def test_commands_of_one_message_are_answered_in_order() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        for name in ("a", "b"):
            edge.channel(name)
        commands = [
            {"id": 1, "connect": {}},
            {"id": 2, "ping": {}},
            {"id": 3, "subscribe": {"channel": "a"}},
            {"id": 4, "history": {"channel": "a", "limit": 1}},
            {"id": 5, "subscribe": {"channel": "b"}},
            {"id": 6, "subscribe": {"channel": "a"}},
            {"id": 7, "ping": {}},
        ]
        got = await replies(socket, *commands)
        assert [reply["id"] for reply in got] == [1, 2, 3, 4, 5, 6, 7]
        assert got[5]["error"] == {"code": 105, "message": "already subscribed"}


async def test_recovery_is_complete_and_in_order() -> None:
    """What was missed, and then what comes, without a hole."""
    async with spoken(SETTINGS) as edge:
        stage = edge.channel("stage")
        for number in range(1, 51):
            stage.publish(json.dumps(number))
        epoch = stage.position.epoch
        for since in (0, 1, 49, 50):
            async with wire(edge) as socket:
                await ask(socket, {"id": 1, "connect": {}})
                asked = {"channel": "stage", "recover": True, "epoch": epoch, "offset": since}
                last = stage.position.offset
                got = (await ask(socket, {"id": 2, "subscribe": asked}))["subscribe"]
                assert (got["recovered"], got["was_recovering"]) == (True, True)
                assert got.get("offset", 0) == since
                missed = got.get("publications", [])
                offsets = [publication["offset"] for publication in missed]
                assert offsets == list(range(since + 1, last + 1))
                assert [publication["data"] for publication in missed] == offsets
                stage.publish(json.dumps(last + 1))
                push = json.loads(await socket.recv())["push"]
                assert push == {"channel": "stage", "pub": {"data": last + 1, "offset": last + 1}}


async def test_what_cannot_be_recovered_is_said() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        stage = edge.channel("stage", history=4)
        for number in range(10):
            stage.publish(str(number))
        await ask(socket, {"id": 1, "connect": {}})
        asked = {"channel": "stage", "recover": True, "epoch": stage.position.epoch, "offset": 1}
        refused = await ask(socket, {"id": 2, "subscribe": {**asked, "flag": 2}})
        assert refused["error"]["code"] == 112
        got = (await ask(socket, {"id": 3, "subscribe": asked}))["subscribe"]
        assert (got.get("recovered"), got["was_recovering"], got["offset"]) == (None, True, 10)


async def test_data_of_every_kind_is_one_line() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        stage = edge.channel("stage")
        await replies(
            socket, {"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "stage"}}
        )
        for data in ("no json", b"\x00\xff", '{\n "a": 1\n}', '"\\n"'):
            stage.publish(data)
        got: list[Any] = []
        while len(got) < 4:
            frame = str(await socket.recv())
            got += [json.loads(line)["push"]["pub"]["data"] for line in frame.split("\n")]
        assert got == ["no json", "AP8=", {"a": 1}, "\n"]
        history = await ask(socket, {"id": 3, "history": {"channel": "stage", "limit": -1}})
        assert [held["data"] for held in history["history"]["publications"]] == got


async def test_history_pages_forwards_and_backwards() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        stage = edge.channel("stage")
        for number in range(1, 11):
            stage.publish(str(number))
        await ask(socket, {"id": 1, "connect": {}})

        async def page(**options: object) -> list[int]:
            asked = {"id": 2, "history": {"channel": "stage", "limit": 4, **options}}
            found = (await ask(socket, asked))["history"].get("publications", [])
            return [held["offset"] for held in found]

        position = {"epoch": stage.position.epoch}
        assert await page() == [1, 2, 3, 4]
        assert await page(since={**position, "offset": 4}) == [5, 6, 7, 8]
        assert await page(since={**position, "offset": 8}) == [9, 10]
        assert await page(reverse=True) == [10, 9, 8, 7]
        assert await page(reverse=True, since={**position, "offset": 7}) == [6, 5, 4, 3]
        assert await page(reverse=True, since={**position, "offset": 3}) == [2, 1]
        assert await page(reverse=True, since={**position, "offset": 1}) == []
        assert await page(reverse=True, since={**position, "offset": 1000}) == [10, 9, 8, 7]


async def test_refresh() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        now = int(time.time())
        connect = {"token": sign({"sub": "42", "exp": now + 60})}
        first = (await ask(socket, {"id": 1, "connect": connect}))["connect"]
        assert (first["expires"], 55 <= first["ttl"] <= 60) == (True, True)
        fresh = {"token": sign({"sub": "42", "exp": now + 600})}
        second = (await ask(socket, {"id": 2, "refresh": fresh}))["refresh"]
        assert (second["expires"], 595 <= second["ttl"] <= 600) == (True, True)
        await socket.send(json.dumps({"id": 3, "refresh": {"token": sign({"sub": "43"})}}))
        assert await ended(socket) == (3500, "invalid token")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no command", CloseCode.BAD_REQUEST),
        ('{"id":1,"ping":{}}', CloseCode.BAD_REQUEST),
        ('{"id":1,"connect":{"token":"x"}}', CloseCode.INVALID_TOKEN),
        ('{"id":1,"connect":{"data":{"ticket":"x"}}}', CloseCode.INVALID_TOKEN),
        ('{"id":1,"connect":{}}\n{"id":2,"connect":{}}', CloseCode.BAD_REQUEST),
        ('{"id":1,"connect":{}}\n{"id":2,"other":{}}', CloseCode.BAD_REQUEST),
    ],
)
async def test_disconnects(message: str, code: CloseCode) -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        await socket.send(message)
        assert (await ended(socket))[0] == code


async def test_subscriptions_are_bounded() -> None:
    async with spoken(SETTINGS) as edge, wire(edge) as socket:
        commands = [
            {"id": number + 2, "subscribe": {"channel": f"open:{number}"}} for number in range(17)
        ]
        got = await replies(socket, {"id": 1, "connect": {}}, *commands)
        assert got[-1]["error"] == {"code": 106, "message": "limit exceeded"}
        assert all("subscribe" in reply for reply in got[1:-1])


async def test_viewers_are_counted_once_and_monitors_not() -> None:
    async with spoken(SETTINGS) as edge:
        stage = edge.channel("stage", counted=True)
        lasts = int(time.time()) + 100
        ticket = tickets.mint(SECRET, 7, lasts)
        monitor = tickets.mint(SECRET, 8, lasts, monitor=True)
        subscribe = {"id": 2, "subscribe": {"channel": "stage"}}
        async with wire(edge) as one, wire(edge) as two, wire(edge) as three:
            for socket, text in ((one, ticket), (two, ticket), (three, monitor)):
                await replies(socket, {"id": 1, "connect": {"data": {"ticket": text}}}, subscribe)
            asked = {"id": 3, "presence_stats": {"channel": "stage"}}
            stats = (await ask(three, asked))["presence_stats"]
            assert stats == {"num_clients": 2, "num_users": 1}
            assert stage.subscribers == 3


async def test_a_token_whose_key_has_to_be_fetched() -> None:
    with KeyServer().running() as server:
        server.keys = [jwk(rsa_key(), "one")]
        async with spoken(Settings(token_jwks_url=server.url)) as edge, wire(edge) as socket:
            edge.channel("stage")
            token = sign({"sub": "42"}, "RS256", rsa_key(), kid="one")
            connect = {"id": 1, "connect": {"token": token}}
            got = await replies(socket, connect, {"id": 2, "subscribe": {"channel": "stage"}})
            assert got[0]["connect"]["data"]["user"] == "42"
            assert "subscribe" in got[1]


async def test_a_daemon_speaks_it_with_the_settings_of_its_file(tmp_path: Any) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(
        f'token_hmac_secret = "{KEY}"\nanonymous = false\n[channels."room:1"]\n'
        '[namespaces.room]\nsubscribe = "users"\n'
    )
    with Daemon("--config", str(config)) as daemon:
        url = f"{daemon.url}/connection/websocket"
        async with websockets.connect(url, proxy=None) as socket:
            await socket.send('{"id":1,"connect":{}}')
            assert await ended(socket) == (3501, "bad request")
        async with websockets.connect(url, proxy=None) as socket:
            connect = {"id": 1, "connect": {"token": sign({"sub": "42"})}}
            got = await replies(socket, connect, {"id": 2, "subscribe": {"channel": "room:1"}})
            assert "subscribe" in got[1]
        assert KEY not in daemon.log()

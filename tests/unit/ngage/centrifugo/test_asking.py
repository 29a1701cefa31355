"""What the application is asked: hooks and rpc methods, at once or by coroutines."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from ngage.centrifugo import session
from ngage.errors import CloseCode
from ngage.identity import Identity, RpcCall
from ngage.settings import Settings
from tests.helpers.jwks import SECRET as KEY
from tests.helpers.jwks import sign
from tests.helpers.protocol import End, World
from tests.helpers.wait import eventually

SETTINGS = Settings(token_hmac_secret=KEY)
BAD_REQUEST = End(CloseCode.BAD_REQUEST, "bad request")


# Hooks


def refusal(code: int, temporary: bool = False) -> SimpleNamespace:
    return SimpleNamespace(code=code, message="not today", temporary=temporary)


def test_hook_sees_who_comes() -> None:
    seen: list[tuple[str, str, bytes]] = []

    def hook(somebody: Identity, address: str, data: bytes) -> object:
        seen.append((somebody.user, address, data))
        return SimpleNamespace()  # says nothing of refusing

    here = World(SETTINGS, on_connect=hook)
    here.connected(1, token=sign({"sub": "42"}), data={"a": 1})
    here.connected(2, token=sign({"sub": "43"}))
    assert seen == [("42", "192.0.2.1", b'{"a": 1}'), ("43", "192.0.2.1", b"")]


def test_hook_refuses() -> None:
    answers = iter([refusal(4010), refusal(4008, True)])
    here = World(SETTINGS, on_connect=lambda *_: next(answers))
    final = {"code": 4010, "message": "not today"}
    assert here.ask(1, {"id": 1, "connect": {}}) == {"id": 1, "error": final}
    later = {"code": 4008, "message": "not today", "temporary": True}
    assert here.ask(2, {"id": 1, "connect": {}}) == {"id": 1, "error": later}
    assert here.clients.told == []


def test_hook_of_messages() -> None:
    seen: list[tuple[str, bytes]] = []

    def hook(somebody: Identity, channel: str, data: bytes) -> object:
        seen.append((channel, data))
        return refusal(4010) if b"bad" in data else None

    settings = Settings(namespace_publish="anybody", namespace_create=True)
    here = World(settings, on_message=hook)
    here.connected(1)
    assert here.ask(1, {"id": 2, "publish": {"channel": "a", "data": "good"}}) == {
        "id": 2,
        "publish": {},
    }
    error = {"code": 4010, "message": "not today"}
    bad = here.ask(1, {"id": 3, "publish": {"channel": "a", "data": "bad"}})
    assert bad == {"id": 3, "error": error}
    assert here.say(1, {"send": {"data": "bad"}}) == []
    assert here.ask(1, {"id": 4, "send": {"data": "bad"}}) == {"id": 4, "error": error}
    assert seen == [("a", b'"good"'), ("a", b'"bad"'), ("", b'"bad"'), ("", b'"bad"')]


# Rpc


class RefusedOutside(Exception):
    code = 4007
    temporary = True


def test_rpc() -> None:
    calls: list[tuple[Any, ...]] = []

    def rpc(call: RpcCall) -> object:
        calls.append((call.client, call.identity.user, call.method, call.data, call.command))
        match call.method:
            case "raise":
                raise RefusedOutside("later")
            case "bug":
                raise ZeroDivisionError
            case "refuse":
                return refusal(4009)
            case "native":
                return None
            case "wrong":
                return {"not": "bytes"}
        return call.data

    here = World(SETTINGS, rpc=rpc)
    here.connected(1, token=sign({"sub": "42"}))
    asked = {"echo": {"a": 1}, "raise": 1, "bug": 1, "refuse": 1, "native": 1}
    got = [
        here.say(1, {"id": 2, "rpc": {"method": method, "data": data}})
        for method, data in asked.items()
    ]
    assert got == [
        [b'{"id":2,"rpc":{"data":{"a": 1}}}'],
        [b'{"id":2,"error":{"code":4007,"message":"later","temporary":true}}'],
        [b'{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}'],
        [b'{"id":2,"error":{"code":4009,"message":"not today"}}'],
        [],
    ]
    assert here.say(1, {"id": 3, "rpc": {"method": "echo"}}) == [b'{"id":3,"rpc":{}}']
    assert here.say(1, {"id": 4, "rpc": {"method": "wrong"}}) == [
        b'{"id":4,"error":{"code":100,"message":"internal server error","temporary":true}}'
    ]
    assert calls[0] == (1, "42", "echo", json.dumps({"a": 1}).encode(), 2)


async def test_rpc_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's other commands do not wait for it."""
    gate: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def rpc(*_: object) -> object:
        return await asyncio.shield(gate)

    monkeypatch.setattr(session, "CALLS_WAITING_MAX", 2)
    here = World(SETTINGS, rpc=rpc)
    async with here.protocol:
        here.connected(1)
        commands = [{"id": number, "rpc": {"method": "any"}} for number in (2, 3, 4)]
        (got,) = here.say(1, *commands, {"id": 5, "ping": {}})
        busy = b'"error":{"code":111,"message":"too many requests","temporary":true}'
        assert got == b'{"id":4,%b}\n{"id":5,"ping":{}}' % busy
        gate.set_result(b"7")
        await eventually(lambda: len(here.clients.sent.get(1, [])) == 2, "answers")
        assert set(here.taken(1)) == {
            b'{"id":2,"rpc":{"data":7}}',
            b'{"id":3,"rpc":{"data":7}}',
        }


def test_hook_replaces_what_is_published() -> None:
    settings = Settings(namespace_publish="anybody", namespace_create=True)
    here = World(settings, on_message=lambda *_: '{"better": 1}')
    here.connected(1)
    here.say(1, {"id": 2, "publish": {"channel": "a", "data": "bad"}})
    assert [held.data for held in here.edge.channels["a"].held] == ['{"better": 1}']


async def test_hook_that_takes_its_time() -> None:
    """Its client waits, in order; others do not; a refusal is one at last."""
    gates: dict[str, asyncio.Future[object]] = {}

    async def hook(somebody: Identity, *_: object) -> object:
        gates[somebody.user] = asyncio.get_running_loop().create_future()
        return await gates[somebody.user]

    here = World(SETTINGS, on_connect=hook)
    async with here.protocol:
        for client in (1, 2, 3):
            connect = {"id": 1, "connect": {"token": sign({"sub": str(client)})}}
            assert here.say(client, connect, {"id": 2, "ping": {}}) == []
            assert here.say(client, {"id": 3, "ping": {}}) == []
        await asyncio.sleep(0)
        gates["2"].set_result(None)
        await eventually(lambda: len(here.clients.sent.get(2, [])) == 2, "answers")
        first, second = here.taken(2)
        assert isinstance(first, bytes)
        assert [json.loads(line)["id"] for line in first.split(b"\n")] == [1, 2]
        assert second == b'{"id":3,"ping":{}}'
        gates["1"].set_exception(RefusedOutside("no"))
        await eventually(lambda: 1 in here.clients.sent, "an answer")
        assert here.taken(1) == [
            b'{"id":1,"error":{"code":4007,"message":"no","temporary":true}}',
            BAD_REQUEST,
        ]
        assert 3 not in here.clients.sent
    assert here.clients.sent == {}


async def test_hook_that_is_given_up() -> None:
    async def hook(*_: object) -> object:
        raise asyncio.CancelledError

    here = World(SETTINGS, on_connect=hook)
    here.say(1, {"id": 1, "connect": {}})
    await eventually(lambda: 1 in here.clients.sent, "an answer")
    (got,) = here.taken(1)
    assert isinstance(got, bytes)
    assert json.loads(got)["error"]["code"] == 100


def test_a_failing_hook_is_an_error() -> None:
    here = World(SETTINGS, on_connect=lambda *_: 1 / 0)
    for client in (1, 2):
        got = here.ask(client, {"id": 1, "connect": {}})
        assert got["error"] == {"code": 100, "message": "internal server error", "temporary": True}


def test_a_bug_here_ends_the_connection() -> None:
    here = World(SETTINGS)
    here.connected(1)
    here.edge.channels = None  # type: ignore[assignment]
    got = here.ask(1, {"id": 2, "history": {"channel": "a"}})
    assert got == End(3004, "internal server error")

"""The admin listener stops for a moment, goes on, or is adopted; no caller loses an answer."""

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ngage.admin import server
from ngage.admin.server import AdminServer, bind_admin

HEAD_BYTES = 47


class Application:
    """Answers a POST with its body and its own name, and remembers it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answered: list[bytes] = []
        self.app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        self.answered.append(body)
        return Response(self.name.encode() + b":" + body)


class Caller:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, body: bytes, size: int = -1) -> None:
        """A request, or its first `size` bytes."""
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        self.writer.write(request[:size] if size >= 0 else request)

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        (length,) = [line for line in head.lower().split(b"\r\n") if line[:14] == b"content-length"]
        return await self.reader.readexactly(int(length.split(b":")[1]))


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """As the daemon: uvloop's transports are of its own kind."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        uvloop.run(test(**fixtures))

    return run


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with contextlib.closing(bind_admin("127.0.0.1:0")) as listener:
        yield listener


@contextlib.asynccontextmanager
async def calling(listener: socket.socket, count: int = 1) -> AsyncIterator[list[Caller]]:
    callers = [
        Caller(*await asyncio.open_connection(*listener.getsockname())) for _ in range(count)
    ]
    try:
        yield callers
    finally:
        for caller in callers:
            caller.writer.close()
            with contextlib.suppress(ConnectionError):
                await caller.writer.wait_closed()


@on_uvloop
async def test_who_asks_during_a_pause_is_answered_after_it(listener: socket.socket) -> None:
    app = Application("a")
    async with AdminServer(app.app, listener) as admin, calling(listener) as (kept,):
        kept.ask(b"1")
        assert await kept.answer() == b"a:1"
        for number in (b"2", b"3"):
            assert len(await admin.pause()) == 1
            async with calling(listener) as (new,):
                kept.ask(number)
                new.ask(b"new")
                await admin.resume()
                assert await kept.answer() == b"a:" + number
                assert await new.answer() == b"a:new"


@on_uvloop
async def test_what_has_begun_to_come_is_answered_before_the_pause(listener: socket.socket) -> None:
    app = Application("a")
    async with AdminServer(app.app, listener) as admin, calling(listener) as (slow,):
        slow.ask(b"first")
        assert await slow.answer() == b"a:first"
        slow.ask(b"slow", size=HEAD_BYTES + 1)
        await receiving(admin)
        pausing = asyncio.ensure_future(admin.pause())
        await asyncio.sleep(0)
        slow.writer.write(b"low")
        assert len(await pausing) == 1
        assert await slow.answer() == b"a:slow"


@on_uvloop
async def test_who_does_not_wait_for_answers_gets_them_in_order(listener: socket.socket) -> None:
    app = Application("a")
    async with AdminServer(app.app, listener) as admin, calling(listener) as (hasty,):
        for number in range(50):
            hasty.ask(b"%d" % number)
        while not app.answered:
            await asyncio.sleep(0)
        await admin.pause()
        answered = len(app.answered)
        await asyncio.sleep(0)
        assert len(app.answered) == answered
        await admin.resume()
        assert [await hasty.answer() for _ in range(50)] == [b"a:%d" % n for n in range(50)]
        assert app.answered == [b"%d" % number for number in range(50)]


@on_uvloop
async def test_who_does_not_finish_is_cut_off_without_effect(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STOP_SECONDS", 0.05)
    app = Application("a")
    async with AdminServer(app.app, listener) as admin, calling(listener, 2) as (dead, kept):
        kept.ask(b"1")
        assert await kept.answer() == b"a:1"
        dead.ask(b"dead", size=HEAD_BYTES + 3)
        await receiving(admin)
        assert len(await admin.pause()) == 1
        with contextlib.suppress(ConnectionResetError):
            assert await dead.reader.read() == b""
        await admin.resume()
        kept.ask(b"2")
        assert await kept.answer() == b"a:2"
    assert app.answered == [b"1", b"2"]


@on_uvloop
async def test_another_server_adopts_callers(listener: socket.socket) -> None:
    old, new = Application("old"), Application("new")
    async with AdminServer(old.app, listener) as admin, calling(listener, 3) as callers:
        for caller in callers:
            caller.ask(b"1")
            assert await caller.answer() == b"old:1"
        adopted = [socket.socket(fileno=os.dup(number)) for number in await admin.pause()]
        callers[0].ask(b"2")
        admin.release()
        async with AdminServer(new.app, listener, adopted), calling(listener) as more:
            for caller in callers[1:]:
                caller.ask(b"2")
            more[0].ask(b"2")
            for caller in [*callers, *more]:
                assert await caller.answer() == b"new:2"
    assert len(old.answered) == 3


@on_uvloop
async def test_who_has_gone_meanwhile_is_no_matter(listener: socket.socket) -> None:
    old, new = Application("old"), Application("new")
    async with AdminServer(old.app, listener) as admin:
        async with calling(listener, 2) as callers:
            for caller in callers:
                caller.ask(b"1")
                assert await caller.answer() == b"old:1"
            adopted = [socket.socket(fileno=os.dup(number)) for number in await admin.pause()]
            callers[0].writer.transport.abort()
        admin.release()
        async with AdminServer(new.app, listener, adopted), calling(listener) as (caller,):
            caller.ask(b"2")
            assert await caller.answer() == b"new:2"


async def receiving(admin: AdminServer) -> None:
    """A request has begun to come."""
    while not any(connection._receiving for connection in admin._gate.connections):
        await asyncio.sleep(0)

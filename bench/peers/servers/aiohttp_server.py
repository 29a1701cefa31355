"""aiohttp: send_bytes() to each WebSocketResponse in turn, without compression. One thread, uvloop.

It has no broadcast; its own demos loop over the set of sockets (aio-libs/aiohttp-demos, chat).
send_bytes() comes back without a pause unless a client has 64 KiB unread, so a task for each would
only cost. Neither access log nor heartbeat.
"""

import asyncio
import contextlib

import uvloop
from aiohttp import ClientConnectionResetError, WSMsgType, web
from lifetime import BACKLOG, port_wanted, ready

subscribers: set[web.WebSocketResponse] = set()


def response() -> web.WebSocketResponse:
    return web.WebSocketResponse(compress=False, heartbeat=None, max_msg_size=0)


async def subscribe(request: web.Request) -> web.WebSocketResponse:
    socket = response()
    await socket.prepare(request)
    subscribers.add(socket)
    try:
        async for _ in socket:
            pass
    finally:
        subscribers.discard(socket)
    return socket


async def publish(request: web.Request) -> web.WebSocketResponse:
    socket = response()
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.BINARY:
            for subscriber in tuple(subscribers):
                with contextlib.suppress(ClientConnectionResetError):  # it is leaving
                    await subscriber.send_bytes(message.data)
    return socket


async def main() -> None:
    application = web.Application()
    application.router.add_get("/ws/{channel:.*}", subscribe)
    application.router.add_get("/publish", publish)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port_wanted(), backlog=BACKLOG).start()
    ready(runner.addresses[0][1])
    await asyncio.get_running_loop().create_future()


uvloop.run(main())

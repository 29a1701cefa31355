"""websockets: broadcast(), without compression, on uvloop. One thread.

Its guide to broadcasting says to use broadcast(), which neither waits for a slow client nor makes a
task for each (websockets.readthedocs.io, topics/broadcast); its guide to memory, to disable
compression (64 -> 14 KiB for each connection, topics/memory). Pings would only cost.
"""

import asyncio
from http import HTTPStatus

import uvloop
from lifetime import BACKLOG, port_wanted, ready
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

subscribers: set[ServerConnection] = set()


def refuse_others(connection: ServerConnection, request: Request) -> Response | None:
    if request.path.startswith("/ws/") or request.path == "/publish":
        return None
    return connection.respond(HTTPStatus.NOT_FOUND, "")


async def handler(connection: ServerConnection) -> None:
    assert connection.request
    if connection.request.path == "/publish":
        async for message in connection:
            broadcast(subscribers, message)
        return
    subscribers.add(connection)
    try:
        await connection.wait_closed()
    finally:
        subscribers.discard(connection)


async def main() -> None:
    server = await serve(
        handler,
        "127.0.0.1",
        port_wanted(),
        process_request=refuse_others,
        compression=None,
        ping_interval=None,
        open_timeout=None,
        max_queue=None,
        backlog=BACKLOG,
    )
    ready(next(iter(server.sockets)).getsockname()[1])
    await asyncio.get_running_loop().create_future()


uvloop.run(main())

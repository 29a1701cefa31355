"""Three WebSocket clients that other people wrote, behind one face."""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any, Self

import picows
import websockets
from websockets.asyncio.client import ClientConnection

NODE_CLIENT = Path(__file__).parents[1] / "node/client.mjs"

Data = bytes | str


class Websockets:
    """The Python package websockets."""

    can_deflate = True

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        assert connection.response
        self.headers = {k.lower(): v for k, v in connection.response.headers.raw_items()}

    @classmethod
    async def connect(cls, url: str, *, deflate: bool = False) -> Self:
        return cls(
            await websockets.connect(
                url, compression="deflate" if deflate else None, max_size=None, proxy=None
            )
        )

    async def send(self, data: Data) -> None:
        await self.connection.send(data)

    async def receive(self) -> Data:
        return await self.connection.recv()

    async def closed(self) -> int:
        """The close code of the edge."""
        await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def close(self) -> None:
        await self.connection.close()


class Picows(picows.WSListener):  # type: ignore[misc]
    """picows, which leaves fragments and closing to its user."""

    can_deflate = False

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Data] = asyncio.Queue()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.transport: Any = None
        self.headers: dict[str, str] = {}

    @classmethod
    async def connect(cls, url: str, *, deflate: bool = False) -> Self:
        assert not deflate
        transport, listener = await picows.ws_connect(cls, url)
        assert isinstance(listener, cls)
        listener.transport = transport
        listener.headers = {k.lower(): v for k, v in transport.response.headers.items()}
        return listener

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.arrived.put_nowait(frame.get_payload_as_utf8_text())
        elif frame.msg_type == picows.WSMsgType.BINARY:
            self.arrived.put_nowait(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            self.code.set_result(int(frame.get_close_code()))
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    async def send(self, data: Data) -> None:
        if isinstance(data, str):
            self.transport.send(picows.WSMsgType.TEXT, data.encode())
        else:
            self.transport.send(picows.WSMsgType.BINARY, data)

    async def receive(self) -> Data:
        return await self.arrived.get()

    async def closed(self) -> int:
        return await self.code

    async def close(self) -> None:
        self.transport.disconnect()
        await self.transport.wait_disconnected()


class NodeWs:
    """node's ws, in a process of its own."""

    can_deflate = True

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.headers: dict[str, str] = {}

    @classmethod
    async def connect(cls, url: str, *, deflate: bool = False) -> Self:
        # A sanitizer that is preloaded for the edge is not for node.
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
        process = await asyncio.create_subprocess_exec(
            "node",
            str(NODE_CLIENT),
            url,
            "deflate" if deflate else "plain",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            limit=1 << 26,
        )
        client = cls(process)
        client.headers = (await client.event("open"))["headers"]
        return client

    async def event(self, expected: str) -> Any:
        assert self.process.stdout
        event = json.loads(await self.process.stdout.readline())
        assert event["event"] == expected, event
        return event

    async def command(self, **command: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()

    async def send(self, data: Data) -> None:
        raw = data.encode() if isinstance(data, str) else data
        await self.command(send=base64.b64encode(raw).decode(), text=isinstance(data, str))

    async def receive(self) -> Data:
        event = await self.event("message")
        raw = base64.b64decode(event["data"])
        return raw.decode() if event["text"] else raw

    async def closed(self) -> int:
        code = (await self.event("close"))["code"]
        await self.process.wait()
        return int(code)

    async def close(self) -> None:
        if self.process.returncode is None:
            await self.command(close=1000)
            await self.process.wait()


CLIENTS = (Websockets, Picows, NodeWs)
Client = Websockets | Picows | NodeWs

"""Just enough of Centrifugo's JSON protocol for a page under test: channels with a history, and the
connections that are subscribed to them. All in one event loop."""

import json
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect

PING_SECONDS = 25
# Of these a subscriber gets the newest publication at once.
CACHED = ("event:", "tally:", "questions:", "host:")


class Refusal(Exception):
    """An error that the client is told."""

    def __init__(self, code: int, message: str, temporary: bool = False) -> None:
        super().__init__(message)
        self.body = {"code": code, "message": message, "temporary": temporary}


class User(NamedTuple):
    """Who is connected; `host` is the event whose host channel it may see."""

    name: str
    ticket: str
    host: str = ""


class Channel:
    """A log, and who gets what is added to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch = secrets.token_hex(4)
        self.log: list[Any] = []
        self.members: list[Connection] = []

    def publish(self, data: Any) -> None:
        self.log.append(data)
        pub = {"data": data, "offset": len(self.log)}
        for member in self.members:
            member.send({"push": {"channel": self.name, "pub": pub}})

    def after(self, offset: int) -> list[dict[str, Any]]:
        return [{"data": one, "offset": n} for n, one in enumerate(self.log, 1) if n > offset]

    def join(self, connection: "Connection", asked: dict[str, Any]) -> dict[str, Any]:
        self.members.append(connection)
        result = {"recoverable": True, "epoch": self.epoch, "offset": len(self.log)}
        if asked.get("recover"):
            known = asked.get("epoch") == self.epoch
            missed = self.after(asked["offset"]) if known else []
            result |= {"was_recovering": True, "recovered": known, "publications": missed}
        elif self.name.startswith(CACHED) and self.log:
            result["publications"] = self.after(len(self.log) - 1)
        return result


class Hub:
    """All channels. `call(user, method, data)` answers an RPC or raises Refusal."""

    def __init__(self, call: Callable[[User, str, Any], Any], find: Callable[[Any], User]) -> None:
        self.call, self.find = call, find
        self.channels: dict[str, Channel] = {}
        self.connections: set[Connection] = set()

    def channel(self, name: str) -> Channel:
        return self.channels.setdefault(name, Channel(name))

    async def serve(self, socket: WebSocket) -> None:
        await socket.accept()
        connection = Connection(self, socket)
        self.connections.add(connection)
        try:
            while True:
                connection.receive(await socket.receive_text())
                await connection.flush()
        except WebSocketDisconnect:
            pass
        finally:
            self.connections.discard(connection)
            for channel in self.channels.values():
                if connection in channel.members:
                    channel.members.remove(connection)

    async def flush(self) -> None:
        for connection in list(self.connections):
            await connection.flush()


class Connection:
    """One client."""

    def __init__(self, hub: Hub, socket: WebSocket) -> None:
        self.hub, self.socket = hub, socket
        self.user = User("", "")
        self.waiting: list[str] = []

    def send(self, message: Any) -> None:
        self.waiting.append(json.dumps(message))

    async def flush(self) -> None:
        if self.waiting:
            text, self.waiting = "\n".join(self.waiting), []
            await self.socket.send_text(text)

    def receive(self, text: str) -> None:
        for line in text.splitlines():
            command = json.loads(line)
            if not command:
                continue
            name, body = next(item for item in command.items() if item[0] != "id")
            try:
                reply: dict[str, Any] = {name: getattr(self, f"on_{name}")(body)}
            except Refusal as refusal:
                reply = {"error": refusal.body}
            # The answer goes out before what the command has published.
            self.waiting.insert(0, json.dumps({"id": command["id"], **reply}))

    def on_connect(self, body: Any) -> Any:
        self.user = self.hub.find(body)
        data = {"ticket": self.user.ticket, "user": self.user.name}
        return {"client": secrets.token_hex(8), "ping": PING_SECONDS, "pong": True, "data": data}

    def on_subscribe(self, body: Any) -> Any:
        name = body["channel"]
        if name.startswith("host:") and name != f"host:{self.user.host}":
            raise Refusal(103, "permission denied")
        return self.hub.channel(name).join(self, body)

    def on_history(self, body: Any) -> Any:
        channel = self.hub.channel(body["channel"])
        newest = channel.after(0)[::-1][: body["limit"]]
        position = {"epoch": channel.epoch, "offset": len(channel.log)}
        return {"publications": newest, **position}

    def on_rpc(self, body: Any) -> Any:
        return {"data": self.hub.call(self.user, body["method"], body.get("data"))}

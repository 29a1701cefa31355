"""Centrifugo's SDKs, unmodified, behind one face.

Events are dicts with `event`: connected (client, data), connecting, disconnected (code, reason),
subscribing, subscribed (was_recovering, recovered), unsubscribed (code), publication (channel,
data, offset), error (code).
"""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import centrifuge

NODE_CLIENT = Path(__file__).parents[1] / "node/centrifuge.mjs"
PATIENCE_SECONDS = 20.0

Event = dict[str, Any]
GetToken = Callable[[], str]


class CallFailedError(Exception):
    """An error reply, with its code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Sdk:
    """What both have: events in the order in which the SDK told of them."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def next(self, *kinds: str, **members: object) -> Event:
        """The next event of these kinds that has these members; those before it are passed over."""
        passed: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    event = await self._events.get()
                    passed.append(event)
                    if event["event"] in kinds and members.items() <= event.items():
                        return event
        except TimeoutError:
            raise AssertionError(f"no {kinds} {members} among {passed}") from None

    async def published(self, count: int) -> list[Any]:
        """The data of the next `count` publications."""
        return [(await self.next("publication"))["data"] for _ in range(count)]


class PythonSdk(Sdk):
    """centrifuge-python."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._client: centrifuge.Client
        self._subscriptions: dict[str, centrifuge.Subscription] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.disconnect()

    async def connect(
        self, *, token: str = "", get_token: GetToken | None = None, data: object = None
    ) -> None:
        self._client = centrifuge.Client(
            self._url,
            events=_ClientEvents(self._events),
            token=token,
            get_token=_asked(get_token),
            data=data,
            min_reconnect_delay=0.02,
            max_reconnect_delay=0.2,
            proxy=None,
        )
        await self._client.connect()

    async def subscribe(
        self, channel: str, *, token: str = "", get_token: GetToken | None = None
    ) -> None:
        asked = _asked(get_token)
        subscription = self._client.new_subscription(
            channel,
            events=_SubscriptionEvents(channel, self._events),
            token=token,
            get_token=(lambda _: asked()) if asked else None,
            min_resubscribe_delay=0.02,
            max_resubscribe_delay=0.2,
        )
        self._subscriptions[channel] = subscription
        await subscription.subscribe()

    async def unsubscribe(self, channel: str) -> None:
        await self._subscriptions[channel].unsubscribe()

    async def disconnect(self) -> None:
        await self._client.disconnect()

    async def publish(self, channel: str, data: object) -> None:
        await self._call(self._client.publish(channel, data))

    async def rpc(self, method: str, data: object) -> Any:
        return (await self._call(self._client.rpc(method, data))).data

    async def history(self, channel: str, limit: int) -> list[Any]:
        found = await self._call(self._client.history(channel, limit=limit))
        return [held.data for held in found.publications]

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        found = await self._call(self._client.presence_stats(channel))
        return found.num_clients, found.num_users

    async def presence(self, channel: str) -> None:
        await self._call(self._client.presence(channel))

    @staticmethod
    async def _call(call: Any) -> Any:
        try:
            return await call
        except centrifuge.ReplyError as error:
            raise CallFailedError(error.code) from None


def _asked(get_token: GetToken | None) -> Any:
    if get_token is None:
        return None

    async def ask() -> str:
        return get_token()

    return ask


class _ClientEvents(centrifuge.ClientEventHandler):
    def __init__(self, events: asyncio.Queue[Event]) -> None:
        self._events = events

    async def on_connected(self, ctx: Any) -> None:
        self._events.put_nowait({"event": "connected", "client": ctx.client, "data": ctx.data})

    async def on_connecting(self, ctx: Any) -> None:
        self._events.put_nowait({"event": "connecting", "code": ctx.code, "reason": ctx.reason})

    async def on_disconnected(self, ctx: Any) -> None:
        self._events.put_nowait({"event": "disconnected", "code": ctx.code, "reason": ctx.reason})

    async def on_error(self, ctx: Any) -> None:
        self._events.put_nowait({"event": "error", "code": _error_code(ctx)})

    async def on_publication(self, ctx: Any) -> None:
        about = {"channel": ctx.channel, "data": ctx.pub.data}
        self._events.put_nowait({"event": "server_publication", **about})


class _SubscriptionEvents(centrifuge.SubscriptionEventHandler):
    def __init__(self, channel: str, events: asyncio.Queue[Event]) -> None:
        self._channel = channel
        self._events = events

    def _tell(self, event: str, **about: object) -> None:
        self._events.put_nowait({"event": event, "channel": self._channel, **about})

    async def on_subscribing(self, ctx: Any) -> None:
        self._tell("subscribing", code=ctx.code)

    async def on_subscribed(self, ctx: Any) -> None:
        self._tell("subscribed", was_recovering=ctx.was_recovering, recovered=ctx.recovered)

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._tell("unsubscribed", code=ctx.code)

    async def on_error(self, ctx: Any) -> None:
        self._tell("error", code=_error_code(ctx))

    async def on_publication(self, ctx: Any) -> None:
        info = ctx.pub.info and {"user": ctx.pub.info.user, "conn_info": ctx.pub.info.conn_info}
        self._tell("publication", data=ctx.pub.data, offset=ctx.pub.offset, info=info)


def _error_code(ctx: Any) -> int:
    return int(getattr(ctx.error, "code", ctx.code))


class NodeSdk(Sdk):
    """centrifuge of npm, in a process of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._calls: dict[int, asyncio.Future[Event]] = {}
        self._tokens: dict[str, GetToken] = {}

    async def __aenter__(self) -> Self:
        # A sanitizer that is preloaded for the edge is not for node.
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(NODE_CLIENT),
            self._url,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            limit=1 << 26,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "result":
                self._calls.pop(event["id"]).set_result(event)
            elif event["event"] == "token":
                self._say(token=self._tokens[event["channel"]]())
            else:
                self._events.put_nowait(event)

    def _say(self, **command: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _call(self, method: str, *arguments: object) -> Any:
        number = len(self._calls) + 1
        self._calls[number] = asyncio.get_running_loop().create_future()
        self._say(call=method, arguments=arguments, id=number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            result = await self._calls[number]
        if "error" in result:
            raise CallFailedError(result["error"]["code"])
        return result.get("value")

    async def connect(
        self, *, token: str = "", get_token: GetToken | None = None, data: object = None
    ) -> None:
        if get_token:
            self._tokens[""] = get_token
        self._say(connect={"token": token, "data": data, "refreshes": get_token is not None})

    async def subscribe(
        self, channel: str, *, token: str = "", get_token: GetToken | None = None
    ) -> None:
        if get_token:
            self._tokens[channel] = get_token
        self._say(subscribe=channel, options={"token": token, "refreshes": get_token is not None})

    async def unsubscribe(self, channel: str) -> None:
        self._say(unsubscribe=channel)

    async def disconnect(self) -> None:
        self._say(disconnect=True)

    async def publish(self, channel: str, data: object) -> None:
        await self._call("publish", channel, data)

    async def rpc(self, method: str, data: object) -> Any:
        return (await self._call("rpc", method, data))["data"]

    async def history(self, channel: str, limit: int) -> list[Any]:
        found = await self._call("history", channel, {"limit": limit})
        return [held["data"] for held in found["publications"]]

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        found = await self._call("presenceStats", channel)
        return found["numClients"], found["numUsers"]

    async def presence(self, channel: str) -> None:
        await self._call("presence", channel)


SDKS: Sequence[type[PythonSdk] | type[NodeSdk]] = (PythonSdk, NodeSdk)
AnySdk = PythonSdk | NodeSdk

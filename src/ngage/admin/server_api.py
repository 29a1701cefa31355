"""POST /api/METHOD in Centrifugo's shape: {"result": ...} with 200, {"error": ...} with 4xx."""

import base64
import socket
import time
import uuid
from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ngage.admin import calls
from ngage.admin.failures import (
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
    UNKNOWN_CHANNEL,
    UNRECOVERABLE_POSITION,
    Failure,
    bad_request,
    from_error,
    json_response,
)
from ngage.admin.idempotency import IdempotencyCache
from ngage.api import Edge
from ngage.channel import Channel
from ngage.errors import NgageError
from ngage.events import Position, Publication
from ngage.interaction.native import CHANNELS
from ngage.video.channel import VideoChannel

SWITCH = {"": False, "0": False, "false": False, "1": True, "true": True}


class ServerApi:
    """The methods, on one edge."""

    def __init__(self, edge: Edge, version: str) -> None:
        self._edge = edge
        self._version = version
        self._uid = str(uuid.uuid4())
        self._started = time.monotonic()
        self._idempotency = IdempotencyCache()
        self._methods: dict[str, Callable[[bytes], object]] = {
            "publish": self.publish,
            "broadcast": self.broadcast,
            "cue": self.cue,
            "history": self.history,
            "presence_stats": self.presence_stats,
            "channels": self.channels,
            "disconnect": self.disconnect,
            "info": self.info,
        }

    def routes(self) -> list[Route]:
        """publish_raw, and one route for all methods with a JSON body."""
        return [
            Route("/api/publish_raw", self._answer_raw, methods=["POST"]),
            Route("/api/{method}", self._answer, methods=["POST"]),
        ]

    # Requests in, responses out

    async def _answer(self, request: Request) -> Response:
        method = self._methods.get(request.path_params["method"])
        if method is None:
            raise Failure(404, METHOD_NOT_FOUND, "method not found")
        body = await read_body(request, self._edge.settings.publish_bytes_max)
        try:
            return json_response({"result": method(body)})
        except NgageError as error:
            raise from_error(error) from error

    async def _answer_raw(self, request: Request) -> Response:
        name = request.query_params.get("channel", "")
        sync = SWITCH.get(request.query_params.get("sync", ""))
        if sync is None:
            raise bad_request("sync: 0 or 1 is needed")
        body = await read_body(request, self._edge.settings.publish_bytes_max)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        text = media_type.startswith("text/") or media_type == "application/json"
        try:
            data = body.decode() if text else body
            return json_response({"result": _position(self._writable(name).publish(data, sync))})
        except UnicodeDecodeError as error:
            raise bad_request(f"body: not UTF-8 at byte {error.start}") from None
        except NgageError as error:
            raise from_error(error) from error

    # Methods

    def publish(self, body: bytes) -> object:
        """One publication; an idempotency_key known for the channel publishes nothing again."""
        call = calls.decode(calls.Publish, body)
        return self._publish(call.channel, calls.payload_data(call), call.idempotency_key)

    def broadcast(self, body: bytes) -> object:
        """The same to each channel; a channel that fails does not keep the others from theirs."""
        call = calls.decode(calls.Broadcast, body)
        data = calls.payload_data(call)
        responses: list[dict[str, object]] = []
        for name in call.channels:
            try:
                responses.append({"result": self._publish(name, data, call.idempotency_key)})
            except Failure as failure:
                responses.append(failure.body())
            except NgageError as error:
                responses.append(from_error(error).body())
        return {"responses": responses}

    def cue(self, body: bytes) -> object:
        """What players show with the picture of a moment, published to a channel of video."""
        call = calls.decode(calls.Cue, body)
        video = self._readable(call.channel).owner
        if not isinstance(video, VideoChannel):
            raise bad_request(f"channel {call.channel!r} carries no video")
        return {"pts_us": video.cue(call.data, call.at_us)}

    def history(self, body: bytes) -> object:
        """Publications held, and the newest position."""
        call = calls.decode(calls.History, body)
        channel = self._readable(call.channel)
        return {
            "publications": [_publication(held) for held in _held(channel, call)],
            **_position(channel.position),
        }

    def presence_stats(self, body: bytes) -> object:
        """Subscribers of a channel; each counts as a user of its own."""
        count = self._readable(calls.decode(calls.PresenceStats, body).channel).subscribers
        return {"num_clients": count, "num_users": count}

    def channels(self, body: bytes) -> object:
        """Channels by name, with their subscribers."""
        pattern = calls.decode(calls.Channels, body).pattern or "*"
        return {
            "channels": {
                name: {"num_clients": channel.subscribers}
                for name, channel in self._edge.channels.items()
                if fnmatchcase(name, pattern)
            }
        }

    def disconnect(self, body: bytes) -> object:
        """Close one client, or all of a channel."""
        call = calls.decode(calls.Disconnect, body)
        if sum(map(bool, (call.client, call.channel, call.user))) != 1:
            raise bad_request("exactly one of client, channel and user is needed")
        if call.user:
            raise Failure(400, NOT_AVAILABLE, "user: clients have no users without authentication")
        if call.channel:
            self._readable(call.channel).disconnect(call.code, call.reason)
        elif not self._edge.disconnect(call.client, call.code, call.reason):
            raise Failure(429, TOO_MANY_REQUESTS, "too many requests, try again")
        return {}

    def info(self, body: bytes) -> object:
        """This edge, as the only node."""
        calls.decode(calls.Info, body)
        counters = self._edge.stats()
        name = self._edge.settings.name or f"{socket.gethostname()}_{self._edge.address[1]}"
        node = {
            "uid": self._uid,
            "name": name,
            "version": self._version,
            "num_clients": counters["websockets"],
            "num_users": counters["websockets"],
            "num_subs": counters["subscriptions"],
            "num_subscriptions": counters["subscriptions"],
            "num_channels": len(self._edge.channels),
            "uptime": int(time.monotonic() - self._started),
        }
        return {"nodes": [node]}

    # Channels

    def _publish(self, name: str, data: bytes | str, key: str) -> dict[str, object]:
        channel = self._writable(name)
        position = self._idempotency.find(name, key) if key else None
        if position is None:
            position = channel.publish(data)
            if key:
                self._idempotency.keep(name, key, position)
        return _position(position)

    def _writable(self, name: str) -> Channel:
        settings = self._edge.settings
        if settings.auto_create != "publish" or name in self._edge.channels:
            return self._readable(name)
        kind, colon, _ = name.partition(":")
        if settings.data and colon and kind in CHANNELS:
            raise Failure(403, PERMISSION_DENIED, f"{name!r}: only event_create makes it")
        return self._edge.channel(name)

    def _readable(self, name: str) -> Channel:
        channel = self._edge.channels.get(name)
        if channel is None:
            raise Failure(404, UNKNOWN_CHANNEL, "unknown channel")
        return channel


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The body; Failure 413 as soon as it is known to be larger than `bytes_max`."""
    too_large = Failure(413, LIMIT_EXCEEDED, f"the body is larger than {bytes_max} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > bytes_max:
        raise too_large
    body = bytearray()
    async for piece in request.stream():
        if len(body) + len(piece) > bytes_max:
            raise too_large
        body += piece
    return bytes(body)


def _held(channel: Channel, call: calls.History) -> list[Publication]:
    since = call.since or calls.Since(0)
    if since.epoch not in ("", channel.position.epoch):
        raise Failure(409, UNRECOVERABLE_POSITION, "unrecoverable position")
    if call.limit == 0:
        return []
    limit = max(0, call.limit)
    if call.reverse and call.since:
        # Backwards means the publications before the position, not after it.
        older = [held for held in channel.history(reverse=True) if held.offset < since.offset]
        return older[:limit] if limit else older
    return channel.history(since=since.offset, limit=limit, reverse=call.reverse)


def _position(position: Position) -> dict[str, object]:
    return {"offset": position.offset, "epoch": position.epoch}


def _publication(held: Publication) -> dict[str, object]:
    if isinstance(held.data, bytes):
        return {"offset": held.offset, "b64data": base64.b64encode(held.data).decode()}
    try:
        msgspec.json.decode(held.data)
    except msgspec.DecodeError:
        return {"offset": held.offset, "data": held.data}
    return {"offset": held.offset, "data": msgspec.Raw(held.data.encode())}

"""Bytes of the protocol: commands in, replies out.

A message holds commands, and a frame replies, separated by newlines. Members that are zero are
left out of a reply and come in the order of the protocol's schema, as Centrifugo writes them.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from ngage.events import Publication
from ngage.limits import HISTORY_BYTES_MAX
from ngage.pushes import as_json

NOTHING = msgspec.Raw()

Uint32 = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
Unsigned = Annotated[int, msgspec.Meta(ge=0)]


class SubscribeRequest(msgspec.Struct, gc=False):
    """`subscribe`; flag 2 refuses rather than subscribes where nothing can be recovered."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Unsigned = 0
    positioned: bool = False
    recoverable: bool = False
    tf: msgspec.Raw = NOTHING
    flag: int = 0
    type: int = 0


class ConnectRequest(msgspec.Struct):
    """`connect`; subs says where server-side subscriptions were."""

    token: str = ""
    data: msgspec.Raw = NOTHING
    subs: dict[str, SubscribeRequest] | None = None
    name: str = ""
    version: str = ""


class ChannelRequest(msgspec.Struct, gc=False):
    """`unsubscribe`, `presence` and `presence_stats`."""

    channel: str = ""


class PublishRequest(msgspec.Struct, gc=False):
    """`publish`."""

    channel: str = ""
    data: msgspec.Raw = NOTHING


class Since(msgspec.Struct, gc=False):
    """Where history is to begin, not included."""

    offset: Unsigned = 0
    epoch: str = ""


class HistoryRequest(msgspec.Struct, gc=False):
    """`history`; limit 0 asks for the position only, a negative one for all there is."""

    channel: str = ""
    limit: int = 0
    since: Since | None = None
    reverse: bool = False


class DataRequest(msgspec.Struct, gc=False):
    """`rpc` and `send`."""

    data: msgspec.Raw = NOTHING
    method: str = ""


class TokenRequest(msgspec.Struct, gc=False):
    """`refresh` and `sub_refresh`."""

    token: str = ""
    channel: str = ""


class PingRequest(msgspec.Struct, gc=False):
    """`ping`, to which nothing belongs."""


class Command(msgspec.Struct, gc=False):
    """One command: the first member that is there counts. None and no id: the client's pong."""

    id: Uint32 = 0
    connect: ConnectRequest | None = None
    ping: PingRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: ChannelRequest | None = None
    publish: PublishRequest | None = None
    presence: ChannelRequest | None = None
    presence_stats: ChannelRequest | None = None
    history: HistoryRequest | None = None
    rpc: DataRequest | None = None
    send: DataRequest | None = None
    refresh: TokenRequest | None = None
    sub_refresh: TokenRequest | None = None


_commands = msgspec.json.Decoder(Command)
_encode = msgspec.json.encode
_newlines = bytes.maketrans(b"\r\n", b"  ")


def decode_command(line: bytes) -> Command:
    """One line. Raises ValueError, also if it is nested too deep to be read."""
    try:
        return _commands.decode(line)
    except RecursionError:
        raise ValueError("nested too deep") from None


def reply(command: int, result: bytes) -> bytes:
    """The reply to the command of that id; result is a member, as b'"ping":{}'."""
    return b'{"id":%d,%b}' % (command, result)


def error(code: int, message: str, temporary: bool) -> bytes:
    """The member that a refused command's reply has."""
    tail = b',"temporary":true' if temporary else b""
    return b'"error":{"code":%d,"message":%b%b}' % (code, _encode(message), tail)


def expiry(expires: int, now: float) -> bytes:
    """Members that say when something expires, in Unix seconds; none for 0, never."""
    return b'"expires":true,"ttl":%d' % (expires - int(now)) if expires else b""


def joined(*members: bytes) -> bytes:
    """Members of one object, without those that are empty."""
    return b",".join(filter(None, members))


def push_unsubscribe(channel: str, code: int, reason: str) -> bytes:
    """What tells a client that it is no longer subscribed."""
    return b'{"push":{"channel":%b,"unsubscribe":{"code":%d,"reason":%b}}}' % (
        _encode(channel),
        code,
        _encode(reason),
    )


def client_info(user: str, client: str, info: bytes | None) -> bytes:
    """Who published, as the object that others see."""
    tail = b',"conn_info":%b' % info if info else b""
    return b'{"user":%b,"client":%b%b}' % (_encode(user), _encode(client), tail)


def one_line(value: bytes) -> bytes:
    """JSON without newlines, of which a valid one has them between tokens only."""
    return value.translate(_newlines)


def publications(held: Iterable[Publication]) -> bytes:
    """The member `publications`, as many as fit into a reply; empty if there are none."""
    encoded: list[bytes] = []
    size = 0
    for publication in held:
        encoded.append(_publication(publication))
        size += len(encoded[-1])
        if size >= HISTORY_BYTES_MAX:
            break
    return b'"publications":[%b]' % b",".join(encoded) if encoded else b""


def _publication(held: Publication) -> bytes:
    return b'{"data":%b,"offset":%d}' % (as_json(held.data), held.offset)

"""Commands about channels: subscribe, unsubscribe, publish, history, presence_stats, sub_refresh.

That somebody is subscribed is known to the core only. So who may ask a channel is who may
subscribe to it, and what a subscription token opened is kept with the identity.
"""

from collections.abc import Callable

from msgspec import json
from msgspec.structs import replace

from ngage.centrifugo import codec
from ngage.centrifugo.asking import ask
from ngage.centrifugo.clients import Channel, Channels, OnMessage
from ngage.centrifugo.codes import CommandError, ErrorCode, disconnect, refuse
from ngage.centrifugo.expiry import Expiries
from ngage.centrifugo.namespaces import Namespaces
from ngage.centrifugo.recovery import recover
from ngage.centrifugo.tokens import Claims, Tokens
from ngage.centrifugo.turn import Turn
from ngage.errors import (
    ChannelError,
    ChannelLimitError,
    CloseCode,
    InvalidTokenError,
    KeysUnavailableError,
    PublicationError,
    TokenExpiredError,
)
from ngage.events import Publication
from ngage.limits import (
    CHANNEL_BYTES_MAX,
    HISTORY_PUBLICATIONS_MAX,
    SUBSCRIPTIONS_MAX,
    TTL_SECONDS_MAX,
)

KEYFRAME = "keyframe"


class Subscriptions:
    """Answers what a connected client asks of channels; raises what the codes module has."""

    def __init__(
        self,
        channels: Channels,
        namespaces: Namespaces,
        tokens: Tokens,
        expiries: Expiries,
        on_message: OnMessage | None,
    ) -> None:
        self._channels = channels
        self._namespaces = namespaces
        self._tokens = tokens
        self._expiries = expiries
        self._on_message = on_message

    # Subscribing

    def subscribe(self, turn: Turn, request: codec.SubscribeRequest) -> bytes:
        """Subscribe a client to a channel; the core replies."""
        name = _required(request.channel)
        if request.type:
            raise refuse(ErrorCode.NOT_AVAILABLE)
        if request.tf:
            raise refuse(ErrorCode.BAD_REQUEST)
        expires = 0
        if request.token:
            expires = _expires(self._verify(turn, name, request.token), turn.now)
        elif not self._namespaces.may_subscribe(name, turn.known):
            raise refuse(ErrorCode.PERMISSION_DENIED)
        channel = self._open(name)
        since, result = recover(channel, self._namespaces.options(name), request)
        if request.token:
            self._grant(turn, name, expires)
        self._expire(turn, name, expires)
        turn.subscribe(channel, since, codec.joined(codec.expiry(expires, turn.now), result))
        return b""

    def subscribe_all(
        self, names: list[str], asked: dict[str, codec.SubscribeRequest]
    ) -> tuple[bytes, list[Channel]]:
        """What a connection token subscribes a client to: the member `subs`, and the channels.

        A channel that does not exist is left out, because a refusal would keep the client away.
        """
        if len(names) > SUBSCRIPTIONS_MAX:
            raise disconnect(CloseCode.CHANNEL_LIMIT)
        results: list[bytes] = []
        channels: list[Channel] = []
        for name in dict.fromkeys(names):
            request = asked.get(name) or codec.SubscribeRequest()
            try:
                channel = self._open(name)
                since, result = recover(channel, self._namespaces.options(name), request)
            except CommandError:
                continue
            missed = [] if since is None else channel.history(since=since)
            member = codec.joined(result, codec.publications(missed))
            results.append(b"%b:{%b}" % (json.encode(name), member))
            channels.append(channel)
        return (b'"subs":{%b}' % b",".join(results) if results else b""), channels

    def unsubscribe(self, turn: Turn, request: codec.ChannelRequest) -> bytes:
        """End a subscription; one that is not there has ended already."""
        name = _required(request.channel)
        channel = self._channels.channels.get(name)
        if channel is not None and channel.options.lag != KEYFRAME:
            turn.unsubscribe(channel)
        self._expiries.remove(turn.client, name)
        if turn.known.granted:
            self._withdraw(turn, name)
        return b'"unsubscribe":{}'

    def sub_refresh(self, turn: Turn, request: codec.TokenRequest) -> bytes:
        """Let a subscription last for as long as a new token says."""
        name = _required(request.channel)
        if not self._expiries.has(turn.client, name):
            raise refuse(ErrorCode.PERMISSION_DENIED)
        if not request.token:
            raise refuse(ErrorCode.BAD_REQUEST)
        try:
            expires = _expires(self._verify(turn, name, request.token), turn.now)
        except CommandError as error:
            if error.code == ErrorCode.PERMISSION_DENIED:
                raise disconnect(CloseCode.INVALID_TOKEN) from None
            raise
        self._grant(turn, name, expires)
        self._expire(turn, name, expires)
        return b'"sub_refresh":{%b}' % codec.expiry(expires, turn.now)

    # Asking and publishing

    def publish(self, turn: Turn, request: codec.PublishRequest) -> bytes:
        """Publish JSON, with who did."""
        name = _required(request.channel)
        if not request.data:
            raise refuse(ErrorCode.BAD_REQUEST)
        known = turn.known
        self._admit(turn, name)
        if not self._namespaces.may_publish(name, known):
            raise refuse(ErrorCode.PERMISSION_DENIED)
        data = codec.one_line(bytes(request.data))
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise disconnect(CloseCode.BAD_REQUEST) from None
        self._shown(name)
        return self._filter(
            turn,
            name,
            data,
            lambda later, answer: self._publish(
                later, name, answer if isinstance(answer, str) else text
            ),
        )

    def _publish(self, turn: Turn, name: str, text: str) -> bytes:
        known = turn.known
        info = codec.client_info(known.user, f"{turn.client:016x}", known.info)
        try:
            self._shown(name).publish(text, info=info)
        except PublicationError:
            raise refuse(ErrorCode.BAD_REQUEST) from None
        return b'"publish":{}'

    def send(self, turn: Turn, request: codec.DataRequest) -> bytes:
        """What a client sends to nobody: the hook's, or ignored. There is no reply."""
        return self._filter(turn, "", bytes(request.data), lambda later, answer: b"")

    def _filter(
        self, turn: Turn, name: str, data: bytes, go_on: Callable[[Turn, object], bytes]
    ) -> bytes:
        """Ask the hook about what a client publishes, or (without a name) sends."""
        hook, known = self._on_message, turn.known
        if hook is None:
            return go_on(turn, None)
        return ask(turn, lambda: hook(known, name, data), go_on)

    def history(self, turn: Turn, request: codec.HistoryRequest) -> bytes:
        """Publications that are held, at most HISTORY_PUBLICATIONS_MAX, and the position."""
        name = _required(request.channel)
        self._admit(turn, name)
        if not self._namespaces.options(name).history:
            raise refuse(ErrorCode.NOT_AVAILABLE)
        channel = self._shown(name)
        position = channel.position
        since = request.since
        if since is not None and since.epoch not in {"", position.epoch}:
            raise refuse(ErrorCode.UNRECOVERABLE_POSITION)
        members = codec.joined(
            codec.publications(_held(channel, request)),
            b'"epoch":%b' % json.encode(position.epoch),
            b'"offset":%d' % position.offset if position.offset else b"",
        )
        return b'"history":{%b}' % members

    def presence_stats(self, turn: Turn, request: codec.ChannelRequest) -> bytes:
        """How many are there."""
        name = _required(request.channel)
        self._admit(turn, name)
        if not self._namespaces.options(name).presence_stats:
            raise refuse(ErrorCode.NOT_AVAILABLE)
        channel = self._find(name)
        everybody = channel.subscribers
        counted = channel.options.counted
        connections, voters = channel.viewers if counted else (everybody, everybody)
        members = codec.joined(
            b'"num_clients":%d' % connections if connections else b"",
            b'"num_users":%d' % voters if voters else b"",
        )
        return b'"presence_stats":{%b}' % members

    # Rights

    def _admit(self, turn: Turn, name: str) -> None:
        if not (
            self._namespaces.may_subscribe(name, turn.known) or turn.known.has_grant(name, turn.now)
        ):
            raise refuse(ErrorCode.PERMISSION_DENIED)

    def _open(self, name: str) -> Channel:
        """The channel, with a log that can be subscribed to."""
        channel = self._shown(name)
        try:
            channel.push_log()
        except ChannelLimitError:
            raise refuse(ErrorCode.LIMIT_EXCEEDED) from None
        return channel

    def _shown(self, name: str) -> Channel:
        """The channel, if its publications are for this protocol: video is not."""
        channel = self._find(name)
        if channel.options.lag == KEYFRAME:
            raise refuse(ErrorCode.NOT_AVAILABLE)
        return channel

    def _find(self, name: str) -> Channel:
        channel = self._channels.channels.get(name)
        if channel is not None:
            return channel
        if len(name.encode()) > CHANNEL_BYTES_MAX:
            raise refuse(ErrorCode.BAD_REQUEST)
        if not self._namespaces.options(name).create:
            raise refuse(ErrorCode.UNKNOWN_CHANNEL)
        try:
            return self._channels.channel(name)
        except ChannelLimitError:
            raise refuse(ErrorCode.LIMIT_EXCEEDED) from None
        except ChannelError:
            raise refuse(ErrorCode.BAD_REQUEST) from None

    def _verify(self, turn: Turn, name: str, token: str) -> Claims:
        try:
            claims = self._tokens.verify(token, turn.now, waited=turn.waited)
        except TokenExpiredError:
            raise refuse(ErrorCode.TOKEN_EXPIRED) from None
        except KeysUnavailableError:
            raise refuse(ErrorCode.INTERNAL) from None
        except InvalidTokenError:
            raise refuse(ErrorCode.PERMISSION_DENIED) from None
        known = turn.known
        same_user = claims.sub == known.user or (known.anonymous and not claims.sub)
        same_client = claims.client in {"", f"{turn.client:016x}"}
        if claims.channel != name or not same_user or not same_client:
            raise disconnect(CloseCode.INVALID_TOKEN)
        return claims

    def _grant(self, turn: Turn, name: str, expires: int) -> None:
        others = [
            grant
            for grant in turn.known.granted
            if grant[0] != name and (not grant[1] or turn.now < grant[1])
        ]
        granted = (*others[1 - SUBSCRIPTIONS_MAX :], (name, expires))
        turn.identify(replace(turn.known, granted=granted))

    def _withdraw(self, turn: Turn, name: str) -> None:
        left = tuple(grant for grant in turn.known.granted if grant[0] != name)
        if left != turn.known.granted:
            turn.identify(replace(turn.known, granted=left))

    def _expire(self, turn: Turn, name: str, expires: int) -> None:
        if not expires:
            self._expiries.remove(turn.client, name)
        elif not self._expiries.add(turn.client, name, expires):
            raise refuse(ErrorCode.LIMIT_EXCEEDED)


def _required(channel: str) -> str:
    if not channel:
        raise disconnect(CloseCode.BAD_REQUEST)
    return channel


def _expires(claims: Claims, now: float) -> int:
    expires = min(claims.expires, int(now) + TTL_SECONDS_MAX)
    if expires and expires <= now:
        raise refuse(ErrorCode.EXPIRED)
    return expires


def _held(channel: Channel, request: codec.HistoryRequest) -> list[Publication]:
    """What history is asked for; backwards from a position means what was before it."""
    most = HISTORY_PUBLICATIONS_MAX
    limit = min(request.limit, most) if request.limit >= 0 else most
    if not limit:
        return []
    if request.since is None:
        return channel.history(limit=limit, reverse=request.reverse)
    since = min(request.since.offset, channel.position.offset + 1)
    if not request.reverse:
        return channel.history(since=since, limit=limit)
    older = channel.history(since=max(0, since - 1 - limit), limit=limit)
    return [held for held in reversed(older) if held.offset < since]

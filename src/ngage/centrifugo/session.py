"""Messages of clients, one after the other: the commands in them, and what becomes of each.

Everything is answered at once, except what needs a key that has to be fetched or a hook that takes
its time. Then whatever its client sends behind it waits, so that a client's commands are done in
their order. Where WAITING_MESSAGES_MAX wait, all together, no more are taken until there is room: a
crowd that comes back is slowed down. Only rpc methods that take their time let the others go on.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any, Self

from msgspec.structs import replace

from ngage.centrifugo import codec
from ngage.centrifugo.asking import GoOn, Suspended, attempt, drop
from ngage.centrifugo.clients import Channels, Clients, OnConnect, OnMessage, Rpc
from ngage.centrifugo.codes import (
    CommandError,
    DisconnectError,
    ErrorCode,
    UnsubscribeCode,
    disconnect,
    refuse,
)
from ngage.centrifugo.connecting import Connecting
from ngage.centrifugo.expiry import Expiries
from ngage.centrifugo.jwks import read_url
from ngage.centrifugo.namespaces import Namespaces
from ngage.centrifugo.recent import GONE, Recent
from ngage.centrifugo.subscriptions import Subscriptions
from ngage.centrifugo.tokens import KeysAwaited, Tokens
from ngage.centrifugo.turn import Turn
from ngage.errors import CloseCode
from ngage.events import ClientMessage
from ngage.identity import Identity, RpcCall
from ngage.limits import (
    CALLS_WAITING_MAX,
    CLIENT_WAITING_MESSAGES_MAX,
    RECENT_IDENTITY_SECONDS,
    WAITING_MESSAGES_MAX,
)
from ngage.settings import Settings

PONG = codec.Command()

log = logging.getLogger(__name__)


class Centrifugo:
    """The protocol on one edge; a context manager that keeps time while it is open.

    Raises SettingsError for a key of tokens that is none.
    secret: what tickets and host keys are signed with, 32 bytes. version: what clients are told.
    """

    def __init__(
        self,
        channels: Channels,
        clients: Clients,
        settings: Settings,
        secret: bytes,
        *,
        version: str = "",
        rpc: Rpc | None = None,
        on_connect: OnConnect | None = None,
        on_message: OnMessage | None = None,
        fetch: Callable[[str], bytes] = read_url,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._channels = channels
        self._clients = clients
        self._secret = secret
        self._version = version
        self._rpc = rpc
        self._on_connect = on_connect
        self._on_message = on_message
        self._fetch = fetch
        self._clock = clock
        self._recent = Recent()
        self._expiries = Expiries()
        self._waiting: dict[int, list[ClientMessage]] = {}
        self._waiting_messages = 0
        self._arrived: deque[ClientMessage] = deque()  # and not taken yet
        self._holds = False
        self._tasks: set[asyncio.Future[Any]] = set()
        self._seconds = 0
        self._timer: asyncio.TimerHandle | None = None
        self.reload(settings)

    # Life

    def reload(self, settings: Settings) -> None:
        """Take over settings. Raises SettingsError for a key that is none; then the old stay."""
        self._tokens = Tokens(settings, self._fetch)
        self.namespaces = Namespaces(settings)
        self._connecting = Connecting(
            settings, self._tokens, self._secret, self._version, self._on_connect
        )
        self._subscriptions = Subscriptions(
            self._channels, self.namespaces, self._tokens, self._expiries, self._on_message
        )
        # Of several members that a command has, the first of these counts.
        self._handlers: tuple[tuple[str, Callable[[Turn, Any], bytes]], ...] = (
            ("connect", self._connect),
            ("subscribe", self._subscriptions.subscribe),
            ("rpc", self._call),
            ("unsubscribe", self._subscriptions.unsubscribe),
            ("publish", self._subscriptions.publish),
            ("presence", _not_available),
            ("presence_stats", self._subscriptions.presence_stats),
            ("history", self._subscriptions.history),
            ("ping", lambda turn, request: b'"ping":{}'),
            ("send", self._subscriptions.send),
            ("refresh", self._connecting.refresh),
            ("sub_refresh", self._subscriptions.sub_refresh),
        )

    async def __aenter__(self) -> Self:
        """Begin to end subscriptions in time, and to forget."""
        self._timer = asyncio.get_running_loop().call_later(1, self._tick)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the loop; messages that wait are dropped."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._arrived.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def end_expired(self) -> None:
        """End subscriptions whose token was not refreshed, and say so."""
        reason = "subscription expired"
        for client, name in self._expiries.due(self._clock()):
            channel = self._channels.channels.get(name)
            if channel is not None:
                self._clients.unsubscribe(client, channel)
            push = codec.push_unsubscribe(name, UnsubscribeCode.EXPIRED, reason)
            self._clients.send(client, push)

    def _tick(self) -> None:
        self.end_expired()
        self._seconds += 1
        if self._seconds % RECENT_IDENTITY_SECONDS == 0:
            self._recent.rotate()
        self._timer = asyncio.get_running_loop().call_later(1, self._tick)

    # Messages

    def receive(self, batch: Sequence[ClientMessage]) -> None:
        """Answer what clients sent, in its order. Never raises."""
        self._arrived.extend(batch)
        self._take_arrived()

    def _take_arrived(self) -> None:
        now = self._clock()
        while self._arrived and self._waiting_messages < WAITING_MESSAGES_MAX:
            self._take(self._arrived.popleft(), now)
        if self._holds != bool(self._arrived):
            self._holds = not self._holds
            self._clients.hold(self._holds)

    def _take(self, message: ClientMessage, now: float) -> None:
        if message.client in self._waiting:
            self._wait(message)
        else:
            self._answer(Turn(self._clients, self._recent, message, now), message)

    def _answer(self, turn: Turn, message: ClientMessage, go_on: GoOn | None = None) -> None:
        """Answer the commands of a message, and first the one that waited to go on."""
        lines = message.data.split(b"\n")
        done = 0
        try:
            if turn.identity is GONE:
                return
            if go_on is not None:
                self._finish(turn, go_on)
            for line in lines:
                done += 1
                if line:
                    self._perform(turn, line)
            turn.flush()
        except Suspended as suspended:
            turn.flush()
            rest = replace(message, data=b"\n".join(lines[done:]))
            self._suspend(rest, turn.command, suspended)
        except DisconnectError as error:
            turn.flush()
            self._disconnect(message.client, error)
        except Exception:
            log.exception("a message of %s, client %016x", message.address, message.client)
            self._disconnect(message.client, disconnect(CloseCode.SERVER_ERROR))

    def _perform(self, turn: Turn, line: bytes) -> None:
        try:
            command = codec.decode_command(line)
        except ValueError:
            raise disconnect(CloseCode.BAD_REQUEST) from None
        turn.command = command.id
        if turn.identity is None and command.connect is None:
            raise disconnect(CloseCode.BAD_REQUEST)
        if not command.id and command.send is None:
            if command == PONG:
                return
            raise disconnect(CloseCode.BAD_REQUEST)
        try:
            self._finish(turn, lambda later: self._result(later, command))
        except KeysAwaited as awaited:
            raise Suspended(awaited.fetch, lambda later: self._retry(later, command)) from None

    def _finish(self, turn: Turn, go_on: GoOn) -> None:
        try:
            result = go_on(turn)
        except CommandError as error:
            result = codec.error(error.code, error.message, error.temporary)
        if result and turn.command:
            turn.reply(result)

    def _result(self, turn: Turn, command: codec.Command) -> bytes:
        """The reply's member beside its id; empty if somebody else replies, or nobody."""
        for name, handle in self._handlers:
            request = getattr(command, name)
            if request is not None:
                return handle(turn, request)
        raise disconnect(CloseCode.BAD_REQUEST)

    def _retry(self, turn: Turn, command: codec.Command) -> bytes:
        turn.waited = True
        try:
            return self._result(turn, command)
        finally:
            turn.waited = False

    # Commands that are not about channels

    def _connect(self, turn: Turn, request: codec.ConnectRequest) -> bytes:
        def admit(turn: Turn, known: Identity, names: list[str]) -> bytes:
            turn.identify(known)
            if not names:
                return self._connecting.result(turn, b"")
            subs, channels = self._subscriptions.subscribe_all(names, request.subs or {})
            turn.reply(self._connecting.result(turn, subs))
            turn.command = 0
            for channel in channels:
                turn.subscribe(channel, None, b"")
            return b""

        return self._connecting.connect(turn, request, admit)

    def _call(self, turn: Turn, request: codec.DataRequest) -> bytes:
        rpc, client, command = self._rpc, turn.client, turn.command
        if rpc is None:
            raise refuse(ErrorCode.NOT_AVAILABLE)
        message = turn.message
        call = RpcCall(
            *(client, turn.known, request.method, bytes(request.data), command),
            *(message.received_ms, message.rtt_ms),
        )
        answer = attempt(lambda: rpc(call))
        if not isawaitable(answer):
            return _called(answer)
        if len(self._tasks) >= CALLS_WAITING_MAX:
            drop(answer)
            raise refuse(ErrorCode.TOO_MANY_REQUESTS)
        task = asyncio.ensure_future(answer)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._answer_call(task, client, command))
        return b""

    def _answer_call(self, task: "asyncio.Future[object]", client: int, command: int) -> None:
        """Reply to a call that took its time; the client's other commands did not wait for it."""
        self._tasks.discard(task)
        self._reply_later(client, command, lambda: attempt(task.result))

    def reply(self, client: int, command: int, answer: object) -> None:
        """Answer a command for which rpc has returned None, as if it had returned this."""
        self._reply_later(client, command, lambda: attempt(lambda: answer))

    def _reply_later(self, client: int, command: int, answer: Callable[[], object]) -> None:
        try:
            result = _called(answer())
        except CommandError as error:
            result = codec.error(error.code, error.message, error.temporary)
        if result:
            self._clients.send(client, codec.reply(command, result))

    # Waiting and ending

    def _suspend(self, rest: ClientMessage, command: int, suspended: Suspended) -> None:
        """Keep the rest of a message until its command can go on."""
        until = suspended.until
        self._wait(rest)
        self._tasks.add(until)
        until.add_done_callback(self._tasks.discard)
        until.add_done_callback(lambda _: self._resume(rest.client, command, suspended.go_on))

    def _wait(self, message: ClientMessage) -> None:
        """Keep a message behind what its client waits for."""
        waiting = self._waiting.setdefault(message.client, [])
        if len(waiting) < CLIENT_WAITING_MESSAGES_MAX:
            waiting.append(message)
            self._waiting_messages += 1
        else:
            self._disconnect(message.client, disconnect(CloseCode.TOO_MANY_REQUESTS))

    def _resume(self, client: int, command: int, go_on: GoOn) -> None:
        self._answer_waiting(client, command, go_on)
        self._take_arrived()

    def _answer_waiting(self, client: int, command: int, go_on: GoOn) -> None:
        messages = self._waiting.pop(client, [])
        self._waiting_messages -= len(messages)
        if not messages:
            return
        now = self._clock()
        turn = Turn(self._clients, self._recent, messages[0], now)
        turn.command = command
        self._answer(turn, messages[0], go_on)
        for message in messages[1:]:
            self._take(message, now)

    def _disconnect(self, client: int, error: DisconnectError) -> None:
        self._recent.keep(client, GONE)
        self._waiting_messages -= len(self._waiting.pop(client, []))
        self._clients.disconnect(client, error.code, error.reason)


def _called(answer: object) -> bytes:
    if answer is None:
        return b""
    if not isinstance(answer, bytes):
        log.error("an rpc method answered with %s, not bytes", type(answer).__name__)
        raise refuse(ErrorCode.INTERNAL)
    return b'"rpc":{"data":%b}' % codec.one_line(answer) if answer else b'"rpc":{}'


def _not_available(turn: Turn, request: codec.ChannelRequest) -> bytes:
    raise refuse(ErrorCode.NOT_AVAILABLE)

"""`connect` and `refresh`: who a client is, and for how long.

Whoever is let in by a token or (where nobody may be anonymous) by a ticket is let in for as long as
that lasts, and so does the ticket that it is given: tickets make nobody stay.
"""

import math
from collections.abc import Callable

from msgspec import DecodeError, Raw, Struct, json
from msgspec.structs import replace

from ngage import hostkeys, identity, tickets
from ngage.centrifugo import codec
from ngage.centrifugo.asking import ask
from ngage.centrifugo.clients import OnConnect
from ngage.centrifugo.codes import CommandError, ErrorCode, disconnect, refuse
from ngage.centrifugo.tokens import Tokens
from ngage.centrifugo.turn import Turn
from ngage.errors import CloseCode, InvalidTokenError, KeysUnavailableError, TokenExpiredError
from ngage.identity import Identity
from ngage.limits import TTL_SECONDS_MAX, VIEWER_TICKET_SECONDS
from ngage.settings import Settings

Admit = Callable[[Turn, Identity, list[str]], bytes]


class _Data(Struct):
    """Of what an application sends along, the part that is for us."""

    ticket: str = ""
    monitor: bool = False  # a screen in the hall, say: it is not counted as a viewer


class Connecting:
    """Makes identities of tokens, tickets and nothing."""

    def __init__(
        self,
        settings: Settings,
        tokens: Tokens,
        secret: bytes,
        version: str,
        on_connect: OnConnect | None,
    ) -> None:
        self._tokens = tokens
        self._secret = secret
        self._admits_anonymous = settings.anonymous
        self._on_connect = on_connect
        self._version = json.encode(version)
        self._ping = b',"ping":%d,"pong":true' % math.ceil(settings.client_ping_seconds)
        self._read_data = json.Decoder(_Data).decode

    def connect(self, turn: Turn, request: codec.ConnectRequest, admit: Admit) -> bytes:
        """Find out who a client is, ask the hook, and do what `admit` does with the identity and
        the channels the server subscribes it to.

        Raises DisconnectError, CommandError, KeysAwaited, Suspended.
        """
        if turn.identity is not None:
            raise disconnect(CloseCode.BAD_REQUEST)
        if request.token:
            known, channels = self._from_token(turn, request)
        else:
            known, channels = self._from_ticket(self._sent(request.data), turn.now), []
        hook = self._on_connect
        if hook is None:
            return admit(turn, known, channels)
        data = bytes(request.data)
        return ask(
            turn,
            lambda: hook(known, turn.address, data),
            lambda later, _: admit(later, known, channels),
        )

    def result(self, turn: Turn, subscribed: bytes) -> bytes:
        """The member `connect` of the reply; `subscribed` is its member `subs`."""
        known = turn.known
        expires = codec.expiry(known.expires, turn.now)
        lasts = int(turn.now) + VIEWER_TICKET_SECONDS
        if known.expires:
            lasts = min(lasts, known.expires)
        ticket = tickets.mint(self._secret, known.voter, lasts, known.monitor)
        return (
            b'"connect":{"client":"%016x","version":%b,"time":%d%b,'
            b'"data":{"ticket":"%b","user":%b}%b%b}'
        ) % (
            turn.client,
            self._version,
            int(turn.now * 1000),
            b"," + expires if expires else b"",
            ticket.encode(),
            json.encode(known.user),
            b"," + subscribed if subscribed else b"",
            self._ping,
        )

    def refresh(self, turn: Turn, request: codec.TokenRequest) -> bytes:
        """Let a client stay for as long as its new token says: the member `refresh`."""
        if not request.token:
            raise disconnect(CloseCode.BAD_REQUEST)
        try:
            fresh, _ = self._from_token(turn, request)
        except CommandError as error:
            if error.code in {ErrorCode.TOKEN_EXPIRED, ErrorCode.EXPIRED}:
                raise disconnect(CloseCode.EXPIRED) from None
            raise
        known = turn.known
        if fresh.anonymous and known.anonymous:
            fresh = replace(known, info=fresh.info, expires=fresh.expires)
        if fresh.user != known.user:
            raise disconnect(CloseCode.INVALID_TOKEN)
        turn.identify(replace(fresh, granted=known.granted))
        return b'"refresh":{%b}' % codec.expiry(fresh.expires, turn.now)

    def _from_token(
        self, turn: Turn, request: codec.ConnectRequest | codec.TokenRequest
    ) -> tuple[Identity, list[str]]:
        try:
            claims = self._tokens.verify(request.token, turn.now, waited=turn.waited)
            shown = claims.shown
        except TokenExpiredError:
            raise refuse(ErrorCode.TOKEN_EXPIRED) from None
        except KeysUnavailableError:
            raise refuse(ErrorCode.INTERNAL) from None
        except InvalidTokenError:
            return self._from_host_key(request.token), []
        expires = min(claims.expires, int(turn.now) + TTL_SECONDS_MAX)
        if expires and expires <= turn.now:
            raise refuse(ErrorCode.EXPIRED)
        if claims.sub.startswith(identity.RESERVED):
            raise disconnect(CloseCode.INVALID_TOKEN)
        info = codec.one_line(shown) if shown else None
        if claims.sub:
            voter = identity.voter_of(claims.sub, self._secret)
            return Identity(claims.sub, voter, info, expires=expires), claims.channels
        data = request.data if isinstance(request, codec.ConnectRequest) else codec.NOTHING
        nobody = self._from_ticket(self._sent(data), turn.now, vouched=True)
        return replace(nobody, info=info, expires=expires), claims.channels

    def _from_host_key(self, key: str) -> Identity:
        try:
            host = hostkeys.verify(self._secret, key)
        except TokenExpiredError:
            raise refuse(ErrorCode.TOKEN_EXPIRED) from None
        except InvalidTokenError:
            raise disconnect(CloseCode.INVALID_TOKEN) from None
        user = identity.HOST + host.event
        voter = identity.voter_of(user, self._secret)
        return Identity(user, voter, monitor=True, host=host.event, expires=host.exp)

    def _from_ticket(self, sent: _Data, now: float, *, vouched: bool = False) -> Identity:
        """Somebody anonymous: the one of the ticket, or somebody new where that is allowed.

        vouched: a token lets it in, and the ticket only says who it was, which it does for ever.
        """
        ticket = sent.ticket
        found = tickets.read(self._secret, ticket) if ticket else None
        if ticket and found is None:
            raise disconnect(CloseCode.INVALID_TOKEN)
        if found is not None and (vouched or not found.expired(now)):
            known = identity.anonymous(found.voter, monitor=found.monitor or sent.monitor)
            free = self._admits_anonymous or vouched
            return known if free else replace(known, expires=found.expires)
        if self._admits_anonymous or vouched:
            return identity.anonymous(monitor=sent.monitor)
        if found is not None:
            raise refuse(ErrorCode.TOKEN_EXPIRED)
        raise disconnect(CloseCode.BAD_REQUEST)

    def _sent(self, data: Raw) -> _Data:
        """What is for us in data that may be anything."""
        if not data:
            return _Data()
        try:
            return self._read_data(data)
        except (DecodeError, RecursionError):
            return _Data()

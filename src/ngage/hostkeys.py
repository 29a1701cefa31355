"""Host keys: a link that makes whoever has it the host of one event.

A JWT (HS256 with the edge's secret) for the audience "host" that names the event, by id and number:
a later event of the same id is another one. It opens that event's part of the server API, and as a
connection token its host channel.
"""

import time

import jwt
import msgspec

from ngage.errors import InvalidTokenError, TokenExpiredError
from ngage.limits import HOST_KEY_SECONDS

AUDIENCE = "host"
ALGORITHM = "HS256"


class HostKey(msgspec.Struct, frozen=True):
    """Whose host the bearer is, and until when in Unix seconds."""

    event: str
    exp: int
    number: int = 0


def mint(secret: bytes, event: str, expires: int, number: int = 0) -> str:
    """A key for an event until `expires`, in Unix seconds; number: the event's."""
    claims = {"aud": AUDIENCE, "event": event, "number": number, "exp": expires}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def link(admin: str, secret: bytes, event: str, number: int) -> str:
    """Where hosts of an event go, with a key for HOST_KEY_SECONDS; admin: that listener's URL."""
    key = mint(secret, event, int(time.time()) + HOST_KEY_SECONDS, number)
    return f"{admin}/host/{event}#key={key}"


def verify(secret: bytes, key: str) -> HostKey:
    """What a key says. Raises InvalidTokenError for one the secret has not made,
    TokenExpiredError."""
    try:
        claims = jwt.decode(
            key,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["exp", "event", "aud"]},
        )
        return msgspec.convert(claims, HostKey)
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError("the host key has expired") from None
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise InvalidTokenError("no host key") from None

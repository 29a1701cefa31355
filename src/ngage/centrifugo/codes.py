"""Error, unsubscribe and disconnect codes of the protocol, and how a command ends with one.

Disconnect codes are ngage.errors.CloseCode; applications have error codes from 400 on.
"""

from enum import IntEnum

from ngage.errors import CloseCode


class ErrorCode(IntEnum):
    """Why a command is refused, in `error.code` of its reply."""

    INTERNAL = 100
    UNAUTHORIZED = 101
    UNKNOWN_CHANNEL = 102
    PERMISSION_DENIED = 103
    METHOD_NOT_FOUND = 104
    ALREADY_SUBSCRIBED = 105
    LIMIT_EXCEEDED = 106
    BAD_REQUEST = 107
    NOT_AVAILABLE = 108
    TOKEN_EXPIRED = 109
    EXPIRED = 110
    TOO_MANY_REQUESTS = 111
    UNRECOVERABLE_POSITION = 112
    TOKEN_REVOKED = 113


class UnsubscribeCode(IntEnum):
    """Why the server ended a subscription; from 2500 on an SDK subscribes again."""

    SERVER = 2000
    INSUFFICIENT_STATE = 2500
    EXPIRED = 2501
    STATE_INVALIDATED = 2502


# The same command may succeed later.
TEMPORARY = {ErrorCode.INTERNAL, ErrorCode.TOO_MANY_REQUESTS}

MESSAGES = {code: code.name.lower().replace("_", " ") for code in ErrorCode}
MESSAGES[ErrorCode.INTERNAL] = "internal server error"

REASONS = {
    CloseCode.SERVER_ERROR: "internal server error",
    CloseCode.EXPIRED: "connection expired",
    CloseCode.TOO_MANY_REQUESTS: "too many requests",
    CloseCode.INVALID_TOKEN: "invalid token",
    CloseCode.BAD_REQUEST: "bad request",
    CloseCode.CHANNEL_LIMIT: "channel limit",
    CloseCode.PERMISSION_DENIED: "permission denied",
}


class CommandError(Exception):
    """A command is refused: its reply has an error."""

    def __init__(self, code: int, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.temporary = temporary


class DisconnectError(Exception):
    """The client is to be disconnected."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def refuse(code: ErrorCode) -> CommandError:
    """The error that the protocol knows by that code."""
    return CommandError(code, MESSAGES[code], temporary=code in TEMPORARY)


def disconnect(code: CloseCode) -> DisconnectError:
    """The disconnect that the protocol knows by that code."""
    return DisconnectError(code, REASONS[code])

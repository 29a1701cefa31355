"""How the admin listener says no: an HTTP status and {"error": {"code", "message"}}.

Codes are Centrifugo's, so that its client libraries read them.
"""

import msgspec
from starlette.responses import Response

from ngage.errors import (
    ChannelError,
    ChannelLimitError,
    ClientError,
    NgageError,
    PositionError,
    PublicationError,
    SettingsError,
)

INTERNAL = 100
UNAUTHORIZED = 101
UNKNOWN_CHANNEL = 102
PERMISSION_DENIED = 103
METHOD_NOT_FOUND = 104
LIMIT_EXCEEDED = 106
BAD_REQUEST = 107
NOT_AVAILABLE = 108
TOO_MANY_REQUESTS = 111
UNRECOVERABLE_POSITION = 112


class Failure(Exception):
    """A call that is refused: its HTTP status, code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, object]:
        """{"error": ...} as the caller gets it."""
        return {"error": {"code": self.code, "message": self.message}}

    def response(self, headers: dict[str, str] | None = None) -> Response:
        """The complete answer."""
        return json_response(self.body(), self.status, headers)


def bad_request(message: str) -> Failure:
    """What the caller sent makes no sense."""
    return Failure(400, BAD_REQUEST, message)


def from_error(error: NgageError) -> Failure:
    """The failure that an error of the edge amounts to."""
    match error:
        case ChannelLimitError():
            return Failure(409, LIMIT_EXCEEDED, str(error))
        case PositionError():
            return Failure(409, UNRECOVERABLE_POSITION, str(error))
        case ChannelError() | PublicationError() | ClientError() | SettingsError():
            return bad_request(str(error))
    return Failure(500, INTERNAL, "internal error")


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """`body` as JSON."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")

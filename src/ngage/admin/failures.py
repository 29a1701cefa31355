"""How the admin listener says no: an HTTP status and {"error": {"code", "message"}}.

Codes below 400 are Centrifugo's, so that its client libraries read them; of events they are those
that clients get (RefusalCode).
"""

import msgspec
from starlette.responses import Response

from ngage.errors import (
    ChannelError,
    ChannelLimitError,
    ClientError,
    EventError,
    JournalError,
    NgageError,
    PollError,
    PollStateError,
    PositionError,
    PublicationError,
    RefusalCode,
    SettingsError,
    StoreError,
    UnknownEventError,
    UnknownLineError,
    UnknownPollError,
    UnknownQuestionError,
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


# The first that an error is one of.
AMOUNTS = (
    (ChannelLimitError, 409, LIMIT_EXCEEDED),
    (PositionError, 409, UNRECOVERABLE_POSITION),
    ((ChannelError, PublicationError, ClientError, SettingsError), 400, BAD_REQUEST),
    ((UnknownEventError, UnknownPollError), 404, RefusalCode.UNKNOWN),
    ((UnknownLineError, UnknownQuestionError), 404, RefusalCode.UNKNOWN),
    (PollStateError, 409, RefusalCode.NOT_NOW),
    ((EventError, PollError), 400, BAD_REQUEST),
    ((StoreError, JournalError), 503, RefusalCode.UNAVAILABLE),
)


def from_error(error: NgageError) -> Failure:
    """The failure that an error of the edge amounts to."""
    for kinds, status, code in AMOUNTS:
        if isinstance(error, kinds):
            return Failure(status, code, str(error))
    return Failure(500, INTERNAL, "internal error")


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """`body` as JSON."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")

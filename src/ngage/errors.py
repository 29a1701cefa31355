"""What ngage raises. Each message is one line that names the cause, and the fix if there is one."""

from enum import IntEnum

from ngage_core.errors import CloseCode, NotCompiledError

__all__ = [
    "CapacityError",
    "ChannelError",
    "ChannelLimitError",
    "ClientError",
    "CloseCode",
    "EventError",
    "FanError",
    "HandoverError",
    "HostError",
    "IngestError",
    "InvalidTokenError",
    "JournalError",
    "KeysUnavailableError",
    "MediaError",
    "NgageError",
    "NotCompiledError",
    "PollError",
    "PollStateError",
    "PositionError",
    "ProtocolError",
    "PublicationError",
    "PublisherError",
    "RefusalCode",
    "RefusedError",
    "ResultError",
    "ScenarioError",
    "ServerError",
    "SettingsError",
    "StartError",
    "StoreError",
    "StudioError",
    "TokenExpiredError",
    "UnknownEventError",
    "UnknownLineError",
    "UnknownPollError",
    "UnknownQuestionError",
]


class NgageError(Exception):
    """Base of all errors that ngage raises on purpose."""


class SettingsError(NgageError, ValueError):
    """A setting has a wrong name or value; the message names key, value, source and range."""


class CapacityError(NgageError):
    """This host cannot hold the connections wanted, and `strict` forbids to serve fewer."""


class StartError(NgageError):
    """The edge could not start: an address is taken, or the kernel refused."""


class StudioError(NgageError):
    """The studio cannot show that source, or no edge takes it."""


class HandoverError(NgageError):
    """An upgrade cannot go on: the other process has ended, is silent, or hands over nonsense."""


class ChannelError(NgageError, ValueError):
    """A channel's name or an option of it is not acceptable."""


class ChannelLimitError(ChannelError):
    """The edge holds as many channels as it can."""


class PublicationError(NgageError, ValueError):
    """The data cannot be published: too large for the channel, or text that is not UTF-8."""


class PositionError(NgageError, LookupError):
    """A position belongs to another epoch: what followed it is not known here."""


class HostError(NgageError):
    """The server API does not do what the host of a run's poll asks for."""


class ResultError(NgageError, ValueError):
    """A result of mobsim holds what no run writes."""


class ClientError(NgageError, ValueError):
    """A client id is malformed, or what was asked for the client is not acceptable."""


class IngestError(NgageError, ValueError):
    """A publisher of pictures or sound cannot go on; the message may be told to it."""


class MediaError(IngestError):
    """The stream cannot be carried: the message names the codec, or what is damaged."""


class ProtocolError(IngestError):
    """The peer does not speak the protocol, or exceeds a bound of it."""


class ScenarioError(NgageError, ValueError):
    """A scenario of mobsim cannot be run; the message names file, line, key and reason."""


class ServerError(NgageError):
    """A server of a scenario did not start, or not what was asked of it; holds its last lines."""


class PublisherError(NgageError):
    """mobsim cannot publish: nobody answers at the address, or the answer is a refusal."""


class FanError(NgageError, ConnectionError):
    """A sample fan could not connect, or is not connected."""


class InvalidTokenError(NgageError, ValueError):
    """A token is forged, malformed, not yet valid, or meant for somebody else."""


class TokenExpiredError(NgageError):
    """A token was genuine, but its time is over."""


class KeysUnavailableError(NgageError):
    """The keys that tokens are checked with cannot be fetched now."""


class RefusalCode(IntEnum):
    """Why a client may not do something; Centrifugo leaves error codes from 400 on to us."""

    CLOSED = 4001
    UNKNOWN = 4002
    NO_CHOICE = 4003
    BANNED = 4004
    FINAL = 4005
    LATE = 4006
    UNAVAILABLE = 4007
    TOO_FAST = 4008
    NOT_NOW = 4009
    REJECTED = 4010


class RefusedError(NgageError):
    """A client may not do that; code and message are told to it.

    temporary: the same may succeed later.
    """

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.temporary = code in {RefusalCode.UNAVAILABLE, RefusalCode.TOO_FAST}


class EventError(NgageError, ValueError):
    """An event cannot be so: the message names the field and what it may be."""


class UnknownEventError(EventError, LookupError):
    """There is no event of that id."""


class PollError(NgageError, ValueError):
    """A poll cannot be so: the message names the field and what it may be."""


class UnknownPollError(PollError, LookupError):
    """There is no poll of that number in the event."""


class PollStateError(PollError):
    """A poll or its event is not in a state where that can be done."""


class StoreError(NgageError):
    """The database cannot do it now, and nothing has changed.

    reason is one word: `locked`, `full`, `failed` (the disk), `corrupt`, `readonly`, `newer` (than
    this program), `busy` (too much waits).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class JournalError(NgageError):
    """A journal of votes cannot be read or written."""


class UnknownLineError(NgageError, LookupError):
    """There is no line of the chat of that id, or it is too old."""


class UnknownQuestionError(NgageError, LookupError):
    """There is no question of that id."""

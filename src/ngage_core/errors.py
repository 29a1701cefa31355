"""The one table of close codes and their meaning, and the exceptions of the core.

Codes 1000-1015 are RFC 6455 section 7.4.1. 3000-3499 tell Centrifugo's SDKs to reconnect,
3500-3999 not to; 4000-4999 are ours and follow the same halves.
"""

from enum import IntEnum


class CloseCode(IntEnum):
    """Close codes the edge sends, and those a host may want to send to its clients."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    CONNECTION_CLOSED = 3000
    SHUTDOWN = 3001
    SERVER_ERROR = 3004
    EXPIRED = 3005
    SUBSCRIPTION_EXPIRED = 3006
    SLOW = 3008
    WRITE_ERROR = 3009
    INSUFFICIENT_STATE = 3010
    FORCE_RECONNECT = 3011
    NO_PONG = 3012
    TOO_MANY_REQUESTS = 3013
    STATE_INVALIDATED = 3014
    INVALID_TOKEN = 3500
    BAD_REQUEST = 3501
    STALE = 3502
    FORCE_DISCONNECT = 3503
    CONNECTION_LIMIT = 3504
    CHANNEL_LIMIT = 3505
    INAPPROPRIATE_PROTOCOL = 3506
    PERMISSION_DENIED = 3507
    NOT_AVAILABLE = 3508


class NotCompiledError(ImportError):
    """The compiled core is missing: run `pip install .` or `make build`."""


class JournalError(Exception):
    """A journal of votes that cannot be used: of another poll, damaged, or in use elsewhere."""

"""The bodies of server API calls, as msgspec checks them."""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ngage.admin.failures import bad_request

Offset = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Limit = Annotated[int, Meta(ge=-1, le=(1 << 31) - 1)]
IdempotencyKey = Annotated[str, Meta(max_length=256)]
Code = Annotated[int, Meta(ge=1000, le=4999)]


class Payload(Struct):
    """data: any JSON, published as compact JSON text. b64data: bytes, published as they are."""

    data: Raw | UnsetType = UNSET
    b64data: bytes | UnsetType = UNSET
    idempotency_key: IdempotencyKey = ""


class Publish(Payload, kw_only=True):
    """One publication to one channel."""

    channel: str


class Broadcast(Payload, kw_only=True):
    """One publication to several channels."""

    channels: list[str]


class Cue(Struct):
    """data: any JSON. at_us: pts of the picture that it belongs to; none: the newest."""

    channel: str
    data: Any
    at_us: Offset | None = None


class Since(Struct):
    """A position that the caller knows."""

    offset: Offset
    epoch: str = ""


class History(Struct):
    """limit 0 asks for the position only, -1 for all that is held."""

    channel: str
    limit: Limit = 0
    since: Since | None = None
    reverse: bool = False


class PresenceStats(Struct):
    """How many are subscribed to a channel."""

    channel: str


class Channels(Struct):
    """Channels whose name matches a glob; empty matches all."""

    pattern: str = ""


class Disconnect(Struct):
    """Exactly one of client, channel and user."""

    client: str = ""
    channel: str = ""
    user: str = ""
    code: Code = 3503
    reason: str = "force disconnect"


class Info(Struct):
    """Takes nothing."""


Call = TypeVar("Call", bound=Struct)


def decode(call: type[Call], body: bytes) -> Call:
    """The call in a JSON body, an empty body being {}; Failure names the field and the problem."""
    try:
        return msgspec.json.decode(body or b"{}", type=call)
    except msgspec.MsgspecError as error:
        raise bad_request(str(error)) from None
    except UnicodeDecodeError:
        raise bad_request("the body is not UTF-8") from None


def payload_data(payload: Payload) -> bytes | str:
    """What a call publishes: str for data, bytes for b64data."""
    if isinstance(payload.data, Raw) and payload.b64data is UNSET:
        try:
            return msgspec.json.format(bytes(payload.data), indent=-1).decode()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise bad_request(f"data: {error}") from None
    if isinstance(payload.b64data, bytes) and payload.data is UNSET:
        return payload.b64data
    raise bad_request("exactly one of data and b64data is needed")

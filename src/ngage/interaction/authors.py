"""Who writes: what others see of a person, and what decides."""

from typing import NamedTuple

import msgspec

from ngage.errors import RefusedError
from ngage.interaction.wording import clean
from ngage.limits import NAME_CHARS_MAX


class Author(NamedTuple):
    """A person: user and name are shown, voter (64 bits) is what limits and bans go by."""

    user: str
    voter: int
    name: str = ""
    moderator: bool = False


class _Info(msgspec.Struct):
    name: str = ""


def shown_name(info: bytes | None, given: str = "") -> str:
    """The name of identity.info (JSON), else the one given, made fit to show; empty if unfit."""
    try:
        known = msgspec.json.decode(info, type=_Info).name if info else ""
    except msgspec.DecodeError:
        known = ""
    try:
        return clean(known or given, NAME_CHARS_MAX)
    except RefusedError:
        return ""

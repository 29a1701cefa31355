"""Who may publish: applications and stream keys. What a publisher sends is never logged."""

import hmac
from collections.abc import Mapping
from typing import Protocol


class Access(Protocol):
    """What a server asks. Called on the event loop, at most twice a connection."""

    def has_app(self, app: str) -> bool:
        """Whether anybody may publish to this application (the path of the URL)."""

    def stream(self, app: str, key: str) -> str | None:
        """The stream that this key publishes, None for a wrong key."""


class StreamKeys:
    """One application; `keys` has the secret key of each stream by the stream's name."""

    def __init__(self, app: str, keys: Mapping[str, str]) -> None:
        self._app = app
        self._keys = {name: key.encode() for name, key in keys.items() if key}

    def has_app(self, app: str) -> bool:
        return app == self._app

    def stream(self, app: str, key: str) -> str | None:
        """Takes as long for a key that is nearly right as for any other."""
        given, found = key.encode(), None
        for name, known in self._keys.items():
            if hmac.compare_digest(known, given):
                found = name
        return found if app == self._app else None

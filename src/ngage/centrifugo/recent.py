"""Who clients became a moment ago.

The core keeps every connection's identity and hands it back with each message. But it learns an
identity by a command that is behind others, so messages that were under way at that moment still
come with the one before. What it was told is remembered here for one to two rotations of
RECENT_IDENTITY_SECONDS, longer than any message is under way, and nothing else is kept: no object
lives as long as a connection.
"""

from ngage.identity import Identity

# A client that was told to go: what else it sent is not for anybody.
GONE = Identity("", 0)


class Recent:
    """Two generations of identities by client, of which the older is dropped at each rotation."""

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        self._young: dict[int, Identity] = {}
        self._old: dict[int, Identity] = {}

    def find(self, client: int) -> Identity | None:
        """What the core was told of a client, if that was a moment ago."""
        return self._young.get(client) or self._old.get(client)

    def keep(self, client: int, identity: Identity) -> None:
        """Remember what the core is told now."""
        self._young[client] = identity

    def rotate(self) -> None:
        """Forget what was old already."""
        self._old, self._young = self._young, {}

"""The directory `data`: what is where in it, and that nobody else reads it."""

from pathlib import Path
from typing import NamedTuple

from ngage.errors import StartError


class Data(NamedTuple):
    """Places in the directory."""

    database: Path
    votes: Path
    secret: Path


def prepare(directory: str) -> Data:
    """Make the directory if it is new, for its owner only. Raises StartError."""
    root = Path(directory)
    votes = root / "votes"
    try:
        for path in (root, votes):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"data = {directory!r}: {error.strerror}") from None
    return Data(root / "ngage.db", votes, root / "secret")

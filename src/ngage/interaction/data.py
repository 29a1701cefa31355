"""The directory `data`: what is where in it, that nobody else reads it, and that one has it."""

import errno
import fcntl
from pathlib import Path
from typing import IO, NamedTuple

from ngage.errors import StartError


class Data(NamedTuple):
    """Places in the directory."""

    database: Path
    votes: Path
    secret: Path
    lock: Path


def prepare(directory: str) -> Data:
    """Make the directory if it is new, for its owner only. Raises StartError."""
    root = Path(directory)
    votes = root / "votes"
    try:
        for path in (root, votes):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"data = {directory!r}: {error.strerror}") from None
    return Data(root / "ngage.db", votes, root / "secret", root / "lock")


def take(data: Data) -> IO[bytes]:
    """Have what is kept there to oneself, until the file that is returned is closed or the process
    ends. Raises StartError if another process has it."""
    directory = str(data.lock.parent)
    try:
        file = data.lock.open("ab")
    except OSError as error:
        raise StartError(f"data = {directory!r}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno == errno.EWOULDBLOCK:
            raise StartError(f"another ngage-edge uses data = {directory!r}") from None
        raise StartError(f"data = {directory!r}: no lock: {error.strerror}") from None
    return file

"""Secrets: comparing them, and the one that everything of an edge is signed with."""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ngage.errors import StartError

SECRET_BYTES = 32


def key_matches(given: str, key: str) -> bool:
    """Whether `given` is the key, in a time that does not depend on where they differ.

    An empty key asks for none.
    """
    return not key or hmac.compare_digest(given.encode(), key.encode())


def read_secret(given: str, path: Path) -> bytes:
    """The edge's secret: `given` in hexadecimal, else what `path` holds, made if it is new.

    Only the owner can read that file. Raises StartError if it cannot be read or written, or holds
    something else.
    """
    if given:
        return bytes.fromhex(given)
    try:
        _create(path)
        secret = bytes.fromhex(path.read_text().strip())
    except OSError as error:
        raise StartError(f"secret {path}: {error.strerror}") from None
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise StartError(f"secret {path}: {2 * SECRET_BYTES} hexadecimal digits are needed")
    return secret


def _create(path: Path) -> None:
    """Write a new secret whole or not at all; one that is there stays, whoever was first."""
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()

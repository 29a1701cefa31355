"""Comparing secrets."""

import hmac


def key_matches(given: str, key: str) -> bool:
    """Whether `given` is the key, in a time that does not depend on where they differ.

    An empty key asks for none.
    """
    return not key or hmac.compare_digest(given.encode(), key.encode())

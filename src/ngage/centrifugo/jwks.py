"""The public keys of a JWKS (RFC 7517), fetched by URL while the loop goes on.

A token that names a key which is not known makes the set be fetched again, but not more often than
every JWKS_INTERVAL_SECONDS, whatever tokens name. What fails keeps the keys that are known.
"""

import asyncio
import logging
import time
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ngage.errors import InvalidTokenError
from ngage.limits import (
    JWKS_AGE_SECONDS_MAX,
    JWKS_BYTES_MAX,
    JWKS_FETCH_SECONDS,
    JWKS_INTERVAL_SECONDS,
    JWKS_KEYS_MAX,
)

RSA_BITS_MIN = 2048
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512"})
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

log = logging.getLogger(__name__)


VerifyingKey = RSAPublicKey | EllipticCurvePublicKey


class PublicKey(NamedTuple):
    """A key, and the algorithms a token may name for it."""

    key: VerifyingKey
    algorithms: frozenset[str]


def usable(key: object, algorithm: str = "") -> PublicKey:
    """A public key with what it can verify, only `algorithm` if it is given.

    Raises InvalidTokenError for a key of another kind, or one too short to be safe.
    """
    fit: frozenset[str] = frozenset()
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        fit = RSA_ALGORITHMS
    elif isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVES:
        fit = frozenset({CURVES[key.curve.name]})
    if algorithm:
        fit &= {algorithm}
    if not fit or not isinstance(key, VerifyingKey):
        raise InvalidTokenError("a public key of RSA (2048 bits and more) or EC is needed")
    return PublicKey(key, fit)


def read_url(url: str) -> bytes:
    """The body at `url`, without a proxy. Raises OSError, ValueError if it is too large."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=JWKS_FETCH_SECONDS) as response:
        body: bytes = response.read(JWKS_BYTES_MAX + 1)
    if len(body) > JWKS_BYTES_MAX:
        raise ValueError(f"more than {JWKS_BYTES_MAX} bytes")
    return body


def parse(body: bytes) -> dict[str, PublicKey]:
    """Keys by kid, without those that cannot verify a token. Raises ValueError."""
    keys: dict[str, PublicKey] = {}
    listed = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    if not isinstance(listed, list) or len(listed) > JWKS_KEYS_MAX:
        raise ValueError(f"no list `keys` of at most {JWKS_KEYS_MAX}")
    for member in listed:
        if not isinstance(member, dict) or member.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(member).key
            keys[str(member.get("kid", ""))] = usable(key, member.get("alg") or "")
        except (jwt.PyJWTError, InvalidTokenError, TypeError, KeyError):
            continue
    return keys


class KeySet:
    """The keys at a URL."""

    def __init__(self, url: str, fetch: Callable[[str], bytes] = read_url) -> None:
        self.failing = False
        self._url = url
        self._fetch = fetch
        self._keys: dict[str, PublicKey] = {}
        self._fetched = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    def find(self, kid: str) -> PublicKey | None:
        """The key of that name, of the set as it was fetched last; "" is the only one there is."""
        if time.monotonic() - self._fetched > JWKS_AGE_SECONDS_MAX and self._keys:
            self.refresh()
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def refresh(self) -> "asyncio.Task[None]":
        """The fetch that is under way, or a new one; it ends when find() knows what came of it."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> None:
        await asyncio.sleep(max(0.0, self._fetched + JWKS_INTERVAL_SECONDS - time.monotonic()))
        try:
            async with asyncio.timeout(JWKS_FETCH_SECONDS):
                keys = await asyncio.to_thread(lambda: parse(self._fetch(self._url)))
        except (OSError, ValueError, RecursionError) as error:
            if not self.failing:
                log.warning("token_jwks_url %s: %s", self._url, error or "no answer in time")
            self.failing = True
        else:
            self._keys = keys
            self.failing = False
        self._fetched = time.monotonic()

"""Connection and subscription tokens: JWTs with Centrifugo's claims.

Which key verifies a token is decided by the algorithm that its header names, each by keys of its
own kind only: HS by the secret, RS and ES by the JWKS if there is one, else by the public key. So
nobody can sign with a public key as if it were a secret, and `none` has no key.
"""

import asyncio
import base64
import logging
from collections.abc import Callable
from functools import lru_cache

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm

from ngage.centrifugo.jwks import (
    CURVES,
    RSA_ALGORITHMS,
    KeySet,
    PublicKey,
    VerifyingKey,
    read_url,
    usable,
)
from ngage.errors import (
    InvalidTokenError,
    KeysUnavailableError,
    SettingsError,
    TokenExpiredError,
)
from ngage.limits import CLOCK_SKEW_SECONDS, TOKEN_HEADERS_CACHED_MAX
from ngage.settings import Settings

log = logging.getLogger(__name__)


class Claims(msgspec.Struct):
    """What a token says, in Centrifugo's words.

    Times are Unix seconds. channel and client are of subscription tokens, channels is what a
    connection is subscribed to by the server.
    """

    sub: str = ""
    exp: float | None = None
    nbf: float | None = None
    aud: str | list[str] = ""
    iss: str = ""
    info: msgspec.Raw = msgspec.Raw()
    b64info: str = ""
    expire_at: int | None = None
    channels: list[str] = []
    channel: str = ""
    client: str = ""

    @property
    def expires(self) -> int:
        """When what the token opens expires, in Unix seconds; 0 is never."""
        if self.expire_at is not None:
            return self.expire_at
        return 0 if self.exp is None else int(self.exp)

    @property
    def shown(self) -> bytes | None:
        """JSON that others may see."""
        if self.b64info:
            try:
                decoded = base64.b64decode(self.b64info, validate=True)
                msgspec.json.decode(decoded)
            except (ValueError, RecursionError):
                raise InvalidTokenError("b64info: not JSON in base64") from None
            return decoded
        shown = bytes(self.info)
        return None if shown in {b"", b"null"} else shown


class KeysAwaited(Exception):
    """A token names a key that is not known yet; `fetch` ends when it is known whether it is."""

    def __init__(self, fetch: "asyncio.Task[None]") -> None:
        super().__init__()
        self.fetch = fetch


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""


class _CheckedHmac(HMACAlgorithm):
    """HMAC with a secret that was checked when it was set, and not again for every token."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return key if isinstance(key, bytes) else key.encode()

    def check_key_length(self, key: bytes) -> None:
        return None


HMAC = {
    "HS256": _CheckedHmac(HMACAlgorithm.SHA256),
    "HS384": _CheckedHmac(HMACAlgorithm.SHA384),
    "HS512": _CheckedHmac(HMACAlgorithm.SHA512),
}

PUBLIC = RSA_ALGORITHMS | set(CURVES.values())


class Tokens:
    """Verifies tokens by the keys of the settings. Raises SettingsError for a key that is none."""

    def __init__(self, settings: Settings, fetch: Callable[[str], bytes] = read_url) -> None:
        self._secret = settings.token_hmac_secret.encode()
        self._audience = settings.token_audience
        self._issuer = settings.token_issuer
        self._public = _load_public(settings.token_public_key)
        self._keys = KeySet(settings.token_jwks_url, fetch) if settings.token_jwks_url else None
        self._jws = jwt.PyJWS(algorithms=list(PUBLIC))
        for name, algorithm in HMAC.items():
            self._jws.register_algorithm(name, algorithm)

    def verify(self, token: str, now: float, *, waited: bool = False) -> Claims:
        """The claims of a genuine token. `waited`: keys have just been fetched because of it.

        Raises InvalidTokenError, TokenExpiredError, KeysUnavailableError, and KeysAwaited.
        """
        header = _read_header(token.partition(".")[0])
        key = self._find_key(header, waited)
        try:
            signed = self._jws.decode_complete(token, key, algorithms=[header.alg])
            claims = msgspec.json.decode(signed["payload"], type=Claims)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidTokenError(f"token: {error}") from None
        self._check(claims, now)
        return claims

    def _find_key(self, header: _Header, waited: bool) -> bytes | VerifyingKey:
        if header.alg in HMAC:
            if not self._secret:
                raise InvalidTokenError("token: no secret is set")
            return self._secret
        found = self._public
        if self._keys is not None and header.alg in PUBLIC:
            found = _fetched_key(self._keys, header.kid, waited)
        if found is None or header.alg not in found.algorithms:
            raise InvalidTokenError("token: no key for its algorithm")
        return found.key

    def _check(self, claims: Claims, now: float) -> None:
        if claims.exp is not None and now >= claims.exp:
            raise TokenExpiredError("token: expired")
        if claims.nbf is not None and now + CLOCK_SKEW_SECONDS < claims.nbf:
            raise InvalidTokenError("token: not yet valid")
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._audience and self._audience not in audience:
            raise InvalidTokenError("token: for another audience")
        if self._issuer and self._issuer != claims.iss:
            raise InvalidTokenError("token: of another issuer")


def _fetched_key(keys: KeySet, kid: str, waited: bool) -> PublicKey | None:
    found = keys.find(kid)
    if found is None and not waited:
        raise KeysAwaited(keys.refresh())
    if found is None and keys.failing:
        raise KeysUnavailableError("the keys of tokens cannot be fetched")
    return found


@lru_cache(TOKEN_HEADERS_CACHED_MAX)
def _read_header(segment: str) -> _Header:
    """The header of a token, which is the same text in all tokens signed with one key."""
    try:
        padded = segment + "=" * (-len(segment) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Header)
    except (ValueError, RecursionError):
        raise InvalidTokenError("token: no header") from None


def _load_public(pem: str) -> PublicKey | None:
    if not pem:
        return None
    try:
        return usable(load_pem_public_key(pem.encode()))
    except (ValueError, UnsupportedAlgorithm, InvalidTokenError):
        raise SettingsError(
            "token_public_key: it must be a public key in PEM, of RSA (2048 bits and more)"
            " or EC (P-256, P-384, P-521)"
        ) from None

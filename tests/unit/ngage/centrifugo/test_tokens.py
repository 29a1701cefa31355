"""Which tokens hold, and what they say."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from ngage.centrifugo.tokens import Tokens
from ngage.errors import InvalidTokenError, SettingsError, TokenExpiredError
from ngage.limits import CLOCK_SKEW_SECONDS
from ngage.settings import Settings
from tests.helpers.jwks import SECRET, pem, private_key, rsa_key, sign

NOW = 1_800_000_000
HMAC = Tokens(Settings(token_hmac_secret=SECRET))


def forge(header: dict[str, object], claims: dict[str, object], signature: bytes = b"") -> str:
    """Three segments, whoever signed them."""
    segments = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in segments)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_secret(algorithm: str) -> None:
    assert HMAC.verify(sign({"sub": "42"}, algorithm), NOW).sub == "42"
    with pytest.raises(InvalidTokenError):
        HMAC.verify(sign({"sub": "42"}, algorithm, SECRET + "x" * 32), NOW)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_public_key(algorithm: str) -> None:
    key = private_key(algorithm)
    tokens = Tokens(Settings(token_public_key=pem(key)))
    assert tokens.verify(sign({"sub": "42"}, algorithm, key), NOW).sub == "42"
    other = rsa_key(1) if algorithm.startswith("RS") else ec.generate_private_key(key.curve)
    with pytest.raises(InvalidTokenError):
        tokens.verify(sign({"sub": "42"}, algorithm, other), NOW)


def test_a_key_verifies_its_own_kind_only() -> None:
    tokens = Tokens(Settings(token_public_key=pem(private_key("ES256"))))
    for algorithm in ("RS256", "ES384"):
        with pytest.raises(InvalidTokenError):
            tokens.verify(sign({}, algorithm, private_key(algorithm)), NOW)


@pytest.mark.parametrize("secret", ["", SECRET])
def test_nobody_signs_with_a_public_key_as_a_secret(secret: str) -> None:
    public = pem(rsa_key())
    tokens = Tokens(Settings(token_public_key=public, token_hmac_secret=secret))
    for known in (public, public.strip()):
        segments = forge({"alg": "HS256"}, {"sub": "42"}).rpartition(".")[0].encode()
        mac = hmac.digest(known.encode(), segments, "sha256")
        with pytest.raises(InvalidTokenError):
            tokens.verify(forge({"alg": "HS256"}, {"sub": "42"}, mac), NOW)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "HS257", "ES521", "PS256", "EdDSA"])
def test_algorithms_that_are_none(name: str) -> None:
    tokens = Tokens(Settings(token_hmac_secret=SECRET, token_public_key=pem(rsa_key())))
    for signature in (b"", b"x"):
        with pytest.raises(InvalidTokenError):
            tokens.verify(forge({"alg": name}, {"sub": "42"}, signature), NOW)


def test_other_keys_of_the_header_are_not_followed() -> None:
    key = rsa_key(1)
    token = sign({"sub": "42"}, "RS256", key, jku="http://127.0.0.1:1/", x5u="http://127.0.0.1:1/")
    with pytest.raises(InvalidTokenError):
        Tokens(Settings(token_public_key=pem(rsa_key()))).verify(token, NOW)


def test_without_keys_no_token_holds() -> None:
    with pytest.raises(InvalidTokenError):
        Tokens(Settings()).verify(sign({"sub": "42"}), NOW)


@pytest.mark.parametrize("exp", [NOW + 1, NOW + 0.5])
def test_not_expired(exp: float) -> None:
    assert HMAC.verify(sign({"exp": exp}), NOW).expires == int(exp)


@pytest.mark.parametrize("exp", [NOW, NOW - 1, 0, -1])
def test_expired(exp: float) -> None:
    with pytest.raises(TokenExpiredError):
        HMAC.verify(sign({"exp": exp}), NOW)


def test_an_expired_token_that_is_forged_is_forged() -> None:
    with pytest.raises(InvalidTokenError):
        HMAC.verify(sign({"exp": 1}, key=SECRET + "x"), NOW)


def test_not_yet_valid() -> None:
    assert HMAC.verify(sign({"nbf": NOW + CLOCK_SKEW_SECONDS, "iat": NOW + 60}), NOW)
    with pytest.raises(InvalidTokenError, match="not yet"):
        HMAC.verify(sign({"nbf": NOW + CLOCK_SKEW_SECONDS + 1}), NOW)


@pytest.mark.parametrize(
    ("aud", "holds"),
    [("us", True), (["them", "us"], True), ("them", False), ([], False), (None, False)],
)
def test_audience(aud: Any, holds: bool) -> None:
    tokens = Tokens(Settings(token_hmac_secret=SECRET, token_audience="us"))
    token = sign({} if aud is None else {"aud": aud})
    assert HMAC.verify(token, NOW)
    if holds:
        assert tokens.verify(token, NOW)
    else:
        with pytest.raises(InvalidTokenError, match="audience"):
            tokens.verify(token, NOW)


def test_issuer() -> None:
    tokens = Tokens(Settings(token_hmac_secret=SECRET, token_issuer="us"))
    assert tokens.verify(sign({"iss": "us"}), NOW)
    for claims in ({}, {"iss": "them"}):
        with pytest.raises(InvalidTokenError, match="issuer"):
            tokens.verify(sign(claims), NOW)


@pytest.mark.parametrize(
    ("claims", "expires"),
    [
        ({}, 0),
        ({"exp": NOW + 9}, NOW + 9),
        ({"exp": NOW + 9, "expire_at": NOW + 5}, NOW + 5),
        ({"exp": NOW + 9, "expire_at": 0}, 0),
        ({"expire_at": NOW + 5}, NOW + 5),
    ],
)
def test_when_what_it_opens_expires(claims: dict[str, Any], expires: int) -> None:
    assert HMAC.verify(sign(claims), NOW).expires == expires


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({}, None),
        ({"info": None}, None),
        ({"info": {"name": "x"}}, b'{"name":"x"}'),
        ({"b64info": base64.b64encode(b'{"n": 1}').decode()}, b'{"n": 1}'),
    ],
)
def test_what_others_see(claims: dict[str, Any], shown: bytes | None) -> None:
    assert HMAC.verify(sign(claims), NOW).shown == shown


@pytest.mark.parametrize("b64info", ["*", base64.b64encode(b"no json").decode()])
def test_what_others_see_is_json(b64info: str) -> None:
    with pytest.raises(InvalidTokenError, match="b64info"):
        assert HMAC.verify(sign({"b64info": b64info}), NOW).shown


@pytest.mark.parametrize("key", [rsa_key(0, 1024), ed25519.Ed25519PrivateKey.generate()])
def test_a_key_that_is_not_safe_or_not_known(key: Any) -> None:
    with pytest.raises(SettingsError, match="token_public_key"):
        Tokens(Settings(token_public_key=pem(key)))


@pytest.mark.parametrize("sub", [1, None, ["42"]])
def test_a_user_is_text(sub: Any) -> None:
    token = forge({"alg": "HS256"}, {"sub": sub}).rpartition(".")[0]
    mac = hmac.digest(SECRET.encode(), token.encode(), "sha256")
    with pytest.raises(InvalidTokenError):
        HMAC.verify(forge({"alg": "HS256"}, {"sub": sub}, mac), NOW)


def test_cut_anywhere_or_changed_anywhere() -> None:
    token = sign({"sub": "42"})
    for place in range(len(token)):
        for forged in (token[:place], token[place + 1 :], token[:place] + "!" + token[place + 1 :]):
            with pytest.raises(InvalidTokenError):
                HMAC.verify(forged, NOW)


@given(st.text() | st.text("eyJ.-_AB0"))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        HMAC.verify(text, NOW)

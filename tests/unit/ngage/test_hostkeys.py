import jwt
import pytest

from ngage.errors import InvalidTokenError, TokenExpiredError
from ngage.hostkeys import HostKey, mint, verify

SECRET = bytes(range(32))
LATER = 4_000_000_000  # as part of the names of tests it has to stay the same


def test_a_key_names_its_event() -> None:
    assert verify(SECRET, mint(SECRET, "gala", LATER, 3)) == HostKey("gala", LATER, 3)


def test_an_expired_key() -> None:
    with pytest.raises(TokenExpiredError):
        verify(SECRET, mint(SECRET, "gala", 1))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x.y.z",
        mint(bytes(32), "gala", LATER),
        jwt.encode({"event": "gala", "exp": LATER}, SECRET),
        jwt.encode({"aud": "other", "event": "gala", "exp": LATER}, SECRET),
        jwt.encode({"aud": "host", "event": "gala"}, SECRET),
        jwt.encode({"aud": "host", "event": 1, "exp": LATER}, SECRET),
        jwt.encode({"aud": "host", "exp": LATER}, SECRET),
        jwt.encode({"aud": "host", "event": "gala", "exp": LATER}, None, algorithm="none"),
    ],
)
def test_no_key(key: str) -> None:
    with pytest.raises(InvalidTokenError):
        verify(SECRET, key)

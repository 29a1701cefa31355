import pytest

from ngage.admin.auth import host_allowed, key_matches


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8081", "localhost:8081", "LOCALHOST", "[::1]:8081", "10.0.0.1"]
)
def test_a_host_that_no_name_server_can_forge(host: str) -> None:
    assert host_allowed(host, "127.0.0.1:8081")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8081", "[::1"]
)
def test_a_name_that_could_be_rebound(host: str) -> None:
    assert not host_allowed(host, "127.0.0.1:8081")


def test_key() -> None:
    assert key_matches("", "")
    assert key_matches("anything", "")
    assert key_matches("k", "k")
    assert not key_matches("", "k")
    assert not key_matches("K", "k")
    assert not key_matches("\N{SNOWMAN}", "k")

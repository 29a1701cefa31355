import os
import stat
from pathlib import Path

import pytest

from ngage.errors import StartError
from ngage.keys import key_matches, read_secret


def test_an_empty_key_asks_for_none() -> None:
    assert key_matches("", "")
    assert key_matches("any", "")
    assert key_matches("key", "key")
    assert not key_matches("kex", "key")


def test_a_secret_that_is_given_needs_no_file(tmp_path: Path) -> None:
    assert read_secret("ab" * 32, tmp_path / "none" / "secret") == b"\xab" * 32


def test_a_secret_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = read_secret("", path)
    assert len(secret) == 32
    assert read_secret("", path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secret"]


def test_another_process_was_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_text("cd" * 32)
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert read_secret("", path) == b"\xcd" * 32


@pytest.mark.parametrize("text", ["", "ab", "x" * 64, "ab" * 33])
def test_a_file_that_holds_something_else(text: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    with pytest.raises(StartError, match="64 hexadecimal digits"):
        read_secret("", path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file"):
        read_secret("", tmp_path / "none" / "secret")

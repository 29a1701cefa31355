"""The directory of what is kept."""

from pathlib import Path

import pytest

from ngage.errors import StartError
from ngage.interaction.data import prepare


def test_made_for_its_owner(tmp_path: Path) -> None:
    for _ in range(2):
        data = prepare(str(tmp_path / "new"))
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "new", data.votes)] == [0o700] * 2
    assert data.database.parent == data.secret.parent == tmp_path / "new"


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="data = "):
        prepare(str(tmp_path / "file"))

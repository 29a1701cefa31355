"""Flags of a run: defaults that depend on others, and what makes no sense is said at once."""

import pytest

from bench.scale.estimate import ScaleError
from bench.scale.options import FANS, SMOKE_FANS, Options, options, parser


def parsed(*words: str) -> Options:
    return options(parser().parse_args(words))


def test_a_run_measures_all_of_a_million() -> None:
    found = parsed()
    assert (found.fans, found.rounds) == (FANS, 3)
    assert found.floor
    assert found.restart
    assert found.idle_seconds > 0


def test_a_smoke_run_only_checks() -> None:
    found = parsed("--smoke")
    assert (found.fans, found.rounds, found.idle_seconds) == (SMOKE_FANS, 1, 0.0)
    assert not found.floor
    assert not found.restart
    assert parsed("--smoke", "--restart").restart


@pytest.mark.parametrize("words", [("--fans", "0"), ("--fans", "abc"), ("--rounds", "-1")])
def test_what_is_no_number_of_anything_is_refused(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*words)
    assert f"argument {words[0]}" in capsys.readouterr().err


def test_a_smoke_run_has_nothing_to_write() -> None:
    with pytest.raises(ScaleError, match="--write"):
        parsed("--smoke", "--write")

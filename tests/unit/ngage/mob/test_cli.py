"""What mobsim refuses before it begins: exit code 2, and one line that names the cause."""

import pytest

from ngage.mob.cli import EXIT_USAGE, main

QUICK = ["quick", "--fans", "5", "--target"]
TARGET = "ws://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "COMMAND"),
        (["swim"], "swim"),
        (["quick"], "--target"),
        (["run"], "scenario"),
        ([*QUICK, "http://127.0.0.1:1/"], "ws://HOST:PORT"),
        ([*QUICK, "ws://localhost:1/"], "numeric"),
        ([*QUICK, "ws://127.0.0.1/"], "ws://HOST:PORT"),
        ([*QUICK, "ws://127.0.0.1:99999/"], "ws://HOST:PORT"),
        ([*QUICK, TARGET, "--publish", "ftp://127.0.0.1:1"], "http://HOST:PORT"),
        ([*QUICK, TARGET, "--rate", "0"], "rate"),
        ([*QUICK, TARGET, "--rate", "nan"], "rate"),
        ([*QUICK, TARGET, "--duration", "0"], "more than 0"),
        ([*QUICK, TARGET, "--wings", "2"], "--wings"),
        ([*QUICK, TARGET, "--fans", "0"], "fans"),
        ([*QUICK, TARGET, "--seed", "-1"], "seed"),
        ([*QUICK, TARGET, "--metrics", "nowhere"], "HOST:PORT"),
        ([*QUICK, TARGET, "--sources", "127.0.0.1/8"], "host bits"),
        (["run", "tunel"], "tunnel"),
        (["run", "not/there.toml"], "not/there.toml"),
        (["report", "not/there.json", "-o", "x.html"], "not/there.json"),
    ],
)
def test_wrong_usage(arguments: list[str], cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        code = ended.code
    assert code == EXIT_USAGE
    assert cause in capsys.readouterr().err

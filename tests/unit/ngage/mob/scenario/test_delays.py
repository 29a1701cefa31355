from pathlib import Path

import pytest

from ngage.errors import ScenarioError
from ngage.mob.scenario.delays import DELAY
from ngage.mob.scenario.nodes import parse
from ngage_core.behaviour import Delay, Distribution


def read(text: str, directory: Path = Path()) -> Delay:
    delay = DELAY.read(parse(f"think = {text}", "x.toml", directory).child("think"))
    assert isinstance(delay, Delay)
    return delay


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ('{ dist = "constant", value = "0s" }', Delay(Distribution.CONSTANT, 0.0)),
        ('{ dist = "uniform", low = "1s", high = "1m" }', Delay(Distribution.UNIFORM, 1.0, 60.0)),
        ('{ dist = "exponential", mean = 2 }', Delay(Distribution.EXPONENTIAL, 2.0)),
        (
            '{ dist = "lognormal", median = "4s", sigma = 1 }',
            Delay(Distribution.LOGNORMAL, 4.0, 1.0),
        ),
        (
            '{ dist = "pareto", least = "5ms", shape = 1.5 }',
            Delay(Distribution.PARETO, 0.005, 1.5),
        ),
        (
            '{ dist = "empirical", values = ["1s", 2.5] }',
            Delay(Distribution.EMPIRICAL, values=(1.0, 2.5)),
        ),
    ],
)
def test_tables_become_delays_and_back(text: str, delay: Delay) -> None:
    assert read(text) == delay
    assert read(DELAY.write(delay)) == delay


def test_values_from_a_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("0.5\n2\n1e1\n")
    delay = read('{ dist = "empirical", csv = "times.csv" }', tmp_path)
    assert delay == Delay(Distribution.EMPIRICAL, values=(0.5, 2.0, 10.0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", r"think\.dist: missing"),
        ("3", "it must be a table, not 3"),
        ('{ dist = "normal" }', "'normal' is not known; did you mean lognormal"),
        ('{ dist = "constant" }', r"think\.value: missing"),
        ('{ dist = "constant", mean = 1 }', r"think\.mean: unknown key"),
        ('{ dist = "exponential", mean = "0s" }', r"think\.mean: it must be longer than 0s"),
        ('{ dist = "uniform", low = 2, high = 1 }', r"think\.high: it must not be less than low"),
        ('{ dist = "lognormal", median = 1, sigma = 0 }', r"think\.sigma: .* above 0"),
        ('{ dist = "pareto", least = 1, shape = "x" }', r"think\.shape: it must be a number"),
        ('{ dist = "empirical" }', "either csv or values"),
        ('{ dist = "empirical", csv = "a", values = [1] }', "either csv or values"),
        ('{ dist = "empirical", values = [] }', "at least one time"),
        ('{ dist = "empirical", values = [1, -1] }', r"think\.values\[1\]: it must be a time"),
        ('{ dist = "empirical", csv = "none.csv" }', r"think\.csv: cannot read none\.csv"),
    ],
)
def test_what_is_no_delay(text: str, reason: str) -> None:
    with pytest.raises(ScenarioError, match=rf"^x\.toml:1: .*{reason}"):
        read(text)


@pytest.mark.parametrize("row", ["", "soon", "-1", "nan"])
def test_a_bad_row_is_named(tmp_path: Path, row: str) -> None:
    (tmp_path / "times.csv").write_text(f"1\n{row}\n3\n")
    with pytest.raises(ScenarioError, match=r"times\.csv:2: .* is no time in seconds"):
        read('{ dist = "empirical", csv = "times.csv" }', tmp_path)

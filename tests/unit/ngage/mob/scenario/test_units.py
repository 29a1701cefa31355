import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.scenario import units


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90.0),
        ("5m", 300.0),
        ("250ms", 0.25),
        ("1h30m", 5400.0),
        ("1m0.5s", 60.5),
        ("7us", 7e-6),
        ("0s", 0.0),
        (3, 3.0),
        (0.1, 0.1),
    ],
)
def test_times(value: object, seconds: float) -> None:
    assert units.read_seconds(value) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", "-1s", "1 s", "1d", "s", ".5s", "1s!", -1, True, None, [], float("nan")]
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match='a time such as "90s"'):
        units.read_seconds(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (2000, 2000),
        ("2000", 2000),
        ("7B", 7),
        ("64KiB", 65536),
        ("1MB", 1000000),
        ("2GiB", 2 << 30),
    ],
)
def test_sizes(value: object, size: int) -> None:
    assert units.read_size(value) == size


@pytest.mark.parametrize("value", ["64kib", "1.5KiB", "-1", "KiB", -1, 1.5, True, None])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="a size such as 2000"):
        units.read_size(value)


@given(st.floats(0, 1e9))
def test_times_written_read_back(seconds: float) -> None:
    assert units.read_seconds(units.seconds_text(seconds)) == seconds
    assert units.read_milliseconds(units.milliseconds_text(seconds)) == seconds

import pytest

from ngage.events import Position


def test_position_is_read_back() -> None:
    position = Position("a1b2", 17)
    assert str(position) == "a1b2:17"
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text", ["", "17", ":17", "a:", "a:-1", "a:x", "a: 1", "a:\N{SUPERSCRIPT TWO}"]
)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match="EPOCH:OFFSET"):
        Position.parse(text)

"""Token buckets of the core against exact arithmetic."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ngage_core.protocol import BucketTable

START_MS = 1_000_000


class Exact:
    def __init__(self, per_second: int, burst: int) -> None:
        self.per_second, self.burst = per_second, burst
        self.tokens: dict[int, Fraction] = {}
        self.at: dict[int, int] = {}

    def take(self, key: int, now_ms: int) -> bool:
        passed = now_ms - self.at.get(key, now_ms)
        filled = self.tokens.get(key, Fraction(self.burst)) + Fraction(
            passed * self.per_second, 1000
        )
        self.at[key] = now_ms
        self.tokens[key] = min(Fraction(self.burst), filled)
        if self.tokens[key] < 1:
            return False
        self.tokens[key] -= 1
        return True


@given(
    st.integers(1, 50),
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 3)), max_size=200),
)
def test_each_key_has_its_rate(per_second: int, burst: int, steps: list[tuple[int, int]]) -> None:
    table, exact, now_ms = BucketTable(), Exact(per_second, burst), START_MS
    for passed, number in steps:
        now_ms += passed
        # Three keys of one set, which has four places.
        assert table.take(number << 40, now_ms, per_second, burst) == exact.take(number, now_ms)


def test_a_full_set_shares_and_an_idle_place_is_taken_over() -> None:
    table = BucketTable()
    keys = [number << 40 for number in range(1, 6)]
    for key in keys[:4]:
        assert [table.take(key, START_MS, 1, 2) for _ in range(3)] == [True, True, False]
    assert not table.take(keys[4], START_MS, 1, 2)
    assert [table.take(keys[4], START_MS + 2000, 1, 2) for _ in range(3)] == [True, True, False]
    assert table.take(keys[3], START_MS + 2000, 1, 2)

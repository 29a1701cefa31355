"""The table of who is there, against a counter."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ngage_core.protocol import PresenceTable

# Few keys meet often; those that differ above bit 8 only are neighbours in one stripe.
KEYS = st.one_of(
    st.integers(1, 40), st.integers(0, 400).map(lambda n: (n << 14) + 7), st.integers(1, 2**64 - 1)
)


@given(st.lists(st.tuples(st.booleans(), KEYS), max_size=600))
def test_first_and_last_connections_are_known(steps: list[tuple[bool, int]]) -> None:
    table = PresenceTable()
    present: Counter[int] = Counter()
    for joins, key in steps:
        if joins:
            assert table.join(key) == (present[key] == 0)
            present[key] += 1
        elif present[key]:
            present[key] -= 1
            assert table.leave(key) == (present[key] == 0)
        else:
            assert not table.leave(key)

"""Token buckets against the textbook's, in fractions; what the table forgets."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import RefusalCode, RefusedError
from ngage.interaction.buckets import Buckets, Limits, Rate
from ngage.settings import Settings
from tests.helpers.manual_clock import ManualClock


class Textbook:
    """A bucket of tokens that drips, exactly."""

    def __init__(self, rate: Rate, now_ms: int) -> None:
        self.rate, self.tokens, self.at_ms = rate, Fraction(rate.tokens), now_ms

    def take(self, now_ms: int, cost: int) -> bool:
        regained = Fraction(self.rate.tokens * (now_ms - self.at_ms), self.rate.seconds * 1000)
        self.tokens = min(Fraction(self.rate.tokens), self.tokens + regained)
        self.at_ms = now_ms
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def wait_ms(self, cost: int) -> Fraction:
        """Until there are enough, of those that there are now."""
        return (cost - self.tokens) * self.rate.seconds * 1000 / self.rate.tokens


rates = st.builds(Rate, st.integers(1, 1000), st.integers(1, 3600))
steps = st.lists(
    st.tuples(st.integers(0, 5000), st.sampled_from("ab"), st.floats(0, 1)), max_size=60
)


@given(rates, steps)
def test_a_bucket_grants_what_the_textbook_grants(
    rate: Rate, steps: list[tuple[int, str, float]]
) -> None:
    buckets, textbook, now_ms = Buckets(rate), dict[str, Textbook](), 17
    for elapsed_ms, key, share in steps:
        now_ms += elapsed_ms
        cost = max(1, round(rate.tokens * share))
        expected = textbook.setdefault(key, Textbook(rate, now_ms))
        foreseen = buckets.wait(key, now_ms, cost)
        wait_ms = buckets.take(key, now_ms, cost)
        assert wait_ms == foreseen
        assert (wait_ms == 0) == expected.take(now_ms, cost)
        if wait_ms:
            assert wait_ms - 1 < expected.wait_ms(cost) <= wait_ms


@given(rates, st.integers(1, 1000))
def test_who_waits_as_told_is_let_in_and_not_a_millisecond_earlier(rate: Rate, cost: int) -> None:
    cost = min(cost, rate.tokens)
    buckets = Buckets(rate)
    assert buckets.take("key", 0, rate.tokens) == 0
    wait_ms = buckets.wait("key", 0, cost)
    assert wait_ms > 0
    assert buckets.wait("key", wait_ms - 1, cost) == 1
    assert buckets.take("key", wait_ms, cost) == 0


def test_a_refusal_takes_nothing() -> None:
    buckets = Buckets(Rate(1, 1))
    buckets.take("key", 0)
    assert [buckets.take("key", now) for now in (0, 500, 999, 1000)] == [1000, 500, 1, 0]
    assert (buckets.granted, buckets.refused) == (2, 3)


def test_no_rate_is_no_limit() -> None:
    buckets = Buckets(Rate.parse("0"))
    assert [buckets.take("key", 0, 1000) for _ in range(3)] == [0, 0, 0]
    assert len(buckets) == 0


def test_more_than_a_bucket_holds_is_never_there() -> None:
    with pytest.raises(ValueError, match="3 tokens of a bucket that holds 2"):
        Buckets(Rate(2, 1)).take("key", 0, 3)


def test_full_buckets_are_forgotten_and_the_table_shrinks() -> None:
    buckets = Buckets(Rate(1, 1))
    for key in range(10):
        buckets.take(key, 0)
    assert len(buckets) == 10
    for number in range(8):
        buckets.take("late", 1000 * (number + 1))
    assert len(buckets) == 1
    assert buckets.forgotten == 0


def test_of_too_many_the_one_used_longest_ago_starts_anew() -> None:
    buckets = Buckets(Rate(1, 60), keys_max=2)
    for key in ("first", "second"):
        buckets.take(key, 0)
    assert buckets.take("first", 1) > 0  # refused, but used
    buckets.take("third", 1)
    assert buckets.forgotten == 1
    assert buckets.take("first", 2) > 0
    assert buckets.take("second", 2) == 0


def test_limits_tell_when_to_come_again() -> None:
    clock = ManualClock()
    limits = Limits.of(Settings(chat_rate="2/10"), clock)
    limits.demand("chat", 1)
    limits.demand("chat", 1)
    with pytest.raises(RefusedError, match=r"^too fast: try again in 5000 ms$") as refusal:
        limits.demand("chat", 1)
    assert refusal.value.code == RefusalCode.TOO_FAST
    assert refusal.value.temporary
    limits.demand("chat", 2)
    clock.ms = 5000
    limits.demand("chat", 1)
    assert limits.granted["chat"] == 4
    assert limits.refused["chat"] == 1


def test_a_reload_changes_the_rates_that_have_changed() -> None:
    limits = Limits.of(Settings(chat_rate="1/60", question_rate="1/60"), ManualClock())
    limits.demand("chat", 1)
    limits.demand("questions", 1)
    limits.configure(Settings(chat_rate="5/60", question_rate="1/60"))
    for _ in range(5):
        limits.demand("chat", 1)
    with pytest.raises(RefusedError):
        limits.demand("questions", 1)

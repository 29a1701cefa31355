"""Percentiles from buckets against numpy on the times themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.measure.percentiles import Histogram
from ngage_core import swarm
from tests.helpers.mob import bucket_floors, histogram_of

NS_PER_MS = 1e6
WIDTH = 1 / 64  # of a bucket, relative to its floor
TIMES = st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=200)
PERCENTS = st.one_of(st.sampled_from([0, 50, 90, 99, 99.9, 100]), st.floats(0, 100))


def test_the_helper_has_the_buckets_of_the_core():
    assert list(bucket_floors()) == list(swarm.bucket_floors())


@given(TIMES, PERCENTS)
def test_a_percentile_is_within_half_a_bucket(times, percent):
    exact = float(np.percentile(times, round(percent, 6), method="inverted_cdf"))
    found = histogram_of(times).percentile(round(percent, 6)) * NS_PER_MS
    assert abs(found - exact) <= exact * WIDTH / 2 + 0.5


@given(TIMES)
def test_most_and_least_enclose_every_time(times):
    histogram = histogram_of(times)
    most, least = histogram.most * NS_PER_MS, histogram.least * NS_PER_MS
    assert max(times) < most * (1 + 1e-12) <= max(times) * (1 + WIDTH) + 1.001
    assert min(times) * (1 - WIDTH) - 1 <= least <= min(times) * (1 + 1e-12)


@given(TIMES)
def test_the_mean_is_within_half_a_bucket(times):
    exact = float(np.mean(times))
    assert abs(histogram_of(times).mean * NS_PER_MS - exact) <= exact * WIDTH / 2 + 0.5


@given(TIMES, TIMES)
def test_a_difference_is_what_was_counted_between(before, after):
    earlier, later = histogram_of(before), histogram_of(before + after)
    assert (later - earlier).counts.tolist() == histogram_of(after).counts.tolist()


@given(TIMES, TIMES)
def test_a_sum_counts_both(some, others):
    both = histogram_of(some) + histogram_of(others)
    assert both.counts.tolist() == histogram_of(some + others).counts.tolist()


@given(TIMES)
def test_a_summary_ascends(times):
    found = histogram_of(times).summary()
    assert found.p50 <= found.p90 <= found.p99 <= found.p99_9 <= found.max
    assert found.count == len(times)


def test_a_rank_is_not_lost_to_binary_fractions():
    """99.9 % of 1,000 is the 999th, though 99.9 * 1000 / 100 exceeds 999 in binary."""
    times = [1_000_000] * 999 + [500_000_000]
    assert histogram_of(times).percentile(99.9) == pytest.approx(1.0, rel=WIDTH)


def test_nothing_counted_is_zero_everywhere():
    nothing = histogram_of([])
    assert (nothing.count, nothing.mean, nothing.least, nothing.most) == (0, 0, 0, 0)
    assert nothing.percentile(99) == 0


def test_a_snapshot_does_not_change_with_its_source():
    floors, counts = bucket_floors(), bucket_floors()
    snapshot = Histogram.of(counts, floors)
    counts[5] = 12_345
    assert snapshot.counts[5] == 5

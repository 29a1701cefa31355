"""HdrHistograms that other tools can read: nothing is lost, and what is broken is refused."""

import random
from collections import Counter

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import ResultError
from ngage.mob.measure import hdr
from tests.helpers.mob import good_result, histogram_of

MICROSECOND = 1_000
TIMES = st.lists(st.integers(MICROSECOND, 2**40 - 1), min_size=1, max_size=100)


@given(TIMES)
def test_what_is_encoded_is_decoded_with_every_count(times):
    histogram = histogram_of(times)
    decoded = hdr.decode(hdr.encode(histogram))
    expected = Counter()
    for middle, count in zip(histogram.middles, histogram.counts, strict=True):
        if count:
            expected[decoded.get_lowest_equivalent_value(round(middle / MICROSECOND))] += count
    used = {decoded.get_value_from_index(n): c for n, c in enumerate(decoded.counts) if c}
    assert used == expected


@given(TIMES, TIMES)
def test_merged_runs_are_as_one_run(some, others):
    merged = hdr.merge([hdr.encode(histogram_of(some)), hdr.encode(histogram_of(others))])
    together = hdr.decode(hdr.encode(histogram_of(some + others)))
    assert hdr.decode(merged).counts[:] == together.counts[:]


def test_less_than_a_microsecond_counts_as_one():
    decoded = hdr.decode(hdr.encode(histogram_of([0, 1, 400])))
    assert (decoded.get_total_count(), decoded.get_max_value()) == (3, 1)


def test_the_package_itself_reads_it():
    text = hdr.encode(histogram_of([2_000_000] * 7))
    assert HdrHistogram.decode(text.encode()).get_total_count() == 7


def test_nothing_merged_is_nothing():
    assert hdr.percentile_curve(hdr.merge([])) == []
    assert hdr.percentile_curve("") == []


def test_the_curve_ascends_to_all_of_them():
    draw = random.Random(5)
    times = [round(draw.lognormvariate(15, 1)) for _ in range(5_000)]
    curve = hdr.percentile_curve(hdr.encode(histogram_of(times)))
    assert curve == sorted(curve)
    assert curve[-1].percent == 100
    assert curve[-1].ms == pytest.approx(max(times) / 1e6, rel=0.02)


@pytest.mark.parametrize("text", ["AAAA", "garbage", "gärbage", "HISTFAAAAB54nGNgYGBg", "=" * 9])
def test_what_is_no_histogram_is_refused_in_one_line(text):
    with pytest.raises(ResultError, match=r"^histogram: not an HdrHistogram") as refused:
        hdr.decode(text)
    assert "\n" not in str(refused.value)


def test_a_table_of_percentiles_ends_with_the_figures_of_all(tmp_path):
    path = tmp_path / "latency.hgrm"
    hdr.write_hgrm(good_result(), path)
    lines = path.read_text().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [line.split() for line in lines if line and line[0] == " "][1:]
    values = [float(row[0]) for row in rows]
    assert values == sorted(values)
    assert rows[-1][1:] == ["1.000000000000", "100000"]
    assert lines[-2].startswith("#[Max") and "TotalCount     =   100000" in lines[-2]

"""What fits is said before anything is started, and why no more does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scale.estimate import (
    BESIDE_BYTES,
    FANS_MAX,
    Capacity,
    ScaleError,
    bytes_needed,
    limit,
    must_be_root,
    must_fit,
)

GB = 10**9
ROOMY = Capacity(available_bytes=1000 * GB, descriptors=1_000_000)


def test_two_million_fit_in_24_gib_with_20000_descriptors_for_each_thread() -> None:
    must_fit(2_000_000, Capacity(24_000_000_000, 20_000))


def test_without_root_nothing_is_tried() -> None:
    with pytest.raises(ScaleError, match="need root"):
        must_be_root(1000)
    must_be_root(0)


def test_too_little_memory_is_said_with_what_fits() -> None:
    with pytest.raises(ScaleError, match=r"8\.0 GB of memory.*largest N that fits: 800000"):
        must_fit(1_000_000, ROOMY._replace(available_bytes=8 * GB))


def test_a_host_that_holds_few_is_told_how_many() -> None:
    with pytest.raises(ScaleError, match=r"largest N that fits: 9\d{3}$"):
        must_fit(20_000, ROOMY._replace(available_bytes=bytes_needed(9999)))


def test_too_few_descriptors_are_said() -> None:
    with pytest.raises(ScaleError, match="RLIMIT_NOFILE is 1,024 for each"):
        must_fit(1_000_000, ROOMY._replace(descriptors=1024))


def test_no_mob_is_larger_than_its_engine_allows() -> None:
    assert limit(ROOMY).fans == FANS_MAX


def test_a_host_with_nothing_holds_nobody() -> None:
    assert limit(Capacity(0, 0)).fans == 0


@given(st.integers(BESIDE_BYTES, 10**11), st.integers(200, 10**6))
def test_the_limit_fits_and_one_more_does_not(available: int, descriptors: int) -> None:
    here = Capacity(available, descriptors)
    most = limit(here).fans
    assert bytes_needed(most) <= available
    must_fit(most, here)
    with pytest.raises(ScaleError):
        must_fit(most + 1, here)

"""A publisher's clock on ours: steps kept, losses named, never back."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.video.timeline import AHEAD_TICKS_MAX, BEHIND_TICKS_MAX, Grid, Timeline
from ngage.video.units import TICKS_PER_SECOND


def test_the_first_unit_stands_where_our_clock_does_and_the_rest_keep_their_steps():
    timeline = Timeline()
    assert timeline.place(7_000_000, 100) == (100, False)
    assert timeline.place(7_003_000, 9_999) == (3_100, False)
    assert timeline.place(6_999_000, 9_999) == (-900, False)


@pytest.mark.parametrize("jump", [AHEAD_TICKS_MAX + 1, -BEHIND_TICKS_MAX - 1], ids=["on", "back"])
def test_a_jump_of_the_stamps_is_a_loss_and_goes_on_at_our_clock(jump):
    timeline = Timeline()
    timeline.place(0, 0)
    timeline.reached(3000)
    assert timeline.place(3000, 3000) == (3000, False)
    timeline.reached(6000)
    assert timeline.place(6000 + jump, 6000) == (6000, True)
    assert timeline.place(9000 + jump, 9000) == (9000, False)


def test_who_comes_back_is_put_behind_what_was_published():
    timeline = Timeline()
    timeline.place(0, 0)
    timeline.reached(500_000)
    timeline.interrupt()
    assert timeline.place(0, 100_000) == (500_000, True)
    timeline.interrupt()
    assert timeline.place(0, 700_000) == (700_000, True)


def test_a_connection_that_stood_still_catches_up_without_a_loss():
    timeline = Timeline()
    timeline.place(0, 0)
    timeline.reached(3000)
    late = [timeline.place(n * 3000, 10 * TICKS_PER_SECOND) for n in range(1, 300)]
    assert late == [(n * 3000, False) for n in range(1, 300)]


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 59.94, 60])
def test_pictures_rounded_to_milliseconds_are_laid_back_on_their_grid(fps):
    grid = Grid(TICKS_PER_SECOND / 30, 180, adapts=True)
    stamps = [round(n * 1000 / fps) * 90 for n in range(1000)]
    placed = [grid.place(stamp) for stamp in stamps]
    assert max(abs(p - s) for p, s in zip(placed, stamps, strict=True)) <= 180
    assert grid.step == pytest.approx(TICKS_PER_SECOND / fps, abs=45)
    steps = [b - a for a, b in pairwise(placed[100:])]
    assert max(abs(step - TICKS_PER_SECOND / fps) for step in steps) <= 185


def test_sound_counts_its_samples_whatever_the_stamps_round_to():
    grid = Grid(1024, 882)
    stamps = [round(n * 1024 / 44.1) * 44100 // 1000 for n in range(5000)]
    assert [grid.place(stamp) for stamp in stamps] == [n * 1024 for n in range(5000)]


def test_a_lost_frame_of_sound_leaves_a_hole_of_its_size():
    grid = Grid(1024, 960)
    assert [grid.place(n * 1024) for n in (0, 1, 3, 4)] == [0, 1024, 3072, 4096]


@given(st.lists(st.integers(-10_000, 10_000), min_size=1))
def test_a_grid_never_goes_back(steps):
    grid = Grid(3000, 180, adapts=True)
    due, placed = 0, []
    for step in steps:
        due += step
        if (at := grid.place(due)) is not None:
            placed.append(at)
    assert all(a < b for a, b in pairwise(placed))

"""The test picture moves, tells its time, and beeps with it."""

import itertools
import time

import pytest

np = pytest.importorskip("numpy")
from ngage.video import pattern  # noqa: E402


def read_strip(image, width, height):
    """The 40 bits in the bottom rows, from the middle of each block."""
    side = width // 40
    return [int(image[height - side // 2, side * block + side // 2] > 125) for block in range(40)]


def test_the_strip_is_the_time_of_drawing(monkeypatch):
    now_ms = 1_790_000_123_456
    monkeypatch.setattr(time, "time_ns", lambda: now_ms * 1_000_000)
    bits = read_strip(pattern.Pattern().draw(), 640, 360)
    value = int("".join(map(str, bits)), 2)
    assert value >> 8 == now_ms % 2**32
    assert sum(value.to_bytes(5, "big")) % 256 == 255


def test_two_moments_give_two_pictures(monkeypatch):
    at = itertools.count(1_790_000_000_000_000_000, 40_000_000)
    monkeypatch.setattr(time, "time_ns", lambda: next(at))
    test_picture = pattern.Pattern(800, 450)
    first, second = test_picture.draw(), test_picture.draw()
    assert first.shape == (675, 800) and first.dtype == np.uint8
    for plane in (slice(0, 430), slice(450, 675)):
        assert (first[plane] != second[plane]).any()


def test_pictures_follow_each_other_without_a_hole():
    pictures = list(itertools.islice(pattern.Pattern(fps=25).pictures(), 3))
    assert [(p.pts, p.duration) for p in pictures] == [(0, 3600), (3600, 3600), (7200, 3600)]


def test_it_beeps_at_the_full_second_of_the_clock(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000_750_000_000)
    test_picture = pattern.Pattern()
    next(test_picture.pictures())
    loud = np.abs(test_picture.sound(0, 48_000)).max(axis=0) > 0.1
    assert np.flatnonzero(loud).min() == pytest.approx(12_000, abs=20)
    assert np.flatnonzero(loud).max() == pytest.approx(12_000 + 4_800, abs=60)


def test_sound_does_not_depend_on_how_it_is_cut():
    test_picture = pattern.Pattern()
    whole = test_picture.sound(1000, 3000)
    pieces = [test_picture.sound(1000 + 1024 * n, min(1024, 3000 - 1024 * n)) for n in range(3)]
    assert np.array_equal(whole, np.concatenate(pieces, axis=1))


@pytest.mark.parametrize("size", [(650, 360), (640, 361)])
def test_a_size_that_blurs_the_strip_is_refused(size):
    with pytest.raises(ValueError):
        pattern.Pattern(*size)

"""What is asked for, and what of it suits a picture."""

import pytest

from ngage.video.renditions import Rung, Wish, kbps, parse, rungs


def sizes(text, width, height):
    return {number: rung[:2] for number, rung in rungs(parse(text), width, height).items()}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ((1920, 1080), {1: (1280, 720), 2: (854, 480), 3: (640, 360)}),
        ((1280, 720), {1: (854, 480), 2: (640, 360)}),
        ((640, 360), {}),
        ((720, 576), {1: (600, 480), 2: (450, 360)}),
        ((606, 1080), {1: (404, 720), 2: (270, 480), 3: (202, 360)}),
        ((2, 1080), {1: (2, 720), 2: (2, 480), 3: (2, 360)}),
    ],
)
def test_auto_makes_the_usual_heights_below_the_source_in_its_shape(source, made):
    assert sizes("auto", *source) == made


def test_explicit_heights_are_sorted_and_may_have_a_rate():
    assert parse("240, 480:900") == (Wish(480, 900), Wish(240))
    assert rungs(parse("240,480:900"), 1280, 720) == {
        1: Rung(854, 480, 900),
        2: Rung(426, 240, kbps(426, 240)),
    }


def test_none_is_none():
    assert parse("none") == ()


def test_rates_are_what_such_pictures_usually_have():
    rates = [kbps(round(height * 16 / 9), height) for height in (720, 480, 360, 240, 180)]
    usual = [2500, 1200, 800, 400, 280]
    assert all(abs(rate - u) <= u * 0.1 for rate, u in zip(rates, usual, strict=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "HEIGHT:KBPS"),
        ("high", "'high'"),
        ("480,", "''"),
        ("-480", "'-480'"),
        ("\u0664\u0668\u0660", "HEIGHT"),
        ("481", "even"),
        ("0", "90 to 2160"),
        ("4320", "90 to 2160"),
        ("480:", "50 to 20000"),
        ("480:fast", "kbit/s"),
        ("480:49", "kbit/s"),
        ("480:20001", "kbit/s"),
        ("480,480:900", "twice"),
        ("120,140,160,180,200,220,240", "6 at most"),
        ("auto,480", "'auto'"),
    ],
)
def test_nonsense_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)

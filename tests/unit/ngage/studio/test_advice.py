"""What costs the viewers time is said once for a publication, and nothing else is."""

from ngage.studio.advice import GROUP_TICKS_MAX, Advice
from ngage.video.units import AudioConfig, AudioUnit, VideoUnit


def picture(dts, *, key=False, cts=0):
    return VideoUnit(0, dts, cts, key, b"P")


def said(units):
    advice = Advice()
    return [line for unit in units for line in advice.on(unit)]


def test_a_good_stream_is_not_talked_about():
    stream = [picture(n * 3000, key=n % 30 == 0) for n in range(300)]
    assert said([*stream, AudioUnit(0, 0, b"S")]) == []


def test_b_frames_are_mentioned_once():
    (line,) = said([picture(0, key=True), picture(3000, cts=6000), picture(6000, cts=-3000)])
    assert "B-frames" in line


def test_sound_that_is_not_carried_is_mentioned_once():
    second, third = (AudioConfig(track, b"", 44_100, 2) for track in (1, 2))
    (line,) = said([AudioConfig(0, b"", 44_100, 2), second, third, second])
    assert "the first is carried" in line


def test_key_frames_far_apart_are_mentioned_once_and_before_the_next_one_comes():
    units = [picture(0, key=True), picture(GROUP_TICKS_MAX), picture(GROUP_TICKS_MAX + 1)]
    assert len(said(units[:2])) == 0
    (line,) = said([*units, picture(GROUP_TICKS_MAX + 2)])
    assert "keyframe interval" in line

"""The order of messages: key frames of one instant together, everything else as it comes."""

import pytest

from ngage.video import message, mp4
from ngage.video.assembly import HELD_PICTURES_MAX, HOLD_TICKS_MAX, Assembly
from ngage.video.message import Flag, Type
from ngage.video.packager import VideoTrack
from ngage.video.placed import Picture, Sound, Tracks
from tests.helpers.media import AAC_CONFIG, AVCC

AUDIO = mp4.Audio(AAC_CONFIG, 44_100, 2)


def tracks(count):
    about = {"width": 64, "height": 48, "fps": 30}
    return Tracks({n: VideoTrack(mp4.Video(AVCC), about) for n in range(count)}, AUDIO)


class Stage:
    """An assembly of `count` renditions; what comes of it as short words.

    "0:3!" is picture 3 of rendition 0, a key frame; "?" marks a discontinuity, "s" is sound,
    "[0 1]" an INIT.
    """

    def __init__(self, count=2):
        self.assembly = Assembly()
        assert said(self.assembly.describe(tracks(count))) == "[{}]".format(
            " ".join(map(str, range(count)))
        )

    def picture(self, rendition, number, key=False, offset=0):
        at = number * 3000
        picture = Picture(rendition, at - offset, 3000, offset, key, b"P", t_in_us=0)
        return said(self.assembly.picture(picture))

    def key(self, rendition, number):
        return self.picture(rendition, number, key=True)

    def pictures(self, rendition, first, last):
        return " ".join(filter(None, (self.picture(rendition, n) for n in range(first, last + 1))))

    def sound(self):
        return said(self.assembly.sound(Sound(0, b"S", 0)))

    def choose(self, *renditions):
        return said(self.assembly.choose(renditions))


def said(parts):
    return " ".join(word(message.parse(part.data)) for part in parts)


def word(media):
    if media.type is Type.INIT:
        about, _ = message.parse_tracks(media.payload)
        return "[{}]".format(" ".join(str(t["id"]) for t in about["tracks"] if t["id"] < 64))
    if media.rendition == message.RENDITION_AUDIO:
        return "s"
    number = round(media.pts_us * 30 / 1_000_000)
    marks = "!" * (Flag.KEY in media.flags) + "?" * (Flag.DISCONTINUITY in media.flags)
    return f"{media.rendition}:{number}{marks}"


def test_one_rendition_waits_for_nobody():
    stage = Stage(1)
    assert stage.key(0, 0) == "0:0!"
    assert stage.pictures(0, 1, 2) == "0:1 0:2"
    assert stage.key(0, 3) == "0:3!"


def test_key_frames_stand_together_and_what_waited_follows():
    stage = Stage(3)
    assert stage.key(0, 0) == ""
    assert stage.picture(0, 1) == ""
    assert stage.sound() == "s"
    assert stage.key(2, 0) == ""
    assert stage.key(1, 0) == "0:0! 1:0! 2:0! 0:1"
    assert stage.pictures(1, 1, 2) == "1:1 1:2"
    assert stage.pictures(2, 1, 1) == "2:1"


def test_a_rendition_that_is_behind_is_waited_for_at_each_key_frame():
    stage = Stage()
    for at in (0, 1, 2, 3):  # each picture a key frame
        assert stage.key(0, at) == ""
        assert stage.key(1, at) == f"0:{at}! 1:{at}!"


def test_a_key_frame_with_a_composition_offset_meets_one_of_the_same_pts():
    stage = Stage()
    assert stage.picture(0, 10, key=True, offset=6000) == ""
    assert stage.key(1, 10) == "0:10! 1:10!"


def test_the_wait_has_an_end_and_who_is_late_is_left_out_until_the_next_key_frame():
    stage = Stage()
    stage.key(0, 0)
    stage.key(1, 0)
    late = HOLD_TICKS_MAX // 3000 + 1
    assert stage.key(0, 30) == ""
    assert stage.pictures(1, 1, 1) == "1:1"
    assert stage.pictures(0, 31, 30 + late - 1) == ""
    assert stage.picture(0, 30 + late).startswith("0:30! 0:31 0:32")
    assert stage.key(1, 30) == ""
    assert stage.pictures(1, 31, 40) == ""
    assert stage.assembly.dropped == 11
    assert stage.key(0, 60) == ""
    assert stage.key(1, 60) == "0:60! 1:60!?"


def test_many_short_pictures_do_not_wait_longer():
    stage = Stage()
    stage.key(0, 0)
    fast = (Picture(0, n, 1, 0, False, b"P", t_in_us=0) for n in range(1, HELD_PICTURES_MAX))
    assert [said(stage.assembly.picture(p)) for p in fast] == [""] * (HELD_PICTURES_MAX - 1)
    last = Picture(0, HELD_PICTURES_MAX, 1, 0, False, b"P", t_in_us=0)
    assert len(stage.assembly.picture(last)) == HELD_PICTURES_MAX + 1


def test_nobody_waits_for_one_that_has_not_been_heard_since():
    stage = Stage()
    stage.key(0, 0)
    stage.pictures(0, 1, 9)
    assert stage.key(0, 10) == "0:10!"
    assert stage.key(0, 20) == "0:20!"
    assert stage.picture(1, 20) == ""  # there is life in it
    assert stage.key(0, 30) == ""
    assert stage.key(1, 30) == "0:30! 1:30!"


def test_a_key_frame_that_rendition_0_has_not_is_no_place_to_change():
    stage = Stage()
    stage.key(0, 0)
    stage.key(1, 0)
    assert stage.key(1, 5) == ""
    assert stage.pictures(0, 1, 9) == " ".join(f"0:{n}" for n in range(1, 10))
    assert stage.picture(1, 6) == ""
    assert stage.key(1, 10) == ""
    assert stage.picture(1, 11) == ""
    assert stage.key(0, 10) == "0:10! 1:10!? 1:11"
    assert stage.assembly.dropped == 2


def test_one_that_runs_ahead_in_vain_is_left_out():
    stage = Stage()
    stage.key(0, 0)
    stage.key(1, 0)
    stage.key(1, 5)
    ahead = HOLD_TICKS_MAX // 3000 + 1
    assert stage.pictures(1, 6, 5 + ahead) == ""
    assert stage.assembly.dropped == ahead + 1
    assert stage.key(0, 20) == ""
    assert stage.key(1, 20) == "0:20! 1:20!?"


def test_another_choice_is_announced_right_before_the_next_key_frames():
    stage = Stage(3)
    for rendition in range(3):
        stage.key(rendition, 0)
    assert stage.key(0, 30) == ""
    assert stage.choose(2) == ""
    assert stage.picture(1, 1) == ""  # it is gone
    assert stage.key(2, 30) == "[0 2] 0:30! 2:30!"
    assert stage.key(0, 60) == ""
    assert stage.choose(1, 2) == ""
    assert stage.key(1, 60) == ""
    assert stage.key(2, 60) == "[0 1 2] 0:60! 1:60!? 2:60!"


def test_a_choice_of_none_ends_the_waiting():
    stage = Stage()
    assert stage.key(0, 0) == ""
    assert stage.choose() == "[0] 0:0!"


def test_what_is_not_there_cannot_be_chosen():
    stage = Stage()
    assert stage.choose(1, 7) == ""
    stage.key(0, 0)
    assert stage.key(1, 0) == "0:0! 1:0!"


@pytest.mark.parametrize("change", ["describe", "interrupt"])
def test_what_waits_goes_out_before_a_change(change):
    stage = Stage()
    stage.key(0, 0)
    stage.picture(0, 1)
    if change == "describe":
        assert said(stage.assembly.describe(tracks(2))) == "0:0! 0:1 [0 1]"
        mark = ""
    else:
        assert said(stage.assembly.interrupt()) == "0:0! 0:1"
        mark = "?"
    assert stage.key(1, 0) == ""  # too late
    assert stage.key(0, 30) == ""
    assert stage.key(1, 30) == f"0:30!{mark} 1:30!"


def test_sound_alone():
    assembly = Assembly()
    assert said(assembly.describe(Tracks({}, AUDIO))) == "[]"
    assert said(assembly.sound(Sound(0, b"S", 0))) == "s"

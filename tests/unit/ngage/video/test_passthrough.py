"""Publishers come, go, jump and change; what goes out stays one programme."""

import pytest

from ngage.video import message
from ngage.video.assembly import Assembly
from ngage.video.message import Flag, Type
from ngage.video.passthrough import HELD_UNITS_MAX, HOLD_TICKS, Passthrough
from ngage.video.placed import Lost, Picture, Sound, Tracks
from ngage.video.units import AudioConfig, AudioUnit, Ended, Metadata, VideoConfig, VideoUnit
from tests.helpers.media import AVCC, PPS_1, SPS_SMALL, record

VIDEO = VideoConfig(0, AVCC, 64, 48)
AUDIO = AudioConfig(0, b"\x12\x10", 44_100, 2)


class Publisher:
    """Feeds a Passthrough at a clock that the test sets; keeps the messages."""

    def __init__(self):
        self.passthrough = Passthrough()
        self.passthrough.begin()
        self.assembly = Assembly()
        self.now = 0

    def send(self, *units):
        parts = [
            part
            for unit in units
            for placed in self.passthrough.accept(unit, now=self.now, t_in_us=77)
            for part in self.assembled(placed)
        ]
        return [message.parse(part.data) for part in parts]

    def assembled(self, placed):
        match placed:
            case Tracks():
                return self.assembly.describe(placed)
            case Picture():
                return self.assembly.picture(placed)
            case Sound():
                return self.assembly.sound(placed)
            case Lost():
                return self.assembly.interrupt()


def picture(n, key=False, cts=0):
    return VideoUnit(0, n * 3000, cts, key, b"\0\0\0\1P")


def sound(n):
    return AudioUnit(0, round(n * 1024 / 44.1) * 90, b"S")


def kinds(messages):
    return [(m.type, m.rendition) for m in messages]


def started():
    publisher = Publisher()
    assert kinds(publisher.send(VIDEO, AUDIO)) == [(Type.INIT, 254)]
    return publisher


def test_init_comes_as_soon_as_both_tracks_are_named():
    publisher = Publisher()
    assert publisher.send(Metadata(25.0, 64, 48, "obs"), VIDEO) == []
    (init,) = publisher.send(AUDIO)
    about, inits = message.parse_tracks(init.payload)
    assert [track["kind"] for track in about["tracks"]] == ["video", "audio"]
    assert about["tracks"][0] | {"width": 64, "height": 48, "fps": 25} == about["tracks"][0]
    assert all(segment[4:8] == b"ftyp" for segment in inits)


@pytest.mark.parametrize("wait", ["time", "count"])
def test_a_track_alone_is_shown_after_a_short_wait_and_nothing_of_it_is_lost(wait):
    publisher = Publisher()
    assert publisher.send(VIDEO, picture(0, key=True), picture(1)) == []
    if wait == "time":
        publisher.now = HOLD_TICKS
        messages = publisher.send(picture(2))
        sent = 3
    else:
        sent = HELD_UNITS_MAX
        fast = (VideoUnit(0, 3000 + n, 0, False, b"P") for n in range(2, sent))
        messages = publisher.send(*fast)
    assert kinds(messages) == [(Type.INIT, 254)] + [(Type.MEDIA, 0)] * sent
    about, _ = message.parse_tracks(messages[0].payload)
    assert [track["kind"] for track in about["tracks"]] == ["video"]
    assert [m.pts_us for m in messages[1:3]] == [0, 33_333]


def test_sound_alone_is_a_programme_too():
    publisher = Publisher()
    publisher.send(AUDIO, sound(0))
    publisher.now = HOLD_TICKS
    messages = publisher.send(sound(1))
    assert kinds(messages) == [(Type.INIT, 254), (Type.MEDIA, 64), (Type.MEDIA, 64)]


def test_pictures_before_the_first_key_frame_are_not_shown():
    publisher = started()
    assert publisher.send(picture(0), picture(1)) == []
    shown = publisher.send(picture(2, key=True), picture(3))
    assert [m.flags for m in shown] == [Flag.KEY, Flag.NONE]
    assert publisher.passthrough.dropped == 2


def test_b_frames_keep_their_order_and_their_time():
    publisher = started()
    shown = publisher.send(picture(0, key=True), picture(1, cts=6000), picture(2, cts=-3000))
    assert [m.pts_us for m in shown] == [0, 100_000, 33_333]
    assert [m.seq for m in shown] == [0, 1, 2]


def test_who_comes_back_continues_the_timeline_and_says_that_something_is_missing():
    publisher = started()
    publisher.send(picture(0, key=True), sound(0), picture(1))
    publisher.passthrough.begin()
    publisher.now = 90_000
    (init,) = publisher.send(VIDEO, AUDIO)
    shown = publisher.send(picture(0, key=True), sound(0), picture(1))
    assert [m.flags for m in shown] == [
        Flag.KEY | Flag.DISCONTINUITY,
        Flag.KEY | Flag.DISCONTINUITY,
        Flag.NONE,
    ]
    assert [m.pts_us for m in shown] == [1_000_000, 1_000_000, 1_033_333]
    assert [m.seq for m in shown] == [2, 1, 3]
    again = Publisher()
    assert again.send(VIDEO, AUDIO)[0].payload != init.payload  # another event


def test_the_timeline_is_a_new_one_only_where_the_tracks_have_changed():
    publisher = started()
    timelines = []
    for video in (VIDEO, VIDEO, VideoConfig(0, record(SPS_SMALL, PPS_1), 320, 240)):
        publisher.passthrough.begin()
        (init,) = publisher.send(video, AUDIO)
        timelines.append(message.parse_tracks(init.payload)[0]["timeline"])
    assert timelines[0] == timelines[1] != timelines[2]


def test_parameters_that_change_midway_are_described_before_the_next_key_frame():
    publisher = started()
    publisher.send(picture(0, key=True))
    changed = VideoConfig(0, AVCC, 128, 96)
    messages = publisher.send(VIDEO, changed, picture(1), picture(2, key=True))
    assert kinds(messages) == [(Type.INIT, 254), (Type.MEDIA, 0)]
    assert messages[1].flags == Flag.KEY


def test_stamps_that_jump_restart_at_a_key_frame():
    publisher = started()
    publisher.send(picture(0, key=True), picture(1))
    publisher.now = 6000
    assert publisher.send(picture(100_000)) == []
    (shown,) = publisher.send(picture(100_001, key=True))
    assert shown.flags == Flag.KEY | Flag.DISCONTINUITY
    assert shown.pts_us == 100_000


def test_a_picture_that_goes_back_is_dropped_with_all_that_may_need_it():
    publisher = started()
    publisher.send(picture(5, key=True), picture(6))
    assert publisher.send(picture(4), picture(7)) == []
    assert len(publisher.send(picture(8, key=True), picture(9))) == 2


def test_other_sound_and_the_end_leave_the_programme_alone():
    publisher = started()
    other = AudioUnit(3, 0, b"x")
    assert publisher.send(AudioConfig(3, b"\x12\x10", 44_100, 2), other, Ended("bye")) == []


SMALL = VideoConfig(1, record(SPS_SMALL, PPS_1), 320, 240)
LARGE = VideoConfig(2, AVCC, 640, 360)


def of(config, n, key=False):
    return VideoUnit(config.track, n * 3000, 0, key, b"\0\0\0\1P")


def test_several_tracks_are_renditions_in_the_order_of_their_height():
    publisher = Publisher()
    assert publisher.send(SMALL, LARGE) == []
    (init,) = publisher.send(AUDIO)
    tracks = message.parse_tracks(init.payload)[0]["tracks"]
    assert [(track["id"], track.get("height")) for track in tracks] == [
        (0, 360),
        (1, 240),
        (64, None),
    ]
    assert publisher.send(of(SMALL, 0, True)) == []
    shown = publisher.send(of(LARGE, 0, True), of(LARGE, 1), of(SMALL, 1))
    assert [(m.rendition, m.flags, m.pts_us) for m in shown] == [
        (0, Flag.KEY, 0),
        (1, Flag.KEY, 0),
        (0, Flag.NONE, 33_333),
        (1, Flag.NONE, 33_333),
    ]


def test_a_track_that_is_named_later_joins_at_a_key_frame():
    publisher = Publisher()
    (first,) = publisher.send(LARGE, AUDIO)
    publisher.send(of(LARGE, 0, True))
    (second,) = publisher.send(SMALL)
    timelines = {message.parse_tracks(m.payload)[0]["timeline"] for m in (first, second)}
    assert len(timelines) == 1
    assert kinds(publisher.send(of(SMALL, 1), of(LARGE, 1))) == [(Type.MEDIA, 0)]
    shown = publisher.send(of(LARGE, 2, True), of(SMALL, 2, True))
    assert [(m.rendition, m.flags) for m in shown] == [(0, Flag.KEY), (1, Flag.KEY)]


def test_a_jump_of_time_is_one_for_all_tracks():
    publisher = Publisher()
    publisher.send(SMALL, LARGE, AUDIO, of(LARGE, 0, True), of(SMALL, 0, True))
    assert publisher.send(of(LARGE, 100_000), of(SMALL, 100_000)) == []
    shown = publisher.send(of(LARGE, 100_001, True), of(SMALL, 100_001, True))
    broken = Flag.KEY | Flag.DISCONTINUITY
    assert [(m.rendition, m.flags) for m in shown] == [(0, broken), (1, broken)]
    assert shown[0].pts_us == shown[1].pts_us

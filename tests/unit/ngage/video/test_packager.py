"""Messages are numbered by track, and a loss is marked once on each."""

import pytest

from ngage.video import message, mp4
from ngage.video.message import Flag
from ngage.video.packager import Packager, VideoTrack
from tests.helpers.media import AAC_CONFIG, AVCC, PPS_1, SPS_SMALL, record

ABOUT = {"width": 64, "height": 48, "fps": 30}
VIDEO = VideoTrack(mp4.Video(AVCC), ABOUT)
SMALL = VideoTrack(mp4.Video(record(SPS_SMALL, PPS_1)), {**ABOUT, "kbps": 250})
AUDIO = mp4.Audio(AAC_CONFIG, 44_100, 2)


def about(part):
    return message.parse_tracks(message.parse(part.data).payload)[0]


def timelines(*described):
    """0 for the first timeline of a packager, 1 for the next, ..."""
    packager = Packager()
    names = [about(packager.describe(*tracks))["timeline"] for tracks in described]
    return [list(dict.fromkeys(names)).index(name) for name in names]


def test_tracks_are_named_from_the_highest_with_what_is_known_of_them():
    part = Packager().describe({2: SMALL, 0: VIDEO}, AUDIO)
    tracks = about(part)["tracks"]
    assert [(track["id"], track["kind"]) for track in tracks] == [
        (0, "video"),
        (2, "video"),
        (64, "audio"),
    ]
    assert [track.get("kbps") for track in tracks] == [None, 250, None]
    _, inits = message.parse_tracks(message.parse(part.data).payload)
    assert inits == [
        mp4.video_init(VIDEO.video),
        mp4.video_init(SMALL.video),
        mp4.audio_init(AUDIO),
    ]


def test_renditions_go_and_come_back_on_one_timeline():
    both, one = ({0: VIDEO, 1: SMALL}, AUDIO), ({0: VIDEO}, AUDIO)
    assert timelines(one, both, one, both, ({1: SMALL}, AUDIO)) == [0] * 5


@pytest.mark.parametrize(
    "other",
    [
        ({0: SMALL, 1: SMALL}, AUDIO),
        ({0: VIDEO, 1: VIDEO}, AUDIO),
        ({0: VIDEO, 1: SMALL}, mp4.Audio(AAC_CONFIG, 48_000, 2)),
        ({0: VIDEO, 1: SMALL}, None),
        ({}, AUDIO),
    ],
    ids=["the source", "another rendition", "the sound", "no sound", "no picture"],
)
def test_a_track_that_is_another_makes_another_timeline(other):
    usual = {0: VIDEO, 1: SMALL}, AUDIO
    assert timelines(usual, other, other) == [0, 1, 1]


def test_what_a_rendition_was_is_remembered_while_it_is_away():
    packager = Packager()
    first, second = (
        about(packager.describe(videos, AUDIO))["timeline"]
        for videos in ({0: VIDEO, 1: SMALL}, {0: VIDEO})
    )
    assert second == first
    assert about(packager.describe({0: VIDEO, 1: VIDEO}, AUDIO))["timeline"] != first


def test_an_interruption_is_marked_on_the_next_message_of_each_track():
    packager = Packager()
    packager.describe({0: VIDEO, 1: SMALL}, AUDIO)

    def send():
        pictures = [
            packager.picture(0, 3000, b"P", key=True, t_in_us=0, rendition=rendition)
            for rendition in (0, 1)
        ]
        sound = packager.sound(0, b"S", t_in_us=0)
        return [message.parse(part.data) for part in (*pictures, sound)]

    before = send()
    packager.interrupt()
    after = send() + send()
    packager.interrupt([1])
    last = send()
    broken = Flag.KEY | Flag.DISCONTINUITY
    assert [m.flags for m in before] == [Flag.KEY] * 3
    assert [m.flags for m in after] == [broken] * 3 + [Flag.KEY] * 3
    assert [m.flags for m in last] == [Flag.KEY, broken, Flag.KEY]
    assert [m.rendition for m in last] == [0, 1, 64]
    assert [m.seq for m in before + after + last] == [n for n in range(4) for _ in range(3)]


def test_what_has_sent_nothing_is_not_interrupted():
    packager = Packager()
    packager.interrupt()
    part = packager.picture(0, 3000, b"P", key=True, t_in_us=0)
    assert message.parse(part.data).flags == Flag.KEY


def test_pts_is_when_it_is_shown_and_tfdt_when_it_is_decoded():
    packager = Packager()
    part = packager.picture(3000, 3000, b"P", key=False, t_in_us=7, offset=6000)
    media = message.parse(part.data)
    assert (media.pts_us, media.t_in_us, part.t_in_us) == (100_000, 7, 7)
    tfdt = media.payload.index(b"tfdt")
    assert int.from_bytes(media.payload[tfdt + 8 : tfdt + 16], "big") == 3000

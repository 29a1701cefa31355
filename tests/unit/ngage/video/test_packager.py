"""Messages are numbered by track, and a loss is marked once on each."""

from ngage.video import message, mp4
from ngage.video.message import Flag
from ngage.video.packager import Packager
from tests.helpers.media import AAC_CONFIG, AVCC

VIDEO = mp4.Video(AVCC)
AUDIO = mp4.Audio(AAC_CONFIG, 44_100, 2)
ABOUT = {"width": 64, "height": 48, "fps": 30}


def timeline(part):
    return message.parse_tracks(message.parse(part.data).payload)[0]["timeline"]


def test_the_timeline_is_kept_while_the_tracks_are_the_same():
    packager = Packager()
    first = timeline(packager.describe(VIDEO, AUDIO, ABOUT))
    assert timeline(packager.describe(VIDEO, AUDIO, ABOUT)) == first
    second = timeline(packager.describe(VIDEO, None, ABOUT))
    assert second != first
    assert timeline(packager.describe(VIDEO, AUDIO, ABOUT)) not in (first, second)


def test_an_interruption_is_marked_on_the_next_message_of_each_track():
    packager = Packager()
    packager.describe(VIDEO, AUDIO, ABOUT)

    def send():
        picture = packager.picture(0, 3000, b"P", key=True, t_in_us=0)
        sound = packager.sound(0, b"S", t_in_us=0)
        return [message.parse(part.data) for part in (picture, sound)]

    before = send()
    packager.interrupt()
    after = send() + send()
    assert [m.flags for m in before] == [Flag.KEY] * 2
    assert [m.flags for m in after] == [Flag.KEY | Flag.DISCONTINUITY] * 2 + [Flag.KEY] * 2
    assert [m.seq for m in before + after] == [0, 0, 1, 1, 2, 2]


def test_pts_is_when_it_is_shown_and_tfdt_when_it_is_decoded():
    packager = Packager()
    part = packager.picture(3000, 3000, b"P", key=False, t_in_us=7, offset=6000)
    media = message.parse(part.data)
    assert (media.pts_us, media.t_in_us, part.t_in_us) == (100_000, 7, 7)
    tfdt = media.payload.index(b"tfdt")
    assert int.from_bytes(media.payload[tfdt + 8 : tfdt + 16], "big") == 3000

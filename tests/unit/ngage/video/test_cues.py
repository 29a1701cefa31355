"""Which cues there may be, and at which moment."""

import pytest

from ngage.errors import PublicationError
from ngage.video import message
from ngage.video.cues import CUE_BYTES_MAX, Cues
from tests.helpers import hls_media as media
from tests.helpers.hls_media import frames


def told(*messages):
    cues = Cues()
    for data in messages:
        cues.see(message.parse(data))
    return cues


def test_the_newest_picture_counts_and_not_the_sound_ahead_of_it():
    cues = told(media.init(), media.picture(frames(4)[3], 3), media.sound(50))
    assert cues.make(1, None, 0).pts_us == 100_000


def test_where_there_is_no_picture_the_sound_counts():
    cues = told(media.init(video=0), media.sound(50))
    assert cues.make(1, None, 0).pts_us == 50 * 1024 * 1_000_000 // 48_000


def test_numbers_go_on():
    cues = told(media.init(), media.picture(frames(1)[0], 0))
    made = [cues.make(n, None, 1_700_000_000_000_000) for n in range(3)]
    assert [m.seq for m in made] == [0, 1, 2]
    assert {m.t_in_us for m in made} == {1_700_000_000_000_000}


def test_text_is_utf8_and_compact():
    cues = told(media.init(), media.picture(frames(1)[0], 0))
    assert cues.make({"a": ["ä", 1.5]}, None, 0).payload == '{"a":["ä",1.5]}'.encode()


@pytest.mark.parametrize(
    ("data", "at_us", "reason"),
    [
        (1, 60_000_001, "at_us 60000001"),
        (1, -1, "at_us -1"),
        ("x" * CUE_BYTES_MAX, None, f"{CUE_BYTES_MAX + 2} bytes"),
        (float("nan"), None, "data"),
        ({1, 2}, None, "data"),
        ("\ud800", None, "data"),
    ],
    ids=["future", "before time", "large", "no number", "no JSON", "no text"],
)
def test_what_cannot_be_a_cue_is_refused(data, at_us, reason):
    cues = told(media.init(), media.picture(frames(1)[0], 0))
    with pytest.raises(PublicationError, match=reason):
        cues.make(data, at_us, 0)
    assert cues.make("x" * (CUE_BYTES_MAX - 2), 60_000_000, 0).seq == 0


def test_before_the_first_picture_there_is_no_moment():
    cues = told(media.init())
    with pytest.raises(PublicationError, match="first picture"):
        cues.make(1, 5, 0)
    cues.see(message.parse(media.picture(frames(1)[0], 0)))
    cues.make(1, 5, 0)
    cues.begin()
    with pytest.raises(PublicationError, match="first picture"):
        cues.make(1, 5, 0)

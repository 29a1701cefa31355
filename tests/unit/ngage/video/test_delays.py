"""Where the time between entering and publication went."""

import json

import pytest

from ngage.video.delays import BOUNDS_SECONDS, Delays
from ngage.video.message import Flag, Message, Type


def clock(**told):
    return Message(Type.CLOCK, 254, Flag.NONE, 0, 0, 0, json.dumps(told).encode())


def media(t_in_us, kind=Type.MEDIA):
    return Message(kind, 0, Flag.NONE, 0, 0, t_in_us, b"")


def test_the_link_is_what_making_left_of_the_whole():
    delays = Delays()
    delays.clock(clock(made_ms=[10, 30, 20], dropped=0))
    for ms in (25, 35, 45):
        delays.published(media(1_000_000), 1_000_000 + ms * 1000)
    assert delays.medians() == {"made": 20, "link": 15, "edge": 35}
    assert delays.medians() == {"made": 20, "link": None, "edge": None}


def test_a_histogram_for_each_stage():
    delays = Delays()
    delays.clock(clock(made_ms=[5, 5.1, 9000], dropped=0))
    delays.published(media(0), 20_000)
    made, edge = (delays.histograms[stage] for stage in ("made", "edge"))
    assert made.counts == [1, *[2] * 9, 3]
    assert made.seconds == pytest.approx(9.0101)
    first = BOUNDS_SECONDS.index(0.02)
    assert edge.counts == [0] * first + [1] * (11 - first)


def test_what_no_studio_has_told_is_not_known():
    delays = Delays()
    delays.published(media(0), 20_000)
    assert delays.medians() == {"made": None, "link": None, "edge": 20}
    delays.clock(clock(made_ms=[], dropped=7))
    assert (delays.medians()["made"], delays.dropped) == (None, 7)


def test_a_clock_that_is_ahead_makes_no_delay_negative():
    delays = Delays()
    delays.clock(clock(made_ms=[-1], dropped=0))
    delays.published(media(5_000_000), 1_000_000)
    assert delays.medians()["edge"] == 0
    assert delays.histograms["made"].seconds == delays.histograms["edge"].seconds == 0


def test_only_pictures_and_sound_are_counted():
    delays = Delays()
    for kind in (Type.INIT, Type.TIMED, Type.END):
        delays.published(media(0, kind), 1)
    assert delays.medians()["edge"] is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"made_ms": [1]}',
        b'{"made_ms": 1, "dropped": 0}',
        b'{"made_ms": ["x"], "dropped": 0}',
        b'{"made_ms": [NaN], "dropped": 0}',
        b'{"made_ms": [1], "dropped": {}}',
        b'{"made_ms": [1], "dropped": Infinity}',
    ],
)
def test_a_clock_that_is_none_is_refused(payload):
    delays = Delays()
    with pytest.raises(ValueError, match="CLOCK"):
        delays.clock(Message(Type.CLOCK, 254, Flag.NONE, 0, 0, 0, payload))
    assert delays.medians()["made"] is None

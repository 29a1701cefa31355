"""What edges are told each second of the work at the studio."""

import json

from ngage.studio.clock import TOLD_MAX, Clock
from ngage.video import message
from ngage.video.message import Flag, Type


def told(clock, dropped=0):
    media = message.parse(clock.message(dropped))
    return media, json.loads(media.payload)


def test_it_tells_of_the_messages_since_the_last_one():
    clock = Clock()
    for milliseconds in (1.26, 30.0):
        clock.made(milliseconds / 1000)
    first, about = told(clock, 7)
    assert about == {"made_ms": [1.3, 30.0], "dropped": 7}
    assert (first.type, first.rendition, first.flags) == (Type.CLOCK, 254, Flag.NONE)
    assert first.pts_us == 0
    second, about = told(clock, 8)
    assert about == {"made_ms": [], "dropped": 8}
    assert (first.seq, second.seq) == (0, 1)
    assert second.t_in_us >= first.t_in_us > 0


def test_of_many_it_tells_of_the_newest():
    clock = Clock()
    for n in range(TOLD_MAX + 5):
        clock.made(n / 1000)
    assert told(clock)[1]["made_ms"] == [float(n) for n in range(5, TOLD_MAX + 5)]

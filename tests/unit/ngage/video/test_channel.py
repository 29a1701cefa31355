"""A video channel against an edge that only remembers what it is told."""

import json

import pytest

from ngage.video import message
from ngage.video.channel import VideoChannel
from ngage.video.message import Flag, Message, Type
from tests.helpers.hls_media import Remembering
from tests.helpers.programme import Programme


class Channel:
    subscribers = 3

    def __init__(self, name):
        self.name = name
        self.preambles, self.published, self.syncs, self.views = [], [], [], {}

    def preamble(self, data):
        self.preambles.append(data)

    def publish(self, data, sync=False, *, group=0, independent=False):
        self.published.append(data)
        self.syncs.append(sync)

    def view(self, name, tick_ms):
        self.views[name] = tick_ms


class Edge(Remembering):
    def __init__(self):
        super().__init__()
        self.channels = {}

        self.ladders = []

    def ladder(self, rungs, *, last_resort):
        self.ladders.append([rung.name for rung in rungs])

    def channel(self, name, **options):
        return self.channels.setdefault(name, Channel(name))


def test_init_is_the_preamble_and_key_frames_are_sync_points():
    edge, programme = Edge(), Programme()
    channel = VideoChannel(edge, "stage")
    channel.accept(programme.init)
    sent = [programme.picture() for _ in range(11)]
    for data in sent:
        channel.accept(data)
    stage = edge.channels["stage"]
    assert stage.preambles == [programme.init]
    assert stage.published == sent
    assert [n for n, sync in enumerate(stage.syncs) if sync] == [0, 10]


def test_another_source_has_to_describe_what_it_sends():
    edge, programme = Edge(), Programme()
    channel = VideoChannel(edge, "stage")
    channel.accept(programme.init)
    channel.begin()
    with pytest.raises(ValueError, match="before INIT"):
        channel.accept(programme.picture())
    assert edge.channels["stage"].published == []


def test_the_page_is_told_of_viewers_delay_and_losses():
    edge, programme = Edge(), Programme()
    channel = VideoChannel(edge, "stage")
    channel.report()
    channel.accept(programme.init)
    channel.accept(programme.picture())
    channel.report(dropped=2, notice="gone")
    first, second = map(json.loads, edge.channels["stage:info"].published)
    assert first == {
        **{"viewers": 3, "delay_ms": None, "stages": {"made": None, "link": None}},
        **{"dropped": 0, "notice": ""},
    }
    assert second["delay_ms"] > 0
    assert (second["dropped"], second["notice"]) == (2, "gone")


def test_what_the_studio_tells_of_its_delay_is_for_the_page_and_no_publication():
    edge, programme = Edge(), Programme()
    channel = VideoChannel(edge, "stage")
    channel.accept(clock({"made_ms": [4, 6, 5], "dropped": 1}))  # also before INIT
    channel.accept(programme.init)
    channel.accept(programme.picture())
    channel.report(dropped=2)
    told = json.loads(edge.channels["stage:info"].published[0])
    assert told["stages"]["made"] == 5
    assert told["stages"]["link"] == pytest.approx(told["delay_ms"] - 5, abs=0.11)
    assert told["dropped"] == 3
    assert len(edge.channels["stage"].published) == 1
    channel.begin()  # another studio, which has told nothing yet
    channel.report()
    told = json.loads(edge.channels["stage:info"].published[1])
    assert told["stages"] == {"made": None, "link": None}


def test_a_cue_is_published_at_the_newest_picture_or_where_it_is_wanted():
    edge, programme = Edge(), Programme()
    channel = VideoChannel(edge, "stage")
    channel.accept(programme.init)
    for _ in range(4):
        channel.accept(programme.picture())
    assert channel.cue({"poll": "wer?"}) == 100_000
    assert channel.cue([1], at_us=60_000_000) == 60_000_000
    assert channel.cue(None, at_us=0) == 0
    stage = edge.channels["stage"]
    cues = [message.parse(data) for data in stage.published[4:]]
    assert [(c.type, c.rendition, c.flags, c.seq, c.pts_us, c.payload) for c in cues] == [
        (Type.TIMED, 254, Flag.NONE, 0, 100_000, b'{"poll":"wer?"}'),
        (Type.TIMED, 254, Flag.NONE, 1, 60_000_000, b"[1]"),
        (Type.TIMED, 254, Flag.NONE, 2, 0, b"null"),
    ]
    assert stage.syncs[4:] == [False] * 3


def clock(told):
    payload = json.dumps(told).encode()
    return message.pack(Message(Type.CLOCK, 254, Flag.NONE, 0, 0, 1, payload))

"""A video channel against an edge that only remembers what it is told."""

import json

import pytest

from ngage.video.channel import VideoChannel
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
    assert first == {"viewers": 3, "delay_ms": None, "dropped": 0, "notice": ""}
    assert second["delay_ms"] > 0
    assert (second["dropped"], second["notice"]) == (2, "gone")

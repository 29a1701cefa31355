"""Which message goes to which rung, against channels that only remember."""

import pytest

from ngage.video.ladder import Ladder
from ngage.video.message import (
    RENDITION_ALL,
    RENDITION_SOUND_ONLY,
    Flag,
    Message,
    Track,
    Type,
    pack,
    pack_tracks,
    parse,
)

SOUND = 64


class Channel:
    subscribers = 5

    def __init__(self, name):
        self.name = name
        self.preamble_data, self.published, self.views = b"", [], {}

    def preamble(self, data):
        self.preamble_data = data

    def publish(self, data, sync=False, *, group=0, independent=False):
        self.published.append((shown(parse(data)), sync, group, independent))

    def view(self, name, tick_ms):
        self.views[name] = tick_ms


class Edge:
    def __init__(self):
        self.channels, self.ladders = {}, []

    def channel(self, name, **options):
        assert options["lag"] == "keyframe"
        return self.channels.setdefault(name, Channel(name))

    def ladder(self, rungs, *, last_resort):
        self.ladders.append([rung.name for rung in rungs])
        self.last_resort = last_resort


def shown(media):
    return f"{media.rendition}:{media.pts_us}"


def init(*pictures, sound=True, timeline="t"):
    tracks = [Track(rendition, "video", "video/mp4", b"i", {}) for rendition in pictures]
    tracks += [Track(SOUND, "audio", "audio/mp4", b"i", {})] if sound else []
    payload = pack_tracks(timeline, tracks)
    return Message(Type.INIT, RENDITION_ALL, Flag.KEY, 0, 0, 0, payload)


def media(rendition, pts_us, *, key=False):
    flags = Flag.KEY if key else Flag.NONE
    return Message(Type.MEDIA, rendition, flags, 0, pts_us, 7, b"chunk")


def begun(*pictures, **options):
    edge = Edge()
    ladder = Ladder(edge, "stage")
    describe(ladder, init(*pictures, **options))
    return edge, ladder


def describe(ladder, message):
    ladder.describe(pack(message), message)


def send(ladder, *messages, first=0):
    for message in messages:
        sync = message.rendition == first and Flag.KEY in message.flags
        ladder.publish(pack(message), message, sync=sync)


def names(channel):
    return [what for what, *_ in channel.published]


def test_each_rung_has_its_picture_and_all_have_the_sound():
    edge, ladder = begun(0, 1)
    assert edge.ladders == [["stage", "stage@1", "stage@2"]]
    keys = [media(0, 5, key=True), media(1, 5, key=True)]
    send(ladder, media(SOUND, 4, key=True), *keys, media(SOUND, 6, key=True), media(1, 9))
    rungs = list(edge.channels.values())
    assert [names(rung) for rung in rungs] == [
        ["64:4", "0:5", "64:6"],
        ["64:4", "1:5", "64:6", "1:9"],
        ["64:4", f"{RENDITION_SOUND_ONLY}:5", "64:6"],
    ]
    groups = [[group for _, sync, group, _ in rung.published if sync] for rung in rungs]
    assert groups[0] == groups[1] == groups[2]
    assert len(groups[0]) == 1
    independent = [what for what, *_, alone in rungs[1].published if alone]
    assert independent == ["64:4", "64:6"]
    assert ladder.viewers == 5
    assert len({rung.preamble_data for rung in rungs}) == 1


def test_rungs_can_be_had_at_the_pace_of_a_class():
    edge, _ = begun(0)
    assert {name: rung.views for name, rung in edge.channels.items()} == {
        "stage": {"stage~rt": 0, "stage~live": 100, "stage~eco": 500},
        "stage@1": {"stage@1~rt": 0, "stage@1~live": 100, "stage@1~eco": 500},
    }


@pytest.mark.parametrize("tracks", [((0,), False), ((), True)])
def test_a_single_track_is_no_ladder(tracks):
    pictures, sound = tracks
    edge, ladder = begun(*pictures, sound=sound)
    first = pictures[0] if pictures else SOUND
    send(ladder, media(first, 1, key=True), media(first, 2, key=True), first=first)
    assert edge.ladders == []
    assert [sync for _, sync, *_ in edge.channels["stage"].published] == [True, True]


def test_who_is_left_without_a_track_has_the_next_lower_from_its_key_frame_on():
    edge, ladder = begun(0, 1, 2)
    send(ladder, *(media(rung, 1, key=True) for rung in range(3)))
    describe(ladder, init(0, 2))
    send(ladder, media(2, 2), media(0, 3, key=True), media(2, 3, key=True), media(2, 4))
    assert names(edge.channels["stage@1"]) == ["1:1", "2:3", "2:4"]
    assert names(edge.channels["stage@2"]) == ["2:1", "2:2", "2:3", "2:4"]
    describe(ladder, init(0))
    send(ladder, media(0, 5, key=True), media(0, 6))
    for rung in ("stage@1", "stage@2"):
        assert names(edge.channels[rung])[-2:] == ["0:5", "0:6"]
    assert names(edge.channels["stage@3"]) == ["255:1", "255:3", "255:5"]


def test_a_ladder_grows_at_its_lower_end():
    edge, ladder = begun(0)
    describe(ladder, init(0, 1))
    assert edge.ladders == [["stage", "stage@1"], ["stage", "stage@1", "stage@2"]]
    send(ladder, media(0, 1, key=True), media(1, 1, key=True))
    assert [names(rung) for rung in edge.channels.values()] == [["0:1"], ["1:1"], ["255:1"]]


def test_pictures_without_sound_have_no_rung_for_it():
    edge, ladder = begun(0, 1, sound=False)
    send(ladder, media(0, 1, key=True), media(1, 1, key=True))
    assert [names(rung) for rung in edge.channels.values()] == [["0:1"], ["1:1"]]
    assert not edge.last_resort
    describe(ladder, init(0, 1))
    send(ladder, media(0, 2, key=True), media(1, 2, key=True))
    assert [names(rung)[-1] for rung in edge.channels.values()] == ["0:2", "1:2", "255:2"]
    assert edge.last_resort


def test_the_core_is_told_of_a_last_resort_that_comes_later():
    edge, ladder = begun(0, 1, 2, sound=False)
    describe(ladder, init(0, 1))
    assert edge.ladders == [["stage", "stage@1", "stage@2"]] * 2
    assert edge.last_resort
    send(ladder, media(0, 1, key=True), media(1, 1, key=True))
    assert [names(rung) for rung in edge.channels.values()] == [["0:1"], ["1:1"], ["255:1"]]


def test_a_picture_that_init_does_not_name_goes_nowhere():
    edge, ladder = begun(0)
    send(ladder, media(1, 1, key=True), media(0, 1, key=True))
    assert [names(rung) for rung in edge.channels.values()] == [["0:1"], ["255:1"]]


def test_there_are_no_more_rungs_than_the_core_has():
    edge, _ = begun(*range(20))
    assert len(edge.channels) == 16


def test_groups_of_another_timeline_are_others():
    edge, ladder = begun(0, 1)
    send(ladder, media(0, 1, key=True))
    describe(ladder, init(0, 1, timeline="u"))
    send(ladder, media(0, 1, key=True))
    groups = [group for _, _, group, _ in edge.channels["stage"].published]
    assert len(set(groups)) == 2

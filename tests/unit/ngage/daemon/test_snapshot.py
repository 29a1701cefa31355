"""The logs of an edge as bytes: what is written is restored, and nothing else is."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.api import Edge
from ngage.channel import Channel
from ngage.daemon.snapshot import MAGIC, restore_logs, write_logs
from ngage.errors import HandoverError
from ngage.events import Log
from ngage.settings import ChannelOptions

NAMES = st.text("abcXYZ019.:_-~=@$", min_size=1, max_size=20)
DATA = st.binary(max_size=300) | st.text(max_size=100)
OPTIONS = st.builds(
    ChannelOptions,
    lag=st.sampled_from(["latest", "keyframe", "ring", "reliable"]),
    history=st.integers(2, 8),
    ring_bytes=st.integers(4096, 8192),
    tick_ms=st.integers(0, 1000),
    deflate=st.booleans(),
)
PUBLICATIONS = st.tuples(DATA, st.booleans(), st.integers(0, 2**64 - 1), st.booleans())
CHANNELS = st.dictionaries(NAMES, st.tuples(OPTIONS, DATA, st.lists(PUBLICATIONS, max_size=20)))


def edge_of(**settings: object) -> Edge:
    edge = Edge(listen="127.0.0.1:0", shards=1, max_connections=100, **settings)
    edge.prepare()
    return edge


def written(edge: Edge) -> bytes:
    file = io.BytesIO()
    write_logs(file, edge.channels)
    return file.getvalue()


def restored(snapshot: bytes, **settings: object) -> Edge:
    edge = edge_of(**settings)
    restore_logs(io.BytesIO(snapshot), edge)
    return edge


def content(channel: Channel) -> tuple[ChannelOptions, Log, object, object]:
    return channel.options, channel.log(), channel.history(), channel.position


def stage(count: int, size: int = 10, **options: object) -> Edge:
    edge = edge_of()
    channel = edge.channel("stage", **options)
    for number in range(count):
        channel.publish(bytes([number % 256]) * size, sync=number % 3 == 0)
    return edge


@given(CHANNELS)
def test_what_is_written_is_restored(channels) -> None:
    """Options, epoch, offsets, bytes, kinds, sync points, preamble; a full ring too."""
    edge = edge_of()
    for name, (options, preamble, publications) in channels.items():
        channel = edge.channel(name, **{f: getattr(options, f) for f in options.__slots__})
        channel.preamble(preamble)
        for data, sync, group, independent in publications:
            channel.publish(data, sync, group=group, independent=independent)
    successor = restored(written(edge))
    assert list(successor.channels) == list(channels)
    for name in channels:
        assert content(successor.channels[name]) == content(edge.channels[name])


def test_views_and_ladders_are_restored() -> None:
    edge = edge_of()
    rungs = [edge.channel(name, lag="keyframe") for name in ("stage", "stage@1")]
    for rung in rungs:
        rung.view(f"{rung.name}~eco", 500)
    edge.ladder(rungs, last_resort=True)
    edge.channel("other").view("another", 20)
    channels = restored(written(edge)).channels
    assert channels["stage"].rungs == ("stage", "stage@1")
    assert channels["stage"].last_resort
    assert {name: channel.views for name, channel in channels.items()} == {
        "stage": {"stage~eco": 500},
        "stage@1": {"stage@1~eco": 500},
        "other": {"another": 20},
    }


def test_a_restored_log_goes_on() -> None:
    edge = stage(20, history=8)
    successor = restored(written(edge))
    positions = [one.channels["stage"].publish(b"next", sync=True) for one in (edge, successor)]
    assert positions[0] == positions[1]
    assert positions[0].offset == 21
    assert content(successor.channels["stage"]) == content(edge.channels["stage"])


def test_a_log_that_was_never_published_to() -> None:
    edge = stage(0)
    successor = restored(written(edge))
    assert successor.channels["stage"].position == edge.channels["stage"].position
    assert successor.channels["stage"].publish(b"").offset == 1


@given(st.data())
def test_data_cut_short_is_refused(data) -> None:
    snapshot = written(stage(4, size=200))
    size = data.draw(st.integers(len(MAGIC), len(snapshot) - 1))
    with pytest.raises(HandoverError, match="cut short"):
        restored(snapshot[:size])


@pytest.mark.parametrize("snapshot", [b"", b"ngage", b"ngage logs 0\n", b"{}"])
def test_data_of_another_version_is_refused(snapshot: bytes) -> None:
    with pytest.raises(HandoverError, match="another version"):
        restored(snapshot)


@given(st.binary())
def test_foreign_data_is_refused(data: bytes) -> None:
    if not data.startswith(bytes(4)):
        with pytest.raises(HandoverError):
            restored(MAGIC + data)


@given(st.data())
def test_an_altered_byte_is_refused_or_harmless(data) -> None:
    snapshot = bytearray(written(stage(4)))
    at = data.draw(st.integers(len(MAGIC), len(snapshot) - 1))
    snapshot[at] = data.draw(st.integers(0, 255))
    try:
        edge = restored(bytes(snapshot))
    except HandoverError as error:
        assert "\n" not in str(error)
    else:
        assert len(edge.channels) <= 1


def test_a_channel_that_exists_is_not_restored() -> None:
    edge = edge_of()
    edge.channel("stage").publish(b"its own")
    with pytest.raises(HandoverError, match="has a log"):
        restore_logs(io.BytesIO(written(stage(1))), edge)
    assert [held.data for held in edge.channels["stage"].history()] == [b"its own"]


@pytest.mark.parametrize(("history", "ring_bytes"), [(4, 1 << 20), (64, 4096)])
def test_declared_options_hold_and_the_oldest_go(history: int, ring_bytes: int) -> None:
    edge = stage(20, size=1000)
    declared = replace(ChannelOptions(), history=history, ring_bytes=ring_bytes)
    channel = restored(written(edge), channels={"stage": declared}).channels["stage"]
    assert channel.options == declared
    assert channel.position == edge.channels["stage"].position
    assert channel.history() == edge.channels["stage"].history()[-4:]


@pytest.mark.parametrize(("size", "held"), [(4092, [3]), (4093, [])])
def test_what_a_smaller_ring_cannot_hold_goes_with_all_before_it(size: int, held: list) -> None:
    """A frame of 4,096 bytes has a header of 4 (RFC 6455 section 5.2)."""
    edge = edge_of()
    for data in (b"a", b"b", bytes(size)):
        edge.channel("stage").publish(data)
    declared = replace(ChannelOptions(), ring_bytes=4096)
    channel = restored(written(edge), channels={"stage": declared}).channels["stage"]
    assert [publication.offset for publication in channel.history()] == held
    assert channel.position == edge.channels["stage"].position

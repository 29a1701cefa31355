"""ngage as a library: an edge inside an asyncio program, and real WebSocket clients."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import ngage
from ngage import inbox
from tests.helpers.backends import BACKENDS
from tests.helpers.raw import Raw
from tests.helpers.wait import eventually


@pytest.fixture(params=BACKENDS)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[ngage.Edge]:
    async with ngage.Edge(listen="127.0.0.1:0", shards=2, backend=request.param) as running:
        yield running


async def test_publish_reaches_every_subscriber_in_order(edge: ngage.Edge) -> None:
    stage = edge.channel("stage:main", lag="ring", history=1024)
    url = f"{edge.url}/ws/stage:main"
    async with connect(url) as first, connect(url) as second:
        await eventually(lambda: stage.subscribers == 2)
        positions = [stage.publish(data) for data in (b"\x00", "text", b"")]
        for client in (first, second):
            assert [await client.recv() for _ in positions] == [b"\x00", "text", b""]
    assert [position.offset for position in positions] == [1, 2, 3]
    assert stage.position == positions[-1]
    assert str(stage.position) == f"{positions[0].epoch}:3"
    await eventually(lambda: stage.subscribers == 0)


async def test_resume_from_a_position(edge: ngage.Edge) -> None:
    stage = edge.channel("stage")
    known = stage.publish("seen")
    stage.publish("missed")
    async with connect(f"{edge.url}/ws/stage?since={known}") as client:
        assert await client.recv() == "missed"


async def test_preamble_comes_first(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", lag="keyframe")
    stage.preamble(b"init")
    stage.publish(b"picture", sync=True)
    async with connect(f"{edge.url}/ws/stage") as client:
        assert [await client.recv() for _ in range(2)] == [b"init", b"picture"]


async def test_a_new_preamble_comes_with_what_it_is_for(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", lag="ring")
    stage.preamble(b"old")
    with Raw(edge.address, receive_bytes=4096) as slow:
        slow.upgrade("/ws/stage")
        before = [b"%03d" % number + bytes(8192) for number in range(600)]
        for data in before:
            stage.publish(data)
        stage.preamble(b"new")
        stage.preamble(b"new")  # the same is none
        stage.publish(b"after")
        assert slow.read_message() == b"old"
        assert [slow.read_message() for _ in before] == before
        assert [slow.read_message() for _ in range(2)] == [b"new", b"after"]


async def test_who_joins_waits_for_a_sync_point_of_the_preamble(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", lag="keyframe")
    stage.publish(b"old key", sync=True)
    stage.preamble(b"init")
    stage.publish(b"depends on the old one")
    stage.publish(b"sound", independent=True)
    with Raw(edge.address) as viewer:
        viewer.upgrade("/ws/stage")
        assert [viewer.read_message() for _ in range(2)] == [b"init", b"sound"]
        stage.publish(b"depends on it too")
        stage.publish(b"key", sync=True)
        stage.publish(b"follows")
        assert [viewer.read_message() for _ in range(2)] == [b"key", b"follows"]
        with Raw(edge.address) as other:
            other.upgrade("/ws/stage")
            assert [other.read_message() for _ in range(3)] == [b"init", b"key", b"follows"]


async def test_history(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", history=3)
    positions = [stage.publish(str(number)) for number in range(1, 6)]
    held = [ngage.Publication(number, str(number)) for number in range(2, 6)]
    assert stage.history() == held  # history is rounded up to a power of two
    assert stage.history(since=3) == held[2:]
    assert stage.history(since=positions[2], limit=1) == held[2:3]
    assert stage.history(limit=2, reverse=True) == held[:1:-1]
    with pytest.raises(ngage.PositionError):
        stage.history(since=ngage.Position("another", 1))


async def test_a_channel_is_made_once(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", lag="reliable")
    assert edge.channel("stage") is stage
    assert dict(edge.channels) == {"stage": stage}
    assert (stage.name, stage.options.lag) == ("stage", "reliable")


@pytest.mark.parametrize("name", ["", "a" * 256, "a/b", "a b", "a\nb", "\N{SNOWMAN}"])
async def test_bad_channel_name(edge: ngage.Edge, name: str) -> None:
    with pytest.raises(ngage.ChannelError):
        edge.channel(name)
    assert not edge.channels


async def test_bad_channel_option(edge: ngage.Edge) -> None:
    with pytest.raises(ngage.SettingsError, match="lag"):
        edge.channel("stage", lag="drop")
    with pytest.raises(ngage.SettingsError, match="history"):
        edge.channel("stage", history=1)


async def test_publication_that_does_not_fit(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", ring_bytes=4096)
    with pytest.raises(ngage.PublicationError):
        stage.publish(b"x" * 4097)
    with pytest.raises(ngage.PublicationError):
        stage.publish("\ud800")
    assert stage.position.offset == 0


# Clients


async def test_messages_of_clients_and_answers(edge: ngage.Edge) -> None:
    edge.channel("stage")
    messages = aiter(edge.messages())
    waiting = asyncio.ensure_future(anext(messages))
    async with connect(f"{edge.url}/ws/stage") as client:
        await client.send("a question")
        message = await waiting
        assert (message.channel, message.data) == ("stage", "a question")
        assert message.address.startswith("127.0.0.1")
        await client.send(b"\x00")
        assert (await anext(messages)).data == b"\x00"
        assert edge.send(message.client, "an answer")
        assert await client.recv() == "an answer"
        assert edge.disconnect(message.client, 4001, "over")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "over")
        # Whom it meant has gone, which is no error.
        assert edge.send(message.client, "too late")


async def test_every_reader_gets_every_message(edge: ngage.Edge) -> None:
    edge.channel("stage")
    readers = [edge.messages(), edge.messages()]
    waiting = [asyncio.ensure_future(anext(aiter(reader))) for reader in readers]
    async with connect(f"{edge.url}/ws/stage") as client:
        await client.send("to all")
        assert [message.data for message in await asyncio.gather(*waiting)] == ["to all"] * 2


async def test_messages_nobody_reads_are_dropped_and_counted(edge: ngage.Edge) -> None:
    edge.channel("stage")
    async with connect(f"{edge.url}/ws/stage") as client:
        await client.send("to nobody")
        await eventually(lambda: edge.stats()["messages_dropped"] == 1)


async def test_messages_are_dropped_again_after_the_last_reader(edge: ngage.Edge) -> None:
    edge.channel("stage")
    messages = edge.messages()
    first = asyncio.ensure_future(anext(messages))
    async with connect(f"{edge.url}/ws/stage") as client:
        await client.send("read")
        assert (await first).data == "read"
        await messages.aclose()
        await client.send("not read")
        await eventually(lambda: edge.stats()["messages_dropped"] == 1)
        assert edge.stats()["reader_dropped_messages"] == 0


async def test_messages_end_with_the_edge() -> None:
    async with ngage.Edge(listen="127.0.0.1:0", shards=1) as edge:
        ended = asyncio.ensure_future(anext(aiter(edge.messages()), None))
        await asyncio.sleep(0)
    assert await ended is None


async def test_a_reader_that_is_behind_loses_what_comes_on_top(
    edge: ngage.Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "INBOX_MESSAGES_MAX", 4)
    edge.channel("stage")
    messages = aiter(edge.messages())
    waiting = asyncio.ensure_future(anext(messages))
    async with connect(f"{edge.url}/ws/stage") as client:
        await client.send("first")
        assert (await waiting).data == "first"
        for number in range(6):
            await client.send(str(number))
        await eventually(lambda: edge.stats()["reader_dropped_messages"] == 2)
        assert [(await anext(messages)).data for _ in range(4)] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("client", ["", "1", "zz", "000000000000000G", " 000000000000001"])
async def test_bad_client_id(edge: ngage.Edge, client: str) -> None:
    with pytest.raises(ngage.ClientError):
        edge.send(client, b"")
    with pytest.raises(ngage.ClientError):
        edge.disconnect(client)


# Pages


async def test_serve_and_unserve(edge: ngage.Edge) -> None:
    url = "http://{}:{}/page".format(*edge.address)
    edge.serve("/page", b"<p>hello", "text/html; charset=utf-8", {"Cache-Control": "max-age=1"})
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(url)
        assert (page.status_code, page.content) == (200, b"<p>hello")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "max-age=1"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert edge.unserve("/page")
        assert not edge.unserve("/page")
        assert (await client.get(url)).status_code == 404


# Life


async def drained_with(edge: ngage.Edge, **options: Any) -> set[tuple[int, str]]:
    """Codes and reasons that clients are closed with by a drain, after what was published."""
    stage = edge.channel("stage")
    clients = [await connect(f"{edge.url}/ws/stage") for _ in range(5)]
    await eventually(lambda: stage.subscribers == len(clients))
    stage.publish("last words")
    assert await edge.drain(20, **options) == 0
    seen = set()
    for client in clients:
        assert await client.recv() == "last words"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd
        seen.add((closed.value.rcvd.code, closed.value.rcvd.reason))
    return seen


async def test_drain_tells_each_client(edge: ngage.Edge) -> None:
    assert {code for code, _ in await drained_with(edge, code=1012)} == {1012}


async def test_drain_with_a_reason(edge: ngage.Edge) -> None:
    assert await drained_with(edge, reason="back soon") == {(1001, "back soon")}


async def test_an_edge_that_is_not_started() -> None:
    with pytest.raises(ngage.NgageError, match="not started"):
        ngage.Edge().channel("stage")


async def test_address_in_use(edge: ngage.Edge) -> None:
    with pytest.raises(ngage.StartError, match="in use"):
        async with ngage.Edge(listen="{}:{}".format(*edge.address)):
            pass


async def test_settings_that_are_wrong() -> None:
    with pytest.raises(ngage.SettingsError, match="shards"):
        ngage.Edge(shards=-1)


async def test_an_edge_can_be_started_again() -> None:
    edge = ngage.Edge(listen="127.0.0.1:0", shards=1)
    for _ in range(2):
        async with edge:
            assert edge.channel("stage").publish("hello").offset == 1


async def test_declared_channels_are_there() -> None:
    declared = {"stage": ngage.ChannelOptions(lag="latest")}
    async with ngage.Edge(listen="127.0.0.1:0", shards=1, channels=declared) as edge:
        assert edge.channels["stage"].options.lag == "latest"

"""Studios and edges: what is pushed is what viewers get, whoever comes and goes."""

import asyncio
import contextlib

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

import ngage
from ngage.errors import StartError, StudioError
from ngage.studio.link import Link
from ngage.video import message
from ngage.video.entry import Entry
from ngage.video.intake import AWAY, MESSAGE_BYTES_MAX, Intake
from tests.helpers.programme import Programme
from tests.helpers.wait import eventually

CHANNEL = "stage:main"


@contextlib.asynccontextmanager
async def edge_with_intake(address="127.0.0.1:0", key=""):
    async with (
        ngage.Edge(listen="127.0.0.1:0") as edge,
        Intake(edge, address, lambda: key) as intake,
    ):
        yield edge, "{}:{}".format(*intake.address)


@contextlib.asynccontextmanager
async def running(link):
    task = asyncio.create_task(link.run())
    yield task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def push(link, programme, count):
    """`count` pictures; the messages."""
    sent = []
    for _ in range(count):
        data = programme.picture()
        key = message.parse(data).flags & message.Flag.KEY
        link.send(data, Entry.SYNC if key else Entry.WITHIN)
        sent.append(data)
    return sent


async def test_a_viewer_gets_init_and_every_message_from_a_sync_point_on():
    programme = Programme()
    async with edge_with_intake() as (edge, address):
        link = Link(f"ws://{address}", CHANNEL, "")
        link.send(programme.init, Entry.INIT)
        async with running(link):
            await eventually(lambda: link.connected)
            sent = push(link, programme, 25)
            await eventually(lambda: edge.channels[CHANNEL].position.offset == 25)
            async with connect(f"{edge.url}/ws/{CHANNEL}") as viewer:
                sent += push(link, programme, 5)
                assert await viewer.recv() == programme.init
                assert [await viewer.recv() for _ in range(10)] == sent[20:]
        assert (link.sent, link.dropped) == (30, 0)


async def test_a_studio_begins_at_a_sync_point_even_if_it_connects_within():
    programme = Programme()
    async with edge_with_intake() as (edge, address):
        link = Link(f"ws://{address}", CHANNEL, "")
        link.send(programme.init, Entry.INIT)
        push(link, programme, 3)  # nobody is there
        async with running(link):
            await eventually(lambda: link.connected)
            sent = push(link, programme, 8)
            await eventually(lambda: CHANNEL in edge.channels)
            await eventually(lambda: edge.channels[CHANNEL].position.offset == 1)
            held = edge.channels[CHANNEL].history()
            assert [publication.data for publication in held] == [sent[7]]
        assert (link.sent, link.dropped) == (1, 10)


async def test_an_edge_that_comes_back_is_supplied_again():
    programme = Programme()
    async with contextlib.AsyncExitStack() as first:
        edge, address = await first.enter_async_context(edge_with_intake())
        link = Link(f"ws://{address}", CHANNEL, "")
        link.send(programme.init, Entry.INIT)
        async with running(link):
            await eventually(lambda: link.connected)
            push(link, programme, 12)
            await eventually(lambda: edge.channels[CHANNEL].position.offset == 12)
            await first.aclose()
            await eventually(lambda: not link.connected)
            async with edge_with_intake(address) as (second, _):
                await eventually(lambda: link.connected)
                sent = push(link, programme, 20)
                await eventually(lambda: second.channels[CHANNEL].position.offset == 12)
                async with connect(f"{second.url}/ws/{CHANNEL}") as viewer:
                    assert await viewer.recv() == programme.init
                    assert await viewer.recv() == sent[18]


async def test_a_wrong_key_is_no_matter_of_patience():
    async with edge_with_intake(key="secret") as (_, address):
        with pytest.raises(StudioError, match="X-API-Key is missing or wrong"):
            await Link(f"ws://{address}", CHANNEL, "guess").run()
        link = Link(f"ws://{address}", CHANNEL, "secret")
        async with running(link):
            await eventually(lambda: link.connected)


async def test_a_channel_has_one_studio_and_the_next_takes_over():
    async with edge_with_intake() as (edge, address):
        first, second = (Link(f"ws://{address}", CHANNEL, "") for _ in range(2))
        async with running(second):
            async with running(first):
                await eventually(lambda: first.connected or second.connected)
                winner = first if first.connected else second
                with pytest.raises(InvalidStatus) as refused:
                    await connect(f"ws://{address}/studio/{CHANNEL}")
                assert refused.value.response.status_code == 409
                assert b"another studio" in refused.value.response.body
                assert winner.connected
            await eventually(lambda: second.connected)
        assert list(edge.channels) == [CHANNEL, f"{CHANNEL}:info"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/stage", {}, 404),
        ("/studio/stage", {"Origin": "http://evil.example"}, 403),
        ("/studio/bad%00name", {}, 400),
        ("/studio/", {}, 400),
    ],
)
async def test_what_is_refused_says_why(path, headers, status):
    async with edge_with_intake() as (edge, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}{path}", additional_headers=headers)
        assert refused.value.response.status_code == status
        assert refused.value.response.body.startswith(f"{status}: ".encode())
        assert not edge.channels


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"short", 1007),
        (b"\xff" * 64, 1007),
        (Programme().picture(), 1007),  # before INIT
        (Programme().init[:60], 1007),
        ("text", 1003),
    ],
    ids=["short", "no message", "media before INIT", "cut INIT", "text"],
)
async def test_a_studio_that_sends_nonsense_is_sent_away_and_the_channel_stays(data, code):
    programme = Programme()
    async with edge_with_intake() as (edge, address):
        async with connect(f"ws://{address}/studio/{CHANNEL}") as studio:
            await studio.send(data)
            with pytest.raises(ConnectionClosed) as closed:
                await studio.recv()
            assert closed.value.rcvd.code == code
            assert closed.value.rcvd.reason
        async with connect(f"ws://{address}/studio/{CHANNEL}") as studio:
            await studio.send(programme.init)
            await studio.send(programme.picture())
            await eventually(lambda: edge.channels[CHANNEL].position.offset == 1)


async def test_a_message_larger_than_any_picture_costs_the_studio_its_link_only():
    programme = Programme()
    async with edge_with_intake() as (edge, address):
        async with connect(f"ws://{address}/studio/{CHANNEL}") as studio:
            await studio.send(programme.init)
            with pytest.raises(ConnectionClosed):
                await studio.send(programme.picture(bytes(MESSAGE_BYTES_MAX)))
                await studio.recv()
        assert edge.channels[CHANNEL].position.offset == 0


async def test_the_page_is_told_when_the_studio_is_away():
    async with edge_with_intake() as (edge, address):
        async with connect(f"ws://{address}/studio/{CHANNEL}"):
            pass
        async with connect(f"{edge.url}/ws/{CHANNEL}:info") as page:
            async for text in page:
                if AWAY in text:
                    break


async def test_a_studio_whose_edge_stops_reading_drops_up_to_a_sync_point():
    programme = Programme()
    async with edge_with_intake() as (edge, address):
        link = Link(f"ws://{address}", CHANNEL, "")
        link.send(programme.init, Entry.INIT)
        async with running(link):
            await eventually(lambda: link.connected)
            # One turn of the loop: the edge, which runs on it, can read nothing of it.
            for n in range(300):
                data = programme.picture(bytes(100_000))
                link.send(data, Entry.WITHIN if n % 10 else Entry.SYNC)
            assert link.dropped > 100
            sent = link.sent
            await eventually(lambda: edge.channels[CHANNEL].position.offset == sent)
            after = push(link, programme, 11)
            await eventually(lambda: edge.channels[CHANNEL].position.offset == sent + 11)
            assert edge.channels[CHANNEL].history(limit=1, reverse=True)[0].data == after[-1]


async def test_an_init_that_met_a_full_link_comes_before_what_it_is_for():
    programme = Programme()
    async with edge_with_intake() as (edge, address):
        link = Link(f"ws://{address}", CHANNEL, "")
        link.send(programme.init, Entry.INIT)
        async with running(link):
            await eventually(lambda: link.connected)
            for _ in range(100):  # one turn of the loop, in which the edge can read nothing
                link.send(programme.picture(bytes(100_000)), Entry.SYNC)
            other = Programme()
            assert other.init != programme.init
            link.send(other.init, Entry.INIT)
            sent = link.sent
            await eventually(lambda: edge.channels[CHANNEL].position.offset == sent)
            push(link, other, 1)
            await eventually(lambda: edge.channels[CHANNEL].position.offset == sent + 1)
            assert edge.channels[CHANNEL].log().preamble == other.init


async def test_what_is_told_beside_the_stream_comes_after_init_and_is_not_kept():
    programme = Programme()
    got = asyncio.Queue()

    async def keep(connection):
        async for data in connection:
            got.put_nowait(data)

    async with serve(keep, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        link = Link(f"ws://127.0.0.1:{port}", CHANNEL, "")
        link.tell(b"nobody is there")
        async with running(link):
            await eventually(lambda: link.connected)
            link.tell(b"nobody knows what it is about")
            link.send(programme.init, Entry.INIT)
            link.tell(b"now")
            (picture,) = push(link, programme, 1)
            assert [await got.get() for _ in range(3)] == [programme.init, b"now", picture]
            assert (link.sent, link.dropped) == (2, 0)
            assert len(link.held()) == 3
            assert link.held() == []


async def test_a_taken_port_is_named():
    async with edge_with_intake() as (_, address):
        with pytest.raises(StartError, match=address):
            async with edge_with_intake(address):
                pass

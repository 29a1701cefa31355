"""RTMP ingest from publishers that misbehave, have bad luck, or are no publishers at all."""

import asyncio
import logging
import socket

import pytest

from ngage.errors import StartError
from ngage.video import units
from ngage.video.rtmp import complaints, publisher
from ngage.video.rtmp.access import StreamKeys
from ngage.video.rtmp.connection import Timing
from ngage.video.rtmp.server import RtmpServer
from tests.helpers.ingest import NEVER, Client, Ingest
from tests.helpers.media import AAC_CONFIG, AVCC, IDR, SLICE, audio_tag, sample, video_tag
from tests.helpers.rtmp import Peer
from tests.helpers.wait import eventually

SUCCESS, BAD_NAME = "NetConnection.Connect.Success", "NetStream.Publish.BadName"
FAILED = "NetStream.Failed"
BEGUN = video_tag(0, AVCC), audio_tag(0, AAC_CONFIG), video_tag(1, sample(IDR))


async def test_a_publisher_that_drops_may_come_back():
    async with Ingest() as ingest:
        for _ in range(2):
            async with Client(ingest) as client:
                await client.publish()
                client.peer.video(0, BEGUN[0]).audio(0, BEGUN[1]).video(0, BEGUN[2])
                await client.send()
                await eventually(lambda: len(ingest.publications[-1]) == 3, "three units")
        reasons = await ingest.ended(2)
    assert all(reason in ("the peer has gone", "the connection was lost") for reason in reasons)
    first, second = ingest.publications
    assert first[:3] == second[:3]


async def test_a_silent_publisher_is_replaced():
    timing = Timing(NEVER, dead_seconds=0.0, idle_seconds=NEVER)
    async with Ingest(timing) as ingest, Client(ingest) as first, Client(ingest) as second:
        await first.publish()
        await second.publish()
        await first.hear(FAILED)
        assert await ingest.ended() == ["silent, and another publisher has taken over"]
        second.peer.video(0, BEGUN[0])
        await second.send()
        await eventually(
            lambda: [len(given) for given in ingest.publications] == [1, 1], "a unit of the second"
        )


async def test_consumers_of_a_stream_run_one_after_the_other():
    may_end, course = asyncio.Event(), []

    async def consume(publisher):
        course.append("begins")
        async for unit in publisher:
            if isinstance(unit, units.Ended):
                await may_end.wait()
        course.append("ends")

    ingest = Ingest(consume=consume)
    async with ingest, Client(ingest) as first, Client(ingest) as second:
        await first.publish()
        first.peer.command("closeStream", 7, ("null",), stream=1)
        await first.hear_out()
        await second.publish()
        second.peer.command("closeStream", 7, ("null",), stream=1)
        await second.hear_out()
        assert course == ["begins"]
        may_end.set()
        await eventually(lambda: len(course) == 4, "the second consumer")
    assert course == ["begins", "ends", "begins", "ends"]


async def test_a_publisher_that_stays_silent_is_ended():
    async with Ingest(Timing(NEVER, NEVER, idle_seconds=0.05)) as ingest, Client(ingest) as client:
        await client.publish()
        await client.hear(FAILED)
        assert await ingest.ended() == ["silent for 0.05 s"]


async def test_who_never_publishes_is_closed(caplog):
    async with Ingest(Timing(publish_seconds=0.05)) as ingest, Client(ingest) as client:
        client.peer.shake_hands().connect()
        await client.hear_out()
    assert client.peer.codes() == [SUCCESS, FAILED]
    assert "nothing is published after 0.05 s" in caplog.text


async def test_the_reason_arrives_though_the_publisher_goes_on_sending():
    """A socket closed with unread input would be reset, and the reason lost."""
    async with Ingest() as ingest, Client(ingest) as client:
        client.peer.open(key="wrong")
        client.peer.sent += bytes(4 << 20)
        await client.hear_out()
    assert client.peer.codes() == [SUCCESS, BAD_NAME]


async def test_garbage_is_closed_at_once_and_logged_in_a_few_lines(caplog):
    async with Ingest() as ingest:
        for _ in range(20):
            async with Client(ingest) as client:
                client.peer.sent = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                await client.hear_out()
                assert client.peer.heard == b""
    assert len(caplog.messages) == complaints.LINES_MAX
    assert "not RTMP: it begins with the byte 0x47" in caplog.messages[0]


async def test_a_port_probe_is_not_worth_a_line(caplog):
    async with Ingest() as ingest, Client(ingest) as client:
        client.writer.write_eof()
        await client.hear_out()
    assert caplog.messages == []


async def test_connections_are_counted(caplog):
    async with Ingest(connections_max=1) as ingest, Client(ingest) as first:
        await first.publish()
        async with Client(ingest) as second:
            await second.hear_out()
            assert second.peer.heard == b""
        assert "1 are connected already" in caplog.text
        first.peer.video(0, BEGUN[0])
        await first.send()
        await eventually(lambda: ingest.publications[0], "a unit of the first")


async def test_a_slow_consumer_slows_its_publisher_down_and_nothing_is_lost():
    may_go_on, given, publishers = asyncio.Event(), [], []

    async def consume(publisher):
        publishers.append(publisher)
        await may_go_on.wait()
        async for unit in publisher:
            given.append(unit)

    ingest = Ingest(consume=consume)
    picture = sample(SLICE + bytes(100_000))
    async with ingest, Client(ingest) as client:
        await client.publish()
        client.peer.writer.size = 1 << 20
        client.peer.sent += Peer().message(2, 1, (1 << 20).to_bytes(4, "big"), stream=0).take()
        client.peer.video(0, BEGUN[0])
        for number in range(400):
            client.peer.video(number, video_tag(1, picture))
        client.peer.command("closeStream", 7, ("null",), stream=1)
        sending = asyncio.create_task(client.send())
        await eventually(lambda: publishers and publishers[0]._paused, "the pause")
        held = publishers[0]._queued_bytes
        assert held < publisher.QUEUE_BYTES_MAX + (1 << 20)
        assert not sending.done()
        may_go_on.set()
        await sending
        await eventually(lambda: given and isinstance(given[-1], units.Ended), "the end")
    assert [unit.dts for unit in given[1:-1]] == [number * 90 for number in range(400)]
    assert {unit.sample for unit in given[1:-1]} == {picture}


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "fails"])
async def test_a_publication_ends_with_its_consumer(fails, caplog):
    async def consume(publisher):
        if fails:
            raise ValueError("of the consumer")

    ingest = Ingest(consume=consume)
    async with ingest, Client(ingest) as client:
        await client.publish()
        await client.hear_out()
    assert client.peer.codes()[-1] == FAILED
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failures) == fails


async def test_the_consumer_may_end_a_publication():
    async with Ingest() as ingest, Client(ingest) as client:
        await client.publish()
        await eventually(lambda: ingest.publishers, "the publication")
        ingest.publishers[0].close("the event is over")
        await client.hear_out()
        assert await ingest.ended() == ["the event is over"]
    assert client.peer.commands()[-1][3]["description"] == "the event is over"


async def test_a_server_that_stops_says_so_to_both_sides():
    async with Client(ingest := await Ingest().__aenter__()) as client:
        await client.publish()
        stopping = asyncio.create_task(ingest.__aexit__(None, None, None))
        await client.hear_out()
        client.writer.close()
        await stopping
    assert client.peer.commands()[-1][3]["description"] == "the server stops"
    assert await ingest.ended() == ["the server stops"]


async def test_a_consumer_that_hangs_is_cancelled_when_the_server_stops():
    cancelled = asyncio.Event()

    async def consume(publisher):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    ingest = Ingest(Timing(linger_seconds=0.05), consume)
    async with ingest, Client(ingest) as client:
        await client.publish()
        await eventually(lambda: ingest.server._tasks, "the consumer")
    assert cancelled.is_set()


async def test_an_address_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = RtmpServer(*taken.getsockname(), StreamKeys("live", {}), Ingest().consume)
        with pytest.raises(StartError, match="RTMP cannot listen at 127"):
            await server.__aenter__()

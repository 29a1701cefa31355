"""The queue between a socket and its consumer."""

import asyncio

import pytest

from ngage.video.rtmp.publisher import QUEUE_BYTES_MAX, Publisher
from ngage.video.units import AudioUnit, Ended


class Socket:
    def __init__(self):
        self.calls = []
        self.publisher = Publisher(
            *("live", "main", "192.0.2.1:5"),
            pause=lambda: self.calls.append("pause"),
            resume=lambda: self.calls.append("resume"),
            close=self.calls.append,
        )


def unit(size, number=0):
    return AudioUnit(0, number, bytes(size))


async def test_units_come_in_order_with_their_times_and_end():
    publisher = Socket().publisher
    publisher.put([unit(1, 1), unit(1, 2)], 1000)
    publisher.put([unit(1, 3)], 2000)
    publisher.end("over", 3000)
    publisher.end("over again", 4000)
    seen = [(item, publisher.t_in_us) async for item in publisher]
    assert seen == [
        (unit(1, 1), 1000),
        (unit(1, 2), 1000),
        (unit(1, 3), 2000),
        (Ended("over"), 3000),
    ]
    with pytest.raises(StopAsyncIteration):
        await anext(publisher)


async def test_a_consumer_that_waits_is_woken():
    publisher = Socket().publisher
    waiting = asyncio.create_task(anext(publisher))
    await asyncio.sleep(0)
    assert not waiting.done()
    publisher.put([unit(1)], 5)
    assert await waiting == unit(1)


async def test_the_socket_is_paused_when_full_and_resumed_half_empty():
    socket = Socket()
    publisher = socket.publisher
    quarter = QUEUE_BYTES_MAX // 4
    for _ in range(4):
        publisher.put([unit(quarter)], 0)
    assert socket.calls == ["pause"]
    publisher.put([unit(quarter)], 0)
    assert socket.calls == ["pause"]
    for _ in range(3):
        await anext(publisher)
    assert socket.calls == ["pause"]
    await anext(publisher)
    assert socket.calls == ["pause", "resume"]


async def test_small_units_count_as_well():
    socket = Socket()
    socket.publisher.put([unit(0)] * (QUEUE_BYTES_MAX // 256), 0)
    assert socket.calls == []
    socket.publisher.put([unit(0)], 0)
    assert socket.calls == ["pause"]


async def test_closing_is_passed_on():
    socket = Socket()
    socket.publisher.close("enough")
    assert socket.calls == ["enough"]

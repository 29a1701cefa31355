"""A server of RTMP ingest that remembers what it was given, and a raw publisher for it."""

import asyncio
import contextlib

from ngage.video import units
from ngage.video.rtmp.access import StreamKeys
from ngage.video.rtmp.connection import Timing
from ngage.video.rtmp.server import RtmpServer
from tests.helpers.rtmp import Peer
from tests.helpers.wait import eventually

START = "NetStream.Publish.Start"
# What must not happen before a test has ended.
NEVER = 600.0
PATIENT = Timing(NEVER, NEVER, NEVER, linger_seconds=20.0)


class Ingest:
    """A server, and what its consumers were given: a list for each publication."""

    def __init__(self, timing=PATIENT, consume=None, **options):
        self.publications = []
        self.publishers = []
        keys = StreamKeys("live", {"main": "secret", "second": "other"})
        consume = consume or self.consume
        self.server = RtmpServer("127.0.0.1", 0, keys, consume, timing=timing, **options)

    async def __aenter__(self):
        await self.server.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.server.__aexit__(*error)

    async def consume(self, publisher):
        self.publishers.append(publisher)
        given = []
        self.publications.append(given)
        async for unit in publisher:
            given.append(unit)

    def url(self, path="live/secret"):
        return f"rtmp://127.0.0.1:{self.server.address[1]}/{path}"

    async def ended(self, count=1):
        """The reasons, once so many publications have ended."""

        def reasons():
            last = [given[-1] for given in self.publications if given]
            return [unit.reason for unit in last if isinstance(unit, units.Ended)]

        await eventually(lambda: len(reasons()) == count, "the end of a publication")
        return reasons()


class Client:
    """A raw publisher."""

    def __init__(self, ingest):
        self.peer, self._ingest = Peer(), ingest

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(*self._ingest.server.address)
        return self

    async def __aexit__(self, *error):
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def send(self):
        if sent := self.peer.take():
            self.writer.write(sent)
            await self.writer.drain()

    async def hear(self, code):
        """Read until an answer has this code."""
        await self.send()
        while code not in self.peer.codes():
            data = await self.reader.read(65536)
            assert data, f"closed before {code}, after {self.peer.codes()}"
            self.peer.hears(data)

    async def hear_out(self):
        """Read until the server closes."""
        await self.send()
        with contextlib.suppress(ConnectionResetError):
            self.peer.hears(await self.reader.read())

    async def publish(self, key="secret"):
        self.peer.open(key=key)
        await self.hear(START)

"""A publisher without a network in front of a Carried, and what came of it."""

import asyncio

from ngage.studio.carried import Carried
from ngage.video import message
from ngage.video.message import Type


class Show:
    """A Carried, and the messages that came of it."""

    def __init__(self, wishes=()):
        self.carried = Carried(wishes)
        self.carried.begin()
        self._parts = self.carried.parts()
        self.messages = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.carried.close()

    async def take(self, *units):
        for unit in units:
            await self.carried.take(unit, 7)

    async def until(self, wanted):
        """The messages from the last one that was asked for to the first that is `wanted`."""
        begun = len(self.messages)
        while not any(map(wanted, self.messages[begun:])):
            parts = await asyncio.wait_for(anext(self._parts), 20)
            self.messages += [message.parse(part.data) for part in parts]
        return self.messages[begun:]

    async def inits(self, count):
        """What the first INITs say, once there are so many."""

        def seen():
            return [m for m in self.messages if m.type is Type.INIT]

        while len(seen()) < count:
            await self.until(lambda m: m.type is Type.INIT)
        return [message.parse_tracks(m.payload)[0] for m in seen()]


def video_ids(about):
    return [track["id"] for track in about["tracks"] if track["kind"] == "video"]

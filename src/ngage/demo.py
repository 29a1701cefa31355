"""The demo: a live picture in a `keyframe` channel, and an event around it with an open poll."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ngage.interaction.events import Events
from ngage.interaction.model import Event, Phase, Poll
from ngage.video import VideoUnavailable, open_programme
from ngage.video.channel import REPORT_SECONDS, VideoChannel

if TYPE_CHECKING:
    from ngage.api import Edge
    from ngage.video.programme import Programme

CHANNEL = "demo:video"
HOST = "the demonstration"


EVENT = "demo"
POLL = Poll(
    id=0,
    event=EVENT,
    title="Which colour shall the next light have?",
    choices=("Amber", "Magenta", "Cyan", "Surprise me"),
)


async def prepare(events: Events) -> None:
    """Have the event there, live and with a poll that is open; one that is there stays."""
    if any(event.id == EVENT for event in events.all()):
        return
    draft = Event(number=0, id=EVENT, title="The ngage demonstration", video=CHANNEL)
    await events.create(draft, HOST)
    event = await events.move(EVENT, Phase.LIVE, HOST)
    poll = await events.polls.create(event, POLL, HOST)
    await events.polls.open(event, poll.id, None, HOST)


async def run(edge: "Edge", file: Path | None, log: logging.Logger) -> None:
    """Publish until cancelled; `file` instead of the test picture."""
    show = _Show(edge)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(show.report())
        tasks.create_task(show.play(file, log))


class _Show:
    def __init__(self, edge: "Edge") -> None:
        self._video = VideoChannel(edge, CHANNEL)
        self._dropped = 0
        self._notice = ""

    async def report(self) -> None:
        while True:
            self._video.report(dropped=self._dropped, notice=self._notice)
            await asyncio.sleep(REPORT_SECONDS)

    async def play(self, file: Path | None, log: logging.Logger) -> None:
        """Publish the programme; where none can be had, say so once and let the rest run."""
        try:
            await self._publish(await asyncio.to_thread(open_programme, file))
        except VideoUnavailable as error:
            self._notice = f"no picture: {error}"
            log.warning(self._notice)
            self._video.abandon()

    async def _publish(self, programme: "Programme") -> None:
        from ngage.video.source import Source  # noqa: PLC0415, once PyAV is known to be there

        async with Source(programme) as source:
            async for parts in source:
                for part in parts:
                    self._video.accept(part.data)
                self._dropped = source.dropped

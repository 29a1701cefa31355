"""One run of a studio: a source, the links to the edges, and a report now and then."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from ngage.errors import NgageError
from ngage.studio.clock import CLOCK_SECONDS, Clock
from ngage.studio.link import Link
from ngage.studio.report import Report
from ngage.studio.sources import Feed
from ngage.video import message
from ngage.video.entry import Entries, Entry

log = logging.getLogger(__name__)


async def run(
    feed: Feed, links: Sequence[Link], report_seconds: float, ready: Callable[[str], None]
) -> None:
    """Until the source ends. Raises NgageError if that breaks, or an edge refuses for good.

    `ready` is told the address of the source once it can be used. report_seconds: 0 for none.
    """
    report, clock = Report(feed, links), Clock()
    try:
        async with feed, asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(link.run()) for link in links]
            beside.append(tasks.create_task(_tell_edges(clock, feed, links)))
            if report_seconds:
                beside.append(tasks.create_task(_tell(report, report_seconds)))
            ready(feed.address)
            await _show(feed, links, report, clock)
            for task in beside:
                task.cancel()
    except* NgageError as errors:
        raise errors.exceptions[0] from None


async def _show(feed: Feed, links: Sequence[Link], report: Report, clock: Clock) -> None:
    entries = Entries()
    async for parts in feed.parts():
        for part in parts:
            entry = entries.see(message.parse(part.data))
            seconds = time.time_ns() / 1e9 - part.t_in_us / 1e6
            report.made(part, entry, seconds)
            if entry is not Entry.INIT:
                clock.made(seconds)
            for link in links:
                link.send(part.data, entry)


async def _tell_edges(clock: Clock, feed: Feed, links: Sequence[Link]) -> None:
    while True:
        await asyncio.sleep(CLOCK_SECONDS)
        data = clock.message(feed.dropped)
        for link in links:
            link.tell(data)


async def _tell(report: Report, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        log.info("%s", report.line())

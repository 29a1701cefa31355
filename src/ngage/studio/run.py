"""One run of a studio: a source, the links to the edges, and a report now and then."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from ngage.errors import NgageError
from ngage.studio.link import Link
from ngage.studio.report import Report
from ngage.studio.sources import Feed
from ngage.video import message
from ngage.video.entry import Entries

log = logging.getLogger(__name__)


async def run(
    feed: Feed, links: Sequence[Link], report_seconds: float, ready: Callable[[str], None]
) -> None:
    """Until the source ends. Raises NgageError if that breaks, or an edge refuses for good.

    `ready` is told the address of the source once it can be used. report_seconds: 0 for none.
    """
    report = Report(feed, links)
    try:
        async with feed, asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(link.run()) for link in links]
            if report_seconds:
                beside.append(tasks.create_task(_tell(report, report_seconds)))
            ready(feed.address)
            await _show(feed, links, report)
            for task in beside:
                task.cancel()
    except* NgageError as errors:
        raise errors.exceptions[0] from None


async def _show(feed: Feed, links: Sequence[Link], report: Report) -> None:
    entries = Entries()
    async for parts in feed.parts():
        for part in parts:
            entry = entries.see(message.parse(part.data))
            report.made(part, entry)
            for link in links:
                link.send(part.data, entry)


async def _tell(report: Report, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        log.info("%s", report.line())

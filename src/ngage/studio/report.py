"""What a studio did in the last seconds, as a line for people."""

import statistics
import time
from collections.abc import Sequence

from ngage.studio.link import Link
from ngage.studio.sources import Feed
from ngage.video.entry import Entry
from ngage.video.packager import Part
from ngage.video.stages import Stages

MADE = "made"


class Report:
    """Told of every part; line() says what came together since it was last asked."""

    def __init__(self, feed: Feed, links: Sequence[Link]) -> None:
        self._feed = feed
        self._links = links
        self._begin()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._stages = Stages()
        self._bytes = self._syncs = self._messages = 0

    def made(self, part: Part, entry: Entry, seconds: float) -> None:
        """A part has come into being; seconds: how long after it entered, if it is media."""
        self._bytes += len(part.data)
        self._syncs += entry is Entry.SYNC
        if entry is not Entry.INIT:
            self._messages += 1
            self._stages.add(MADE, seconds)

    def line(self) -> str:
        """Messages and bits a second; delay from entering to message, and of each stage of it; how
        much of its time the encoder needs; what was dropped where, and how long links held it."""
        seconds = time.monotonic() - self._since
        made = _percentiles(self._stages.take().get(MADE, ()))
        text = (
            f"{self._messages / seconds:.0f} messages/s, {self._syncs} sync points, "
            f"{self._bytes * 8 / 1000 / seconds:.0f} kbit/s, made in {made}, "
            f"{self._feed.dropped} dropped at the source"
        )
        self._begin()
        work = [
            f"{stage} {_percentiles(seconds)}"
            for stage, seconds in self._feed.stages.take().items()
        ]
        if self._feed.load is not None:
            work.append(f"encoder {100 * self._feed.load:.0f} % busy")
        texts = (text, ", ".join(work), *(_state(link) for link in self._links))
        return "; ".join(filter(None, texts))


def _percentiles(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "-"
    cuts = statistics.quantiles(seconds, n=20)
    return f"{1000 * statistics.median(seconds):.1f} ms (95 %: {1000 * cuts[-1]:.1f} ms)"


def _state(link: Link) -> str:
    state = "connected" if link.connected else "away"
    held = _percentiles(link.held())
    return f"{link.edge} {state}, {link.sent} sent, {link.dropped} dropped, held {held}"

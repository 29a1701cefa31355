"""A channel that carries `ngage.video.v1`: whatever makes the messages, they enter here.

INIT becomes the preamble, so that every viewer has it first. Sync points are where viewers start,
and where the slow ones go on, perhaps on a lower rung of the ladder. Whoever cannot play messages
has the same as HLS, at /hls/NAME/live.m3u8. Beside it, `NAME:info` tells the page how the channel
is doing.
"""

import json
import time
from typing import TYPE_CHECKING, Any

from ngage.video import message
from ngage.video.cues import Cues
from ngage.video.delays import Delays
from ngage.video.entry import Entries, Entry
from ngage.video.hls import Hls
from ngage.video.ladder import Ladder

if TYPE_CHECKING:
    from ngage.api import Edge
    from ngage.channel import Channel

# Where a studio publishes and a page looks, unless told otherwise.
LIVE_CHANNEL = "live"
# Where studios push messages to an edge: this, and the channel's name.
STUDIO_PATH = "/studio/"

INFO_TICK_MS = 500
REPORT_SECONDS = 1.0


class VideoChannel:
    """The channel `name` of an edge, made if it is new. Raises ChannelError."""

    def __init__(self, edge: "Edge", name: str) -> None:
        self._ladder = Ladder(edge, name)
        self._hls = Hls(edge, f"/hls/{name}")
        self._info: Channel = edge.channel(f"{name}:info", lag="latest", tick_ms=INFO_TICK_MS)
        self.delays = Delays()
        self._cues = Cues()
        edge.channels[name].owner = self
        self.begin()

    def begin(self) -> None:
        """Another source, which describes what it sends before it sends it."""
        self._entries = Entries()
        self.delays.begin()
        self._cues.begin()

    def accept(self, data: bytes) -> None:
        """One message of the source, in order. Raises ValueError, also for media before INIT."""
        media = message.parse(data)
        if media.type is message.Type.CLOCK:
            self.delays.clock(media)
            return
        entry = self._entries.see(media)
        if entry is Entry.INIT:
            self._ladder.describe(data, media)
        else:
            self._ladder.publish(data, media, sync=entry is Entry.SYNC)
            self.delays.published(media, time.time_ns() // 1000)
        self._cues.see(media)
        self._hls.take(media)

    def cue(self, data: Any, at_us: int | None = None) -> int:
        """Publish what players show with the picture of a moment, by default the newest; its pts.

        `data` is any JSON value, 64 KiB at most. Raises PublicationError, also for a moment more
        than a minute ahead and while there is no picture.
        """
        made = self._cues.make(data, at_us, time.time_ns() // 1000)
        self.accept(message.pack(made))
        return made.pts_us

    def abandon(self) -> None:
        """No picture will come: nobody need wait for it."""
        self._hls.withdraw()

    def report(self, *, dropped: int = 0, notice: str = "") -> None:
        """Tell the page: viewers; ms from entering to publication since the last report, and where
        they went; frames the source dropped; a notice if there is no picture."""
        stages = self.delays.medians()
        about = {
            "viewers": self._ladder.viewers,
            "delay_ms": stages.pop("edge"),
            "stages": stages,
            "dropped": dropped + self.delays.dropped,
            "notice": notice,
        }
        self._info.publish(json.dumps(about))

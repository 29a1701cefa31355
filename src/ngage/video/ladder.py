"""The rungs of a video channel: a channel for each rendition, and the last for sound alone.

`NAME` is the highest, `NAME@1` and so on are below it. Each has the same INIT, the same sound and
the picture of its track; the core moves a viewer from one to another where key frames of the same
time begin. Where the last rung has no picture, an empty message says so. A track that is gone is
stood in for by the next lower one, so that nobody is left on a rung where nothing comes.

Each rung can be had at the pace of a class of viewers: `NAME~rt` at once, `NAME~live` and
`NAME~eco` in fewer and larger sends, which is what a host can save on.
"""

from typing import TYPE_CHECKING
from zlib import crc32

from ngage.video.message import (
    RENDITION_AUDIO,
    RENDITION_SOUND_ONLY,
    Flag,
    Message,
    Type,
    pack,
    parse_tracks,
)

if TYPE_CHECKING:
    from ngage.api import Edge
    from ngage.channel import Channel

# 30 pictures and 47 sound frames a second: 6 s, which is six groups of pictures of one second.
HISTORY = 512
RING_BYTES = 8 << 20
# A picture that is later is worth less than the next key frame.
LAG_MS = 400
# With the sound alone, as many rungs as the core's ladders have.
PICTURES_MAX = 15
# Milliseconds between sends, by class.
CLASSES = {"rt": 0, "live": 100, "eco": 500}


class Ladder:
    """The channels of one video, made as INITs ask for them. Raises ChannelError."""

    def __init__(self, edge: "Edge", name: str) -> None:
        self._edge = edge
        self._name = name
        self._rungs = [self._channel(0)]
        self._timeline = 0
        self._pictures: list[int] = []  # the tracks, from the highest
        self._tracks: list[int | None] = []  # of each rung the one it carries
        self._shown: list[int | None] = [None]  # of each rung the track that has begun
        self._sound_alone = False  # there is a rung for it, once there was sound with a picture
        self._marks = 0

    @property
    def viewers(self) -> int:
        """Of all rungs and classes."""
        return self._rungs[0].subscribers

    def describe(self, data: bytes, media: Message) -> None:
        """An INIT. Raises ValueError for what is none."""
        about, _ = parse_tracks(media.payload)
        tracks = about["tracks"]
        self._timeline = crc32(str(about["timeline"]).encode())
        pictures = sorted(track["id"] for track in tracks if track["kind"] == "video")
        self._pictures = pictures[:PICTURES_MAX]
        before = len(self._rungs), self._sound_alone
        self._sound_alone |= 0 < len(pictures) < len(tracks)
        wanted = max(1, len(self._pictures) + self._sound_alone)
        self._rungs += [self._channel(rung) for rung in range(len(self._rungs), wanted)]
        self._shown += [None] * (len(self._rungs) - len(self._shown))
        if before != (len(self._rungs), self._sound_alone):
            self._edge.ladder(self._rungs, last_resort=self._sound_alone)
        self._tracks = [self._track_of(rung) for rung in range(len(self._rungs))]
        for channel in self._rungs:
            channel.preamble(data)

    def publish(self, data: bytes, media: Message, *, sync: bool) -> None:
        """One message after it. sync: it is a sync point of the highest rung."""
        if media.rendition >= RENDITION_AUDIO:
            # Sound by itself has sync points of its own.
            for channel in self._rungs:
                channel.publish(data, sync and not self._pictures, independent=True)
            return
        group = self._timeline << 32 | media.pts_us & 0xFFFFFFFF
        for rung, track in enumerate(self._tracks):
            if track == media.rendition:
                self._show(rung, self._rungs[rung], data, media, group)
        if sync and self._sound_alone:
            self._rungs[-1].publish(self._no_picture(media), sync=True, group=group)

    def _track_of(self, rung: int) -> int | None:
        """The lowest rung of several has no picture."""
        if not self._pictures or (self._sound_alone and rung == len(self._rungs) - 1):
            return None
        return min((t for t in self._pictures if t >= rung), default=self._pictures[-1])

    def _show(self, rung: int, channel: "Channel", data: bytes, media: Message, group: int) -> None:
        key = Flag.KEY in media.flags
        if key:
            self._shown[rung] = media.rendition
        if self._shown[rung] == media.rendition:
            channel.publish(data, sync=key, group=group if key else 0)

    def _no_picture(self, key: Message) -> bytes:
        self._marks += 1
        mark = (Type.MEDIA, RENDITION_SOUND_ONLY, Flag.KEY, self._marks, key.pts_us, key.t_in_us)
        return pack(Message(*mark, b""))

    def _channel(self, rung: int) -> "Channel":
        name = f"{self._name}@{rung}" if rung else self._name
        channel = self._edge.channel(
            name,
            lag="keyframe",
            lag_ms=LAG_MS,
            history=HISTORY,
            ring_bytes=RING_BYTES,
            deflate=False,
        )
        for kind, tick_ms in CLASSES.items():
            channel.view(f"{name}~{kind}", tick_ms)
        return channel

"""What is shown, and when on the timeline: samples of encoders and publishers, not yet numbered.

Times are ticks of 1/90000 s on the timeline that viewers see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ngage.video import mp4
from ngage.video.packager import VideoTrack


class Tracks(NamedTuple):
    """What follows, videos by rendition; it comes first, and again where it has changed."""

    videos: Mapping[int, VideoTrack]
    audio: mp4.Audio | None


class Picture(NamedTuple):
    """A sample as MP4 has it: decode time, duration, composition offset; Unix time it entered."""

    rendition: int
    time: int
    duration: int
    offset: int
    key: bool
    sample: bytes
    t_in_us: int

    @property
    def pts(self) -> int:
        return self.time + self.offset


class Sound(NamedTuple):
    """One AAC frame, whose first sample is number `position`."""

    position: int
    sample: bytes
    t_in_us: int


@dataclass(frozen=True)
class Lost:
    """Time was lost: what follows begins with key frames, at a later time."""


Placed: TypeAlias = Tracks | Picture | Sound | Lost

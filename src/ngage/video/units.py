"""What an ingest hands to the packager: access units without container, codec or transport.

Times are ticks of 1/90000 s on the publisher's clock. They may be negative, jump or go back, for
they are what the publisher sent (unwrapped, see `ngage.video.flv`): a packager that wants a
continuous timeline makes one.

`track` is the id of an Enhanced-RTMP track; 0 is the default one, and the only one of a publisher
that sends no multitrack. Video and audio are numbered apart.

A config comes before the first unit of its track, and again where it has changed.
"""

from typing import NamedTuple, TypeAlias

TICKS_PER_SECOND = 90_000


class VideoConfig(NamedTuple):
    """H.264: `avcc` is the decoder configuration record (14496-15, 5.3.3.1), lengths of 4 bytes."""

    track: int
    avcc: bytes
    width: int
    height: int


class AudioConfig(NamedTuple):
    """AAC: `config` is the AudioSpecificConfig (14496-3, 1.6.2.1).

    A unit is 1024 samples at `sample_rate` Hz, which for HE-AAC is the rate of its core.
    """

    track: int
    config: bytes
    sample_rate: int
    channels: int


class VideoUnit(NamedTuple):
    """One access unit: NAL units with 4-byte lengths; no SPS, PPS, delimiter or filler among them.

    Presentation is at dts + cts; cts is not 0 where there are B-frames. `key` says that it is an
    IDR picture: a decoder may begin here, and nothing later refers to what was before.
    """

    track: int
    dts: int
    cts: int
    key: bool
    sample: bytes


class AudioUnit(NamedTuple):
    """One raw AAC frame. RTMP rounds times to 1 ms: count samples where no unit is missing."""

    track: int
    dts: int
    sample: bytes


class Metadata(NamedTuple):
    """What the publisher says of itself in onMetaData, each None where it does not. A hint."""

    fps: float | None
    width: int | None
    height: int | None
    encoder: str | None


class Ended(NamedTuple):
    """Always the last: why nothing more comes, in one line for people."""

    reason: str


Unit: TypeAlias = VideoConfig | AudioConfig | VideoUnit | AudioUnit | Metadata | Ended

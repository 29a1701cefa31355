"""What publishers send, one after the other, as one programme of media messages; nothing decoded.

A publisher names its tracks before it sends them. Where only one is named, the other gets half a
second to appear, for a player cannot add a track later; what comes meanwhile is held.
"""

from itertools import chain
from typing import NamedTuple

from ngage.video import mp4
from ngage.video.message import RENDITION_VIDEO
from ngage.video.packager import AUDIO_FRAME_SAMPLES, Packager, Part, VideoTrack
from ngage.video.timeline import Grid, Timeline
from ngage.video.units import (
    TICKS_PER_SECOND,
    AudioConfig,
    AudioUnit,
    Ended,
    Metadata,
    Unit,
    VideoConfig,
    VideoUnit,
)

HOLD_TICKS = TICKS_PER_SECOND // 2
HELD_UNITS_MAX = 256

TRACK = 0  # of the renditions a publisher may send, the one that is carried
FPS_MIN, FPS_MAX = 1, 240

_FIRST_FPS = 30
_VIDEO_ROUNDING_TICKS = 2 * TICKS_PER_SECOND // 1000
# As long as an AAC frame at 48 kHz: stamps in milliseconds wander by less, a lost frame by more.
_AUDIO_ROUNDING_SECONDS = 0.02


class _Arrived(NamedTuple):
    """A unit, and when it came: on our timeline's clock, in Unix time."""

    unit: VideoUnit | AudioUnit
    now: int
    t_in_us: int


class Passthrough:
    """Units in, parts out. `dropped` counts what came too late, and what no key frame preceded."""

    def __init__(self) -> None:
        self._packager = Packager()
        self._timeline = Timeline()
        self._pictures = Grid(TICKS_PER_SECOND / _FIRST_FPS, _VIDEO_ROUNDING_TICKS, adapts=True)
        self._sounds = Grid(AUDIO_FRAME_SAMPLES, 0)
        self._video: VideoConfig | None = None
        self._audio: AudioConfig | None = None
        self._described = False
        self._held: list[_Arrived] = []
        self._needs_key = True
        self.dropped = 0

    def begin(self) -> None:
        """Another publisher, or the same again: what is known of the last one is forgotten."""
        self._timeline.interrupt()
        self._video = self._audio = None
        self._described = False
        self._held.clear()
        self._needs_key = True

    def accept(self, unit: Unit, *, now: int, t_in_us: int) -> list[Part]:
        """now: our clock since the first publisher, in 1/90000 s. t_in_us: Unix time."""
        if isinstance(unit, Metadata):
            if unit.fps and FPS_MIN <= unit.fps <= FPS_MAX:
                self._pictures.step = TICKS_PER_SECOND / unit.fps
            return []
        if isinstance(unit, Ended):
            return []
        if unit.track != TRACK:
            self.dropped += isinstance(unit, VideoUnit | AudioUnit)
            return []
        if isinstance(unit, VideoConfig):
            return self._configure(unit, self._audio)
        if isinstance(unit, AudioConfig):
            return self._configure(self._video, unit)
        return self._receive(_Arrived(unit, now, t_in_us))

    def _receive(self, arrived: _Arrived) -> list[Part]:
        if self._described:
            return self._media(arrived)
        self._held.append(arrived)
        waited = arrived.now - self._held[0].now >= HOLD_TICKS
        return self._describe() if waited or len(self._held) == HELD_UNITS_MAX else []

    def _configure(self, video: VideoConfig | None, audio: AudioConfig | None) -> list[Part]:
        """Both at once, if it can be; later only what has changed."""
        changed = (video, audio) != (self._video, self._audio)
        if video != self._video:
            self._needs_key = True
        self._video, self._audio = video, audio
        return self._describe() if changed and (self._described or (video and audio)) else []

    def _describe(self) -> list[Part]:
        """INIT, then what was held for it."""
        videos = {}
        audio = None
        if self._video:
            fps = round(TICKS_PER_SECOND / self._pictures.step)
            about = {"width": self._video.width, "height": self._video.height, "fps": fps}
            videos[RENDITION_VIDEO] = VideoTrack(mp4.Video(self._video.avcc), about)
        if self._audio:
            audio = mp4.Audio(self._audio.config, self._audio.sample_rate, self._audio.channels)
            rounding = round(audio.sample_rate * _AUDIO_ROUNDING_SECONDS)
            self._sounds = Grid(AUDIO_FRAME_SAMPLES, rounding)
        held, self._held = self._held, []
        self._described = True
        init = self._packager.describe(videos, audio)
        return [init, *chain.from_iterable(self._media(arrived) for arrived in held)]

    def _media(self, arrived: _Arrived) -> list[Part]:
        due, lost = self._timeline.place(arrived.unit.dts, arrived.now)
        if lost:
            self._packager.interrupt()
            self._needs_key = True
        if isinstance(arrived.unit, VideoUnit):
            part = self._picture(arrived.unit, due, arrived.t_in_us)
        else:
            part = self._sound(arrived.unit, due, arrived.t_in_us)
        self.dropped += part is None
        return [part] if part else []

    def _picture(self, unit: VideoUnit, due: int, t_in_us: int) -> Part | None:
        if not self._video or (self._needs_key and not unit.key):
            return None
        time = self._pictures.place(due)
        if time is None:
            self._needs_key = True
            return None
        self._needs_key = False
        duration = round(self._pictures.step)
        self._timeline.reached(time + duration)
        return self._packager.picture(
            *(time, duration, unit.sample), key=unit.key, t_in_us=t_in_us, offset=unit.cts
        )

    def _sound(self, unit: AudioUnit, due: int, t_in_us: int) -> Part | None:
        if not self._audio:
            return None
        position = self._sounds.place(due * self._audio.sample_rate // TICKS_PER_SECOND)
        if position is None:
            return None
        end = position + AUDIO_FRAME_SAMPLES
        self._timeline.reached(end * TICKS_PER_SECOND // self._audio.sample_rate)
        return self._packager.sound(position, unit.sample, t_in_us=t_in_us)

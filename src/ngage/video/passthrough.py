"""What publishers send, one after the other, as one programme on our timeline; nothing decoded.

A publisher names its tracks before it sends them. Where only one is named, the other gets half a
second to appear, for a player cannot add a track later; what comes meanwhile is held. Of several
video tracks the highest is rendition 0.
"""

from itertools import chain
from typing import NamedTuple

from ngage.video import mp4
from ngage.video.packager import AUDIO_FRAME_SAMPLES, VideoTrack
from ngage.video.placed import Lost, Picture, Placed, Sound, Tracks
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

AUDIO_TRACK = 0  # of those a publisher may send, the one that is carried
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


class _Video:
    """One video track of the publisher: what it is, and where its pictures stand."""

    def __init__(self, config: VideoConfig, grid: Grid) -> None:
        self.config = config
        self.grid = grid
        self.needs_key = True
        self.rendition = 0

    def described(self) -> VideoTrack:
        fps = round(TICKS_PER_SECOND / self.grid.step)
        about = {"width": self.config.width, "height": self.config.height, "fps": fps}
        return VideoTrack(mp4.Video(self.config.avcc), about)


class Passthrough:
    """Units in, placed samples out. `dropped` counts what came too late, or needs a key frame."""

    def __init__(self) -> None:
        self._timeline = Timeline()
        self._grids: dict[int, Grid] = {}
        self._sounds = Grid(AUDIO_FRAME_SAMPLES, 0)
        self._first_step = TICKS_PER_SECOND / _FIRST_FPS
        self._videos: dict[int, _Video] = {}
        self._audio: AudioConfig | None = None
        self._described = False
        self._held: list[_Arrived] = []
        self.dropped = 0

    def begin(self) -> None:
        """Another publisher, or the same again: what is known of the last one is forgotten."""
        self._timeline.interrupt()
        self._videos.clear()
        self._audio = None
        self._described = False
        self._held.clear()

    def accept(self, unit: Unit, *, now: int, t_in_us: int) -> list[Placed]:
        """now: our clock since the first publisher, in 1/90000 s. t_in_us: Unix time."""
        match unit:
            case Metadata():
                self._hint(unit)
            case VideoConfig():
                return self._configure_video(unit)
            case AudioConfig(track=track) if track == AUDIO_TRACK:
                return self._configure_audio(unit)
            case VideoUnit():
                return self._receive(_Arrived(unit, now, t_in_us))
            case AudioUnit(track=track) if track == AUDIO_TRACK:
                return self._receive(_Arrived(unit, now, t_in_us))
            case AudioConfig() | AudioUnit() | Ended():
                pass
        return []

    def _hint(self, about: Metadata) -> None:
        if about.fps and FPS_MIN <= about.fps <= FPS_MAX:
            self._first_step = TICKS_PER_SECOND / about.fps
            for grid in self._grids.values():
                grid.step = self._first_step

    def _receive(self, arrived: _Arrived) -> list[Placed]:
        if self._described:
            return self._media(arrived)
        self._held.append(arrived)
        waited = arrived.now - self._held[0].now >= HOLD_TICKS
        return self._describe() if waited or len(self._held) == HELD_UNITS_MAX else []

    def _configure_video(self, config: VideoConfig) -> list[Placed]:
        known = self._videos.get(config.track)
        if known and known.config == config:
            return []
        self._videos[config.track] = _Video(config, self._grid(config.track))
        return self._configured()

    def _configure_audio(self, config: AudioConfig) -> list[Placed]:
        if self._audio == config:
            return []
        self._audio = config
        return self._configured()

    def _configured(self) -> list[Placed]:
        """Both at once, if it can be; later only what has changed."""
        ready = self._described or (self._videos and self._audio)
        return self._describe() if ready else []

    def _grid(self, track: int) -> Grid:
        """One for each track for good: pictures never go back, whoever publishes."""
        if track not in self._grids:
            self._grids[track] = Grid(self._first_step, _VIDEO_ROUNDING_TICKS, adapts=True)
        return self._grids[track]

    def _describe(self) -> list[Placed]:
        """The tracks, then what was held for them."""
        ranked = sorted(self._videos.items(), key=lambda item: (-item[1].config.height, item[0]))
        for rendition, (_, video) in enumerate(ranked):
            video.rendition = rendition
        audio = None
        if self._audio:
            audio = mp4.Audio(self._audio.config, self._audio.sample_rate, self._audio.channels)
            rounding = round(audio.sample_rate * _AUDIO_ROUNDING_SECONDS)
            self._sounds = Grid(AUDIO_FRAME_SAMPLES, rounding)
        held, self._held = self._held, []
        self._described = True
        tracks = Tracks({video.rendition: video.described() for _, video in ranked}, audio)
        return [tracks, *chain.from_iterable(self._media(arrived) for arrived in held)]

    def _media(self, arrived: _Arrived) -> list[Placed]:
        due, lost = self._timeline.place(arrived.unit.dts, arrived.now)
        if lost:
            for video in self._videos.values():
                video.needs_key = True
        placed: Picture | Sound | None
        if isinstance(arrived.unit, VideoUnit):
            placed = self._picture(arrived.unit, due, arrived.t_in_us)
        else:
            placed = self._sound(arrived.unit, due, arrived.t_in_us)
        self.dropped += placed is None
        return [*([Lost()] if lost else []), *([placed] if placed else [])]

    def _picture(self, unit: VideoUnit, due: int, t_in_us: int) -> Picture | None:
        video = self._videos.get(unit.track)
        if not video or (video.needs_key and not unit.key):
            return None
        time = video.grid.place(due)
        video.needs_key = time is None
        if time is None:
            return None
        duration = round(video.grid.step)
        self._timeline.reached(time + duration)
        return Picture(
            *(video.rendition, time, duration, unit.cts, unit.key, unit.sample), t_in_us=t_in_us
        )

    def _sound(self, unit: AudioUnit, due: int, t_in_us: int) -> Sound | None:
        if not self._audio:
            return None
        position = self._sounds.place(due * self._audio.sample_rate // TICKS_PER_SECOND)
        if position is None:
            return None
        end = position + AUDIO_FRAME_SAMPLES
        self._timeline.reached(end * TICKS_PER_SECOND // self._audio.sample_rate)
        return Sound(position, unit.sample, t_in_us=t_in_us)

"""What in a publisher's settings costs its viewers time, or is in vain, told once each."""

from collections.abc import Iterator

from ngage.video.units import TICKS_PER_SECOND, AudioConfig, Unit, VideoUnit

# A viewer who skips or joins waits for a key frame, and the channel holds six seconds.
GROUP_TICKS_MAX = 4 * TICKS_PER_SECOND

_B_FRAMES = "B-frames delay every picture: set them to 0 (x264: tune zerolatency)"
_SOUNDS = "of several sound tracks the first is carried, and no other"
_LONG_GROUPS = "key frames are more than 4 s apart: set the keyframe interval to 1 s"


class Advice:
    """Sees the units of one publication."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._key_dts: int | None = None

    def on(self, unit: Unit) -> Iterator[str]:
        """What is to be said now."""
        if isinstance(unit, AudioConfig) and unit.track:
            yield from self._once(_SOUNDS)
        if not isinstance(unit, VideoUnit):
            return
        if unit.cts:
            yield from self._once(_B_FRAMES)
        if self._key_dts is not None and unit.dts - self._key_dts > GROUP_TICKS_MAX:
            yield from self._once(_LONG_GROUPS)
        if unit.key:
            self._key_dts = unit.dts

    def _once(self, text: str) -> Iterator[str]:
        if text not in self._told:
            self._told.add(text)
            yield text

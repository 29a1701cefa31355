"""Pictures of several renditions and sound to messages, in the order that viewers rely on.

The key frames of one instant stand together, from rendition 0 down, for there a viewer may change
from one rendition to another. So the first of them waits for the others, with what follows it in
its rendition; everything else goes out as it comes. Rendition 0 leads: where it has a key frame
there may be others. It waits a moment at most, and for nobody who has not been heard since the last
key frame; a rendition that is late is left out until the next one.
"""

from collections.abc import Collection

from ngage.video.message import RENDITION_VIDEO
from ngage.video.packager import Packager, Part
from ngage.video.placed import Picture, Sound, Tracks
from ngage.video.units import TICKS_PER_SECOND

HOLD_TICKS_MAX = TICKS_PER_SECOND // 4
HELD_PICTURES_MAX = 64


class Assembly:
    """describe() comes first. `dropped` counts pictures of renditions that were late."""

    def __init__(self) -> None:
        self._packager = Packager()
        self._tracks = Tracks({}, None)
        self._wanted: frozenset[int] = frozenset()
        self._named: frozenset[int] = frozenset()
        # Each begins with its key frame, and waits for those of its instant.
        self._held: dict[int, list[Picture]] = {}
        self._needs_key: set[int] = set()
        self._heard: set[int] = set()
        self._opened = -1
        self.dropped = 0

    def describe(self, tracks: Tracks) -> list[Part]:
        """INIT of these tracks, all of which are expected. What waits goes out before it."""
        parts = self._flush()
        self._tracks = tracks
        self._wanted = frozenset(tracks.videos)
        self._needs_key = set(self._wanted) - {RENDITION_VIDEO}
        self._heard = set(self._wanted)
        return [*parts, self._init()]

    def choose(self, renditions: Collection[int]) -> list[Part]:
        """Which of them, beside rendition 0, there are from the next key frame on."""
        known = self._tracks.videos.keys()
        wanted = frozenset(known & {RENDITION_VIDEO, *renditions})
        back = wanted - self._wanted
        self._needs_key |= back
        self._heard |= back
        self._packager.interrupt(back)
        self._wanted = wanted
        for gone in self._held.keys() - wanted:
            self._leave_out(gone)
        return self._advance()

    def interrupt(self) -> list[Part]:
        """Time was lost in all tracks: rendition 0 goes on with a key frame."""
        parts = self._flush()
        self._needs_key = set(self._wanted) - {RENDITION_VIDEO}
        self._packager.interrupt()
        return parts

    def sound(self, sound: Sound) -> list[Part]:
        return [self._packager.sound(sound.position, sound.sample, t_in_us=sound.t_in_us)]

    def picture(self, picture: Picture) -> list[Part]:
        """What it completes; those of one rendition come in the order of decoding."""
        number = picture.rendition
        if number not in self._wanted:
            return []
        self._heard.add(number)
        if number in self._held:
            self._held[number].append(picture)
        elif picture.key and picture.pts > self._opened:
            self._held[number] = [picture]
        elif number in self._needs_key:
            self.dropped += 1
            return []
        else:
            return [self._pack(picture)]
        return self._advance()

    def _advance(self) -> list[Part]:
        """Open the instants that are complete, or cannot wait."""
        parts: list[Part] = []
        while RENDITION_VIDEO in self._held:
            leading = self._held[RENDITION_VIDEO]
            for number in self._held.keys() - {RENDITION_VIDEO}:
                self._skip_to(number, leading[0].pts)
            missing = (self._wanted & self._heard) - self._held.keys()
            if missing and not _is_overdue(leading):
                return parts
            parts += self._open(leading[0].pts)
        for number in [n for n, pictures in self._held.items() if _is_overdue(pictures)]:
            self._leave_out(number)
        return parts

    def _open(self, pts: int) -> list[Part]:
        """The key frames of this instant, then what has waited behind them."""
        parts = [] if self._wanted == self._named else [self._init()]
        ready = {n for n, pictures in self._held.items() if pictures[0].pts == pts}
        late = self._wanted - self._held.keys()
        self._needs_key = (self._needs_key - ready) | late
        self._packager.interrupt(late)
        self._heard = set(self._held)
        self._opened = pts
        behind: list[Picture] = []
        for number in sorted(ready):
            key, *others = self._held.pop(number)
            parts.append(self._pack(key))
            behind += others
        for picture in sorted(behind, key=lambda picture: picture.time):
            parts += self.picture(picture)
        return parts

    def _flush(self) -> list[Part]:
        """What waits, but for renditions that are not ready."""
        parts: list[Part] = []
        while RENDITION_VIDEO in self._held:
            parts += self._open(self._held[RENDITION_VIDEO][0].pts)
        for number in list(self._held):
            self._leave_out(number)
        return parts

    def _skip_to(self, number: int, pts: int) -> None:
        """A key frame before this instant was none of rendition 0: it waits in vain."""
        pictures = self._held[number]
        if pictures[0].pts < pts:
            self._leave_out(number)
            starts = (n for n, p in enumerate(pictures) if p.key and p.pts >= pts)
            if (start := next(starts, None)) is not None:
                self._held[number] = pictures[start:]
                self.dropped -= len(pictures) - start

    def _leave_out(self, number: int) -> None:
        self.dropped += len(self._held.pop(number))
        self._needs_key.add(number)
        self._packager.interrupt([number])

    def _init(self) -> Part:
        self._named = self._wanted
        videos = {n: track for n, track in self._tracks.videos.items() if n in self._wanted}
        return self._packager.describe(videos, self._tracks.audio)

    def _pack(self, picture: Picture) -> Part:
        return self._packager.picture(
            *(picture.time, picture.duration, picture.sample),
            key=picture.key,
            t_in_us=picture.t_in_us,
            offset=picture.offset,
            rendition=picture.rendition,
        )


def _is_overdue(pictures: list[Picture]) -> bool:
    waited = pictures[-1].time - pictures[0].time
    return waited > HOLD_TICKS_MAX or len(pictures) > HELD_PICTURES_MAX

"""Media messages in; HLS at an edge out.

Each track is a rendition of its own: the pictures are variants that share the sound, and the sound
alone is a variant too, for links that carry no picture (HLS authoring specification for Apple
devices). So the sound is kept, cached and sent once, whichever picture goes with it, and goes on
when a player takes another.
"""

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ngage.responses import PLAYLIST_TYPE
from ngage.video import message
from ngage.video.hls import boxes, playlist
from ngage.video.hls.chunk import Chunk, is_jump
from ngage.video.hls.playlist import Variant
from ngage.video.hls.rendition import (
    PART_US,
    PLAYLIST_HEADERS,
    SEGMENTS_KEPT,
    TARGET_US,
    WAIT_SECONDS,
    Host,
    Rendition,
)
from ngage.video.hls.schedule import Schedule
from ngage.video.message import Flag, Message, Type

__all__ = ["Hls", "Host"]

_TAG_BYTES = 6
# Averages are rounded up, so that they seldom change the multivariant playlist.
_AVERAGE_STEP_BPS = 10_000
# Who has sent no segment after so many slots keeps the others waiting no longer.
_PATIENT_SLOTS = 3


@dataclass(slots=True)
class _Track:
    """A track that INIT names. `end_us` is where its last chunk ended."""

    about: dict[str, Any]
    init: bytes
    timescale: int
    tag: str
    end_us: int | None = None

    @property
    def codecs(self) -> str:
        return str(self.about["mime"]).partition('codecs="')[2].rstrip('"')

    @property
    def is_picture(self) -> bool:
        return bool(self.about["kind"] == "video")


class Hls:
    """Serves `base`/live.m3u8 and what it leads to: `Hls(edge, "/hls/stage")`."""

    def __init__(self, host: Host, base: str) -> None:
        self._host = host
        self._folder = base.rstrip("/") + "/"
        self._init = b""
        self._tracks: dict[int, _Track] = {}
        self._renditions: dict[int, Rendition] = {}
        self._schedule = Schedule(PART_US, TARGET_US, SEGMENTS_KEPT)
        self._multivariant = b""
        host.expect(f"{self._folder}live.m3u8", WAIT_SECONDS)

    def take(self, read: Message) -> None:
        """One message of `ngage.video.v1`, in the order of the channel, its preamble first.

        What is no picture and no sound of a track that INIT names is nothing to HLS. Raises
        ValueError for a chunk that cannot be read.
        """
        if read.type is Type.INIT and read.rendition == message.RENDITION_ALL:
            self._begin(read.payload)
        elif read.type is Type.MEDIA and read.rendition in self._tracks:
            self._add(read)
        elif read.type is Type.END:
            self.end()

    def withdraw(self) -> None:
        """There is nothing to play, for who asks as for who waits."""
        self._host.unserve(f"{self._folder}live.m3u8")
        self._multivariant = b""

    def end(self) -> None:
        """Close what is open and say in each playlist that nothing follows."""
        self._schedule.interrupt()
        for number in self._tracks:
            self._renditions[number].end()
        self._init = b""
        self._tracks = {}

    def _begin(self, payload: bytes) -> None:
        """Other tracks, or another timeline. The same once more changes nothing."""
        if payload == self._init:
            return
        before, self._tracks = self._tracks, _read_tracks(payload)
        self._init = payload
        for number in self._tracks.keys() - self._renditions.keys():
            self._renditions[number] = Rendition(
                *(self._host, self._folder, f"{number}.m3u8"),
                *(self._schedule, self._serve_multivariant),
            )
        named = before.keys() & self._tracks.keys()
        if any(before[number].tag != self._tracks[number].tag for number in named) or not named:
            self._interrupt()
        else:
            for number in named:
                self._tracks[number].end_us = before[number].end_us
        for number in self._renditions.keys() - self._tracks.keys():
            self._renditions[number].withdraw()
        has_pictures = any(track.is_picture for track in self._tracks.values())
        for number, track in self._tracks.items():
            self._renditions[number].offer(
                track.tag, track.init, beside_picture=has_pictures and not track.is_picture
            )
        for rendition in self._renditions.values():
            rendition.others = [r for r in self._renditions.values() if r is not rendition]
        if self._multivariant:
            self._serve_multivariant()

    def _add(self, read: Message) -> None:
        track = self._tracks[read.rendition]
        fragment = boxes.read_fragment(read.payload)
        start_us, end_us = (
            time * 1_000_000 // track.timescale
            for time in (fragment.time, fragment.time + fragment.duration)
        )
        breaks = track.end_us is not None and (
            Flag.DISCONTINUITY in read.flags or is_jump(track.end_us, start_us)
        )
        track.end_us = end_us
        chunk = Chunk(
            *(read.payload, start_us, end_us, read.pts_us, read.t_in_us),
            *(Flag.KEY in read.flags, breaks),
        )
        leads = read.rendition == next(iter(self._tracks))
        if leads and breaks:
            self._interrupt()
        self._renditions[read.rendition].add(chunk)
        for slot in self._schedule.lead(chunk) if leads else self._schedule.follow(chunk):
            for rendition in self._renditions.values():
                rendition.cut(slot)
            for rendition in self._renditions.values():
                rendition.advance()
        for rendition in self._renditions.values():
            rendition.advance()

    def _interrupt(self) -> None:
        """What comes does not follow, in any rendition."""
        self._schedule.interrupt()
        for rendition in self._renditions.values():
            rendition.interrupt()

    def _serve_multivariant(self) -> None:
        """Once every rendition has a segment, and whenever it says something else."""
        listed = [n for n in self._tracks if self._renditions[n].is_listed]
        is_complete = len(listed) == len(self._tracks)
        if not listed or not (is_complete or len(self._schedule.slots) > _PATIENT_SLOTS):
            return
        sound = next((n for n in listed if not self._tracks[n].is_picture), None)
        text = playlist.multivariant(
            [self._variant(number, sound) for number in listed],
            "" if sound is None else self._renditions[sound].uri,
        )
        if text != self._multivariant:
            self._multivariant = text
            path = f"{self._folder}live.m3u8"
            self._host.serve(path, text, PLAYLIST_TYPE, PLAYLIST_HEADERS)

    def _variant(self, number: int, sound: int | None) -> Variant:
        carried = dict.fromkeys((number, number if sound is None else sound))
        about = self._tracks[number].about
        average_bps = sum(map(self._average_bps, carried))
        return Variant(
            self._renditions[number].uri,
            max(average_bps, sum(self._renditions[n].peak_bps for n in carried)),
            average_bps,
            ",".join(self._tracks[n].codecs for n in carried),
            *(about.get("width", 0), about.get("height", 0), about.get("fps", 0)),
        )

    def _average_bps(self, number: int) -> int:
        """What INIT says, or what was measured."""
        told_bps = int(1000 * self._tracks[number].about.get("kbps", 0))
        measured_bps = self._renditions[number].average_bps
        return told_bps or -(-measured_bps // _AVERAGE_STEP_BPS) * _AVERAGE_STEP_BPS


def _read_tracks(payload: bytes) -> dict[int, _Track]:
    """The pictures, and the first sound, in the order of INIT. Raises ValueError."""
    about, inits = message.parse_tracks(payload)
    found: dict[str, dict[int, _Track]] = {"video": {}, "audio": {}}
    for entry, init in zip(about["tracks"], inits, strict=True):
        number, kind = entry["id"], entry["kind"]
        identity = f"{about['timeline']}".encode() + init
        digest = hashlib.blake2s(identity, digest_size=_TAG_BYTES).hexdigest()
        if kind in found:
            tag = f"{digest}-{number}"
            found[kind][number] = _Track(entry, init, boxes.timescale(init), tag)
    return found["video"] | dict(islice(found["audio"].items(), 1))

"""Media messages in; HLS at an edge out.

Sound is muxed into each rendition of the picture, so a player needs one playlist and one request
for a part. Without a picture there is one rendition of sound.
"""

import hashlib
from typing import Any, NamedTuple

from ngage.responses import PLAYLIST_TYPE
from ngage.video import message
from ngage.video.hls import boxes, playlist
from ngage.video.hls.cutter import Chunk
from ngage.video.hls.playlist import Variant
from ngage.video.hls.rendition import PLAYLIST_HEADERS, WAIT_SECONDS, Host, Rendition
from ngage.video.message import Flag, Message, Type

__all__ = ["Hls", "Host"]

_TAG_BYTES = 6


class _Track(NamedTuple):
    about: dict[str, Any]
    init: bytes
    timescale: int

    @property
    def codecs(self) -> str:
        return str(self.about["mime"]).partition('codecs="')[2].rstrip('"')


class Hls:
    """Serves `base`/live.m3u8 and what it leads to: `Hls(edge, "/hls/stage")`."""

    def __init__(self, host: Host, base: str) -> None:
        self._host = host
        self._folder = base.rstrip("/") + "/"
        self._init = b""
        self._tracks: dict[int, _Track] = {}
        self._renditions: dict[int, Rendition] = {}
        self._multivariant = b""
        host.expect(f"{self._folder}live.m3u8", WAIT_SECONDS)

    def take(self, read: Message) -> None:
        """One message of `ngage.video.v1`, in the order of the channel, its preamble first.

        Raises ValueError for a chunk that cannot be read.
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

    def end(self) -> None:
        """Close what is open and say in each playlist that nothing follows."""
        for rendition in self._renditions.values():
            rendition.end()
        self._init = b""
        self._tracks = {}

    def _begin(self, payload: bytes) -> None:
        """Another run of the source, or other parameters. The same once more changes nothing."""
        if payload == self._init:
            return
        about, inits = message.parse_tracks(payload)
        self._init = payload
        self._tracks = {
            entry["id"]: _Track(entry, init, boxes.timescale(init))
            for entry, init in zip(about["tracks"], inits, strict=True)
        }
        digest = hashlib.blake2s(payload, digest_size=_TAG_BYTES).hexdigest()
        leading = self._of_kind("video") or self._of_kind("audio")[:1]
        for gone in self._renditions.keys() - set(leading):
            self._renditions.pop(gone).end()
        for number in leading:
            if number not in self._renditions:
                self._renditions[number] = Rendition(
                    self._host, self._folder, f"{number}.m3u8", self._serve_multivariant
                )
        for number, rendition in self._renditions.items():
            rendition.others = [r for n, r in self._renditions.items() if n != number]
            init = boxes.join_inits([track.init for track in self._carried(number)])
            rendition.begin(f"{digest}-{number}", init)

    def _of_kind(self, kind: str) -> list[int]:
        return [number for number, track in self._tracks.items() if track.about["kind"] == kind]

    def _carried(self, number: int) -> list[_Track]:
        """The tracks of a rendition: its own, and the sound."""
        sound = [n for n in self._of_kind("audio")[:1] if n != number]
        return [self._tracks[n] for n in (number, *sound)]

    def _add(self, read: Message) -> None:
        fragment = boxes.read_fragment(read.payload)
        scale = self._tracks[read.rendition].timescale
        start_us, end_us = (
            time * 1_000_000 // scale for time in (fragment.time, fragment.time + fragment.duration)
        )
        chunk = Chunk(
            *(read.payload, start_us, end_us, Flag.KEY in read.flags),
            *(read.rendition in self._renditions, read.t_in_us),
        )
        if chunk.keeps_time:
            if Flag.DISCONTINUITY in read.flags:
                self._renditions[read.rendition].interrupt()
            self._renditions[read.rendition].add(chunk)
        elif read.rendition in self._of_kind("audio")[:1]:
            for rendition in self._renditions.values():
                rendition.add(chunk)

    def _serve_multivariant(self) -> None:
        """Once every rendition has a segment, and whenever a peak is higher than it says."""
        if not all(rendition.bits_per_second for rendition in self._renditions.values()):
            return
        variants = [
            self._variant(number, rendition) for number, rendition in self._renditions.items()
        ]
        text = playlist.multivariant(variants)
        if text != self._multivariant:
            self._multivariant = text
            path = f"{self._folder}live.m3u8"
            self._host.serve(path, text, PLAYLIST_TYPE, PLAYLIST_HEADERS)

    def _variant(self, number: int, rendition: Rendition) -> Variant:
        about = self._tracks[number].about
        return Variant(
            rendition.uri,
            rendition.bits_per_second,
            ",".join(track.codecs for track in self._carried(number)),
            *(about.get("width", 0), about.get("height", 0), about.get("fps", 0)),
        )

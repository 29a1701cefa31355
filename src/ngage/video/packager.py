"""Samples of one programme in, media messages out: numbered, on one timeline, described by an INIT.

Whoever makes the samples, an encoder of our own or somebody's camera, the messages are made here.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ngage.video import message, mp4
from ngage.video.message import RENDITION_AUDIO, RENDITION_VIDEO, Flag, Message, Track, Type

AUDIO_FRAME_SAMPLES = 1024


class Part(NamedTuple):
    """One media message, and when what it shows entered (Unix time, microseconds; INIT: 0)."""

    data: bytes
    t_in_us: int


class VideoTrack(NamedTuple):
    """`about` joins the JSON: width, height, fps, and where it is known kbps."""

    video: mp4.Video
    about: Mapping[str, int]


class Packager:
    """Video tracks by rendition, 0 the highest, and one of audio; describe() comes first."""

    def __init__(self) -> None:
        self._timeline = ""
        self._kinds: tuple[bool, bool] | None = None
        self._inits: dict[int, bytes] = {}
        self._sample_rate = 0
        self._seq: Counter[int] = Counter()
        self._broken: set[int] = set()

    def describe(self, videos: Mapping[int, VideoTrack], audio: mp4.Audio | None) -> Part:
        """The INIT message. Renditions of the picture may go and come back on one timeline.

        It is a new one if a track has another init segment than it had, or if the picture as such
        or the sound is there where it was not, or is gone: a player cannot change that.
        """
        tracks = [
            Track(number, "video", video.mime, mp4.video_init(video), {**about})
            for number, (video, about) in sorted(videos.items())
        ]
        if audio:
            tracks.append(Track(RENDITION_AUDIO, "audio", audio.mime, mp4.audio_init(audio), {}))
            self._sample_rate = audio.sample_rate
        inits = {track.rendition: track.init for track in tracks}
        kinds = bool(videos), audio is not None
        if kinds != self._kinds or any(
            self._inits.get(n, init) != init for n, init in inits.items()
        ):
            self._timeline = secrets.token_hex(8)
            self._inits = {}
        self._kinds = kinds
        self._inits |= inits
        payload = message.pack_tracks(self._timeline, tracks)
        whole = Message(Type.INIT, message.RENDITION_ALL, Flag.KEY, 0, 0, 0, payload)
        return Part(message.pack(whole), 0)

    def interrupt(self, renditions: Iterable[int] | None = None) -> None:
        """Time was lost, in these tracks or in all: the next message of each of them that has sent
        something says that it does not follow the last."""
        self._broken |= self._seq.keys() & set(self._seq if renditions is None else renditions)

    def picture(
        self,
        time: int,
        duration: int,
        sample: bytes,
        *,
        key: bool,
        t_in_us: int,
        offset: int = 0,
        rendition: int = RENDITION_VIDEO,
    ) -> Part:
        """A sample as MP4 has it; decode time, duration, composition offset in 1/90000 s."""
        chunk = mp4.chunk(
            *(mp4.VIDEO_TRACK, self._seq[rendition], time, duration, sample),
            sync=key,
            composition_offset=offset,
        )
        pts_us = (time + offset) * 1_000_000 // mp4.VIDEO_TIMESCALE
        return self._media(rendition, key, pts_us, t_in_us, chunk)

    def sound(self, position: int, sample: bytes, *, t_in_us: int) -> Part:
        """One AAC frame, whose first sample is number `position`."""
        chunk = mp4.chunk(
            *(mp4.AUDIO_TRACK, self._seq[RENDITION_AUDIO], position, AUDIO_FRAME_SAMPLES, sample),
            sync=True,
        )
        pts_us = position * 1_000_000 // self._sample_rate
        return self._media(RENDITION_AUDIO, True, pts_us, t_in_us, chunk)

    def _media(self, rendition: int, key: bool, pts_us: int, t_in_us: int, chunk: bytes) -> Part:
        flags = Flag.KEY if key else Flag.NONE
        if rendition in self._broken:
            flags |= Flag.DISCONTINUITY
            self._broken.remove(rendition)
        seq = self._seq[rendition]
        self._seq[rendition] += 1
        media = Message(Type.MEDIA, rendition, flags, seq, pts_us, t_in_us, chunk)
        return Part(message.pack(media), t_in_us)

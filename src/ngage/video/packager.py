"""Samples of one programme in, media messages out: numbered, on one timeline, described by an INIT.

Whoever makes the samples, an encoder of our own or somebody's camera, the messages are made here.
"""

import secrets
from collections.abc import Mapping
from typing import NamedTuple

from ngage.video import message, mp4
from ngage.video.message import RENDITION_AUDIO, RENDITION_VIDEO, Flag, Message, Type

AUDIO_FRAME_SAMPLES = 1024


class Part(NamedTuple):
    """One media message, and when what it shows entered (Unix time, microseconds; INIT: 0)."""

    data: bytes
    t_in_us: int


class Packager:
    """One video and one audio track, either of which may be absent. describe() comes first."""

    def __init__(self) -> None:
        self._timeline = ""
        self._tracks: tuple[message.Track, ...] = ()
        self._sample_rate = 0
        self._seq = {RENDITION_VIDEO: 0, RENDITION_AUDIO: 0}
        self._broken = {RENDITION_VIDEO: False, RENDITION_AUDIO: False}

    def describe(
        self, video: mp4.Video | None, audio: mp4.Audio | None, about: Mapping[str, int]
    ) -> Part:
        """The INIT message. The timeline is a new one unless the tracks are what they were.

        `about` joins the JSON of the video track: width, height, fps.
        """
        tracks = []
        if video:
            init = mp4.video_init(video)
            tracks.append(message.Track(RENDITION_VIDEO, "video", video.mime, init, {**about}))
        if audio:
            init = mp4.audio_init(audio)
            tracks.append(message.Track(RENDITION_AUDIO, "audio", audio.mime, init, {}))
            self._sample_rate = audio.sample_rate
        if tuple(tracks) != self._tracks:
            self._tracks = tuple(tracks)
            self._timeline = secrets.token_hex(8)
        payload = message.pack_tracks(self._timeline, self._tracks)
        whole = Message(Type.INIT, message.RENDITION_ALL, Flag.KEY, 0, 0, 0, payload)
        return Part(message.pack(whole), 0)

    def interrupt(self) -> None:
        """Time was lost: the next message of each track says that it does not follow the last."""
        self._broken = dict.fromkeys(self._broken, True)

    def picture(
        self, time: int, duration: int, sample: bytes, *, key: bool, t_in_us: int, offset: int = 0
    ) -> Part:
        """A sample as MP4 has it; decode time, duration, composition offset in 1/90000 s."""
        chunk = mp4.chunk(
            *(mp4.VIDEO_TRACK, self._seq[RENDITION_VIDEO], time, duration, sample),
            sync=key,
            composition_offset=offset,
        )
        pts_us = (time + offset) * 1_000_000 // mp4.VIDEO_TIMESCALE
        return self._media(RENDITION_VIDEO, key, pts_us, t_in_us, chunk)

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
        if self._broken[rendition]:
            flags |= Flag.DISCONTINUITY
            self._broken[rendition] = False
        seq = self._seq[rendition]
        self._seq[rendition] += 1
        media = Message(Type.MEDIA, rendition, flags, seq, pts_us, t_in_us, chunk)
        return Part(message.pack(media), t_in_us)

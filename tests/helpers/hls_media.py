"""Media messages written by hand, and a host that remembers what is served at it.

The samples are no H.264 and no AAC: a packager does not look into them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ngage.responses import Playlist
from ngage.video import h264, message, mp4
from ngage.video.message import Flag, Message, Type

SPS = bytes.fromhex("6764001eacb405017fcb08000003000800000301e478b175")
PPS = bytes.fromhex("68ef0fcb")
VIDEO = mp4.Video(h264.avcc([SPS, PPS]))
AUDIO = mp4.Audio(bytes.fromhex("1190"), 48_000, 2)
START_US = 1_760_000_000_000_000  # t_in of time 0
SOUND_TICKS = 1024


class Frame(NamedTuple):
    """Of the picture, in 1/90000 s."""

    time: int
    duration: int
    key: bool


def frames(count: int, *, duration: int = 3000, gop: int = 30, start: int = 0) -> list[Frame]:
    return [Frame(start + n * duration, duration, n % gop == 0) for n in range(count)]


def init(
    timeline: str = "one",
    *,
    video: int | Iterable[int] = 1,
    audio: bool = True,
    about: Mapping[str, int] | None = None,
) -> bytes:
    """`video` is how many pictures there are, or their numbers."""
    size = {"width": 640, "height": 360, **(about or {})}
    tracks = [
        message.Track(n, "video", VIDEO.mime, mp4.video_init(VIDEO), size)
        for n in (range(video) if isinstance(video, int) else video)
    ]
    if audio:
        tracks.append(
            message.Track(message.RENDITION_AUDIO, "audio", AUDIO.mime, mp4.audio_init(AUDIO), {})
        )
    payload = message.pack_tracks(timeline, tracks)
    return message.pack(Message(Type.INIT, message.RENDITION_ALL, Flag.KEY, 0, 0, 0, payload))


def picture(frame: Frame, seq: int, *, rendition: int = 0, delay_us: int = 0) -> bytes:
    body = b"%d:%d" % (rendition, frame.time)
    chunk = mp4.chunk(mp4.VIDEO_TRACK, seq, frame.time, frame.duration, body, sync=frame.key)
    pts_us = frame.time * 1_000_000 // mp4.VIDEO_TIMESCALE
    flags = Flag.KEY if frame.key else Flag.NONE
    t_in = START_US + pts_us + delay_us
    return message.pack(Message(Type.MEDIA, rendition, flags, seq, pts_us, t_in, chunk))


def sound(number: int) -> bytes:
    chunk = mp4.chunk(
        mp4.AUDIO_TRACK, number, number * SOUND_TICKS, SOUND_TICKS, b"s%d" % number, sync=True
    )
    pts_us = number * SOUND_TICKS * 1_000_000 // 48_000
    header = (Type.MEDIA, message.RENDITION_AUDIO, Flag.KEY, number, pts_us, START_US + pts_us)
    return message.pack(Message(*header, chunk))


def show(
    pictures: Iterable[Frame],
    *,
    video: int | Iterable[int] = 1,
    sounds: bool = True,
    number: int = 0,
) -> Iterator[bytes]:
    """Pictures in every rendition, the sound of an instant before its picture, from `number` on."""
    renditions = range(video) if isinstance(video, int) else tuple(video)
    for seq, frame in enumerate(pictures):
        end = (frame.time + frame.duration) * 48_000 // mp4.VIDEO_TIMESCALE
        while sounds and number * SOUND_TICKS < end:
            yield sound(number)
            number += 1
        for rendition in renditions:
            yield picture(frame, seq, rendition=rendition)


def end() -> bytes:
    return message.pack(Message(Type.END, message.RENDITION_ALL, Flag.NONE, 0, 0, 0, b""))


class Remembering:
    """Everything that was ever served, and what is now."""

    def __init__(self, told: Callable[[str, Playlist], None] | None = None) -> None:
        self.now: dict[str, bytes] = {}
        self.ever: dict[str, bytes] = {}
        self.headers: dict[str, Mapping[str, str]] = {}
        self.playlists: dict[str, list[Playlist]] = {}
        self.expected: dict[str, float] = {}
        self.withdrawn: list[str] = []
        self._told = told

    def serve(
        self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.now[path] = body
        self.ever[path] = body
        self.headers[path] = headers or {}
        self.expected.pop(path, None)

    def serve_playlist(self, path: str, playlist: Playlist) -> None:
        self.now[path] = playlist.whole
        self.playlists.setdefault(path, []).append(playlist)
        self.expected.pop(path, None)
        if self._told:
            self._told(path, playlist)

    def expect(self, path: str, seconds: float) -> None:
        if path not in self.now:
            self.expected[path] = seconds

    def unserve(self, path: str) -> bool:
        if path in self.expected:
            self.withdrawn.append(path)
        return any(paths.pop(path, None) is not None for paths in (self.now, self.expected))

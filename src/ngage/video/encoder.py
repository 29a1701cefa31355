"""Pictures and sound in, media messages out: H.264 without B-frames, AAC, a chunk for each frame.

zerolatency makes x264 give a frame back before it is asked for the next, so nothing waits here.
AAC holds back two frames: sound must be fed that much ahead of the picture.
"""

import secrets
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from ngage.video import VideoUnavailable, h264, message, mp4
from ngage.video.message import RENDITION_AUDIO, RENDITION_VIDEO, Flag, Message, Type
from ngage.video.programme import I420, SAMPLE_RATE, TIMESCALE, Sound

AUDIO_FRAME_SAMPLES = 1024
AUDIO_HELD_SAMPLES = 2 * AUDIO_FRAME_SAMPLES

_GOP_TICKS = TIMESCALE
# 800 kbit/s at 640x360; more pixels need less each.
_VIDEO_BPS, _VIDEO_PIXELS, _PIXELS_EXPONENT = 800_000, 640 * 360, 0.75
_AUDIO_BPS = 96_000

Context = TypeVar("Context", bound=CodecContext)


class Part(NamedTuple):
    """One publication; `sync` where a viewer may begin."""

    data: bytes
    sync: bool
    t_in_us: int


class Encoder:
    """Raises VideoUnavailable where FFmpeg has been built without the encoders."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        self._video = _open_video(width, height, fps)
        self._audio = _open_audio()
        self._next_key = 0
        self._seq = {RENDITION_VIDEO: 0, RENDITION_AUDIO: 0}
        self.init = self._describe(fps)

    def picture(self, pts: int, duration: int, image: I420, t_in_us: int) -> list[Part]:
        """pts and duration in 1/90000 s."""
        frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, TIMESCALE)
        if pts >= self._next_key:
            frame.pict_type = PictureType.I
            self._next_key = pts + _GOP_TICKS
        return [self._video_part(packet, duration, t_in_us) for packet in self._video.encode(frame)]

    def sound(self, position: int, samples: Sound, t_in_us: int) -> list[Part]:
        """1024 samples from sample `position` on."""
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = position, Fraction(1, SAMPLE_RATE)
        packets = self._audio.encode(frame)
        # The first packet only primes the decoder: its time is before 0, where tfdt cannot point.
        return [self._audio_part(packet, t_in_us) for packet in packets if (packet.pts or 0) >= 0]

    def _video_part(self, packet: "Packet[Any]", duration: int, t_in_us: int) -> Part:
        pts, key = packet.pts or 0, packet.is_keyframe
        data = self._media(
            RENDITION_VIDEO,
            Flag.KEY if key else Flag.NONE,
            pts * 1_000_000 // TIMESCALE,
            t_in_us,
            mp4.chunk(
                *(mp4.VIDEO_TRACK, self._seq[RENDITION_VIDEO], pts, duration),
                h264.sample(bytes(packet)),
                sync=key,
            ),
        )
        return Part(data, key, t_in_us)

    def _audio_part(self, packet: "Packet[Any]", t_in_us: int) -> Part:
        position = packet.pts or 0
        data = self._media(
            RENDITION_AUDIO,
            Flag.KEY,
            position * 1_000_000 // SAMPLE_RATE,
            t_in_us,
            mp4.chunk(
                *(mp4.AUDIO_TRACK, self._seq[RENDITION_AUDIO], position, AUDIO_FRAME_SAMPLES),
                bytes(packet),
                sync=True,
            ),
        )
        return Part(data, False, t_in_us)

    def _media(self, rendition: int, flags: Flag, pts_us: int, t_in_us: int, chunk: bytes) -> bytes:
        seq = self._seq[rendition]
        self._seq[rendition] += 1
        return message.pack(Message(Type.MEDIA, rendition, flags, seq, pts_us, t_in_us, chunk))

    def _describe(self, fps: float) -> bytes:
        """The INIT message: what a viewer needs before any chunk."""
        video = mp4.Video(h264.avcc(h264.nal_units(self._video.extradata or b"")))
        audio = mp4.Audio(self._audio.extradata or b"", SAMPLE_RATE, channels=2)
        size = {"width": self._video.width, "height": self._video.height, "fps": round(fps)}
        tracks = (
            message.Track(RENDITION_VIDEO, "video", video.mime, mp4.video_init(video), size),
            message.Track(RENDITION_AUDIO, "audio", audio.mime, mp4.audio_init(audio), {}),
        )
        payload = message.pack_tracks(secrets.token_hex(8), tracks)
        return message.pack(Message(Type.INIT, message.RENDITION_ALL, Flag.KEY, 0, 0, 0, payload))


def _open_video(width: int, height: int, fps: float) -> VideoCodecContext:
    context = _find("libx264")
    assert isinstance(context, VideoCodecContext)
    bits = int(_VIDEO_BPS * (width * height / _VIDEO_PIXELS) ** _PIXELS_EXPONENT)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, TIMESCALE), Fraction(fps).limit_denominator()
    # A key frame each second of the timeline is asked for by hand, whatever has been dropped.
    context.gop_size = 10 * round(fps)
    context.thread_count = 1
    context.flags |= Flags.global_header
    context.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "sc_threshold": "0",
        "crf": "23",
        "maxrate": str(bits),
        "bufsize": str(bits // 2),
    }
    return _opened(context)


def _open_audio() -> AudioCodecContext:
    context = _find("aac")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
    context.layout, context.format = "stereo", "fltp"
    context.bit_rate = _AUDIO_BPS
    context.flags |= Flags.global_header
    return _opened(context)


def _find(name: str) -> CodecContext:
    try:
        return CodecContext.create(name, "w")
    except UnknownCodecError as error:
        raise VideoUnavailable(f"FFmpeg has been built without the encoder {name}") from error


def _opened(context: Context) -> Context:
    try:
        context.open()
    except FFmpegError as error:
        raise VideoUnavailable(f"the encoder {context.name} does not open: {error}") from error
    return context

"""Pictures and sound in, media messages out: H.264 without B-frames, AAC, a chunk for each frame.

zerolatency makes x264 give a frame back before it is asked for the next, so nothing waits here.
AAC holds back two frames: sound must be fed that much ahead of the picture.
"""

from fractions import Fraction
from typing import Any, TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from ngage.video import VideoUnavailable, h264, mp4
from ngage.video.packager import AUDIO_FRAME_SAMPLES, Packager, Part
from ngage.video.programme import I420, SAMPLE_RATE, TIMESCALE, Sound

AUDIO_HELD_SAMPLES = 2 * AUDIO_FRAME_SAMPLES

_GOP_TICKS = TIMESCALE
# 800 kbit/s at 640x360; more pixels need less each.
_VIDEO_BPS, _VIDEO_PIXELS, _PIXELS_EXPONENT = 800_000, 640 * 360, 0.75
_AUDIO_BPS = 96_000

Context = TypeVar("Context", bound=CodecContext)


class Encoder:
    """Raises VideoUnavailable where FFmpeg has been built without the encoders."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        self._video = _open_video(width, height, fps)
        self._audio = _open_audio()
        self._next_key = 0
        self._packager = Packager()
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
        return [
            self._packager.sound(packet.pts or 0, bytes(packet), t_in_us=t_in_us)
            for packet in packets
            if (packet.pts or 0) >= 0
        ]

    def _video_part(self, packet: "Packet[Any]", duration: int, t_in_us: int) -> Part:
        return self._packager.picture(
            *(packet.pts or 0, duration, h264.sample(bytes(packet))),
            key=packet.is_keyframe,
            t_in_us=t_in_us,
        )

    def _describe(self, fps: float) -> Part:
        """The INIT message: what a viewer needs before any chunk."""
        video = mp4.Video(h264.avcc(h264.nal_units(self._video.extradata or b"")))
        audio = mp4.Audio(self._audio.extradata or b"", SAMPLE_RATE, channels=2)
        size = {"width": self._video.width, "height": self._video.height, "fps": round(fps)}
        return self._packager.describe(video, audio, size)


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

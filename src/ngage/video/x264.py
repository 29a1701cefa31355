"""H.264 of one picture in several sizes, by x264, without B-frames and without waiting.

zerolatency makes x264 give a frame back before it is asked for the next, so nothing waits here.
Each size is scaled down from the one above it, which costs less than from the source.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple, TypeVar

from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from ngage.video import VideoUnavailable, h264, mp4
from ngage.video.packager import VideoTrack
from ngage.video.renditions import Rung

# Where key frames are is said by hand, whatever has been dropped: x264 adds none (its "infinite").
_KEY_FRAMES_MAX = 1 << 30

Context = TypeVar("Context", bound=CodecContext)


class Encoded(NamedTuple):
    """A sample as MP4 has it, and what it took."""

    rendition: int
    sample: bytes
    seconds: float


class Rungs:
    """Encoders by rendition, highest first. Raises VideoUnavailable where there is no x264."""

    def __init__(self, rungs: Mapping[int, Rung], fps: float) -> None:
        self._rungs = {number: _Rung(rung, fps) for number, rung in rungs.items()}
        self.tracks = {
            number: _track(made.context, rungs[number], fps) for number, made in self._rungs.items()
        }

    def encode(self, frame: VideoFrame, *, key: bool, wanted: Collection[int]) -> Iterator[Encoded]:
        """The frame, which has a pts in 1/90000 s, in each rendition that is wanted."""
        for number, rung in self._rungs.items():
            if number in wanted:
                began = time.perf_counter()
                frame = rung.scale(frame)
                sample = rung.encode(frame, key)
                yield Encoded(number, sample, time.perf_counter() - began)


class _Rung:
    def __init__(self, rung: Rung, fps: float) -> None:
        self._size = rung.width, rung.height
        self._scaler = VideoReformatter()
        self.context = _open_video(rung, fps)

    def scale(self, frame: VideoFrame) -> VideoFrame:
        return self._scaler.reformat(frame, *self._size, "yuv420p", threads=1)

    def encode(self, frame: VideoFrame, key: bool) -> bytes:
        # A decoder's frame says what it was; x264 would take that for an order.
        frame.pict_type = PictureType.I if key else PictureType.NONE
        return b"".join(h264.sample(bytes(packet)) for packet in self.context.encode(frame))


def _track(context: VideoCodecContext, rung: Rung, fps: float) -> VideoTrack:
    video = mp4.Video(h264.avcc(h264.nal_units(context.extradata or b"")))
    about = {"width": rung.width, "height": rung.height, "fps": round(fps), "kbps": rung.kbps}
    return VideoTrack(video, about)


def _open_video(rung: Rung, fps: float) -> VideoCodecContext:
    context = find_encoder("libx264")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = rung.width, rung.height, "yuv420p"
    context.time_base = Fraction(1, mp4.VIDEO_TIMESCALE)
    context.framerate = Fraction(fps).limit_denominator()
    context.gop_size = _KEY_FRAMES_MAX
    context.thread_count = 1
    context.flags |= Flags.global_header
    context.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "sc_threshold": "0",
        "crf": "23",
        "maxrate": str(rung.kbps * 1000),
        "bufsize": str(rung.kbps * 500),
    }
    return opened(context)


def find_encoder(name: str) -> CodecContext:
    """Raises VideoUnavailable."""
    try:
        return CodecContext.create(name, "w")
    except UnknownCodecError as error:
        raise VideoUnavailable(f"FFmpeg has been built without the encoder {name}") from error


def opened(context: Context) -> Context:
    """Raises VideoUnavailable."""
    try:
        context.open()
    except FFmpegError as error:
        raise VideoUnavailable(f"the encoder {context.name} does not open: {error}") from error
    return context

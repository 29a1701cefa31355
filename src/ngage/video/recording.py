"""A video file as a programme without end: played in real time, begun again when it is over."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import overload

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.video.stream import VideoStream

from ngage.video import VideoUnavailable
from ngage.video.programme import I420, SAMPLE_RATE, TIMESCALE, Picture, Sound

WIDTH_MAX, HEIGHT_MAX = 1280, 720
FPS_MIN, FPS_MAX = 10, 30

# Containers round timestamps to a millisecond or more: only a larger step is a real gap.
_GAP_SAMPLES = SAMPLE_RATE // 20
# A picture that stands longer is shown again, for its sound must not run far ahead of it.
_STILL_TICKS = TIMESCALE // 4


class Recording:
    """Any file FFmpeg reads; its first video stream, and its first sound or silence."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise VideoUnavailable(f"{path} has no video")
                stream = container.streams.video[0]
                rate = stream.average_rate or stream.guessed_rate or FPS_MAX
                frame = next(_decode(container, stream), None)
                aspect = stream.sample_aspect_ratio or Fraction(1)
        except (FFmpegError, OSError) as error:
            raise VideoUnavailable(f"{path} cannot be read: {error.strerror or error}") from error
        if frame is None:
            raise VideoUnavailable(f"{path} has no frame that can be decoded")
        self._quarter_turns = round(frame.rotation / 90) % 4
        self._size = _fit(frame.width * float(aspect), frame.height, self._quarter_turns)
        self.width, self.height = self._size[:: -1 if self._quarter_turns % 2 else 1]
        self.fps = float(min(max(rate, FPS_MIN), FPS_MAX))
        self._start = 0
        self._sound = _Soundtrack(path, Fraction(0))

    def pictures(self) -> Generator[Picture, None, None]:
        while True:
            self._start = yield from self._once(self._start)

    def sound(self, position: int, count: int) -> Sound:
        return self._sound.read(position - self._start * SAMPLE_RATE // TIMESCALE, count)

    def close(self) -> None:
        self._sound.close()

    def _once(self, start: int) -> Generator[Picture, None, int]:
        """One pass over the file, whose first picture is at `start`; returns where it ends."""
        nominal = int(TIMESCALE / self.fps)
        with av.open(str(self._path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = ThreadType.AUTO
            frames = _decode(container, stream)
            held = next(frames)
            origin, pts = _time(held, Fraction(0)), start
            self._sound.close()
            self._sound = _Soundtrack(self._path, origin)
            for frame in frames:
                guess = origin + Fraction(pts - start + nominal, TIMESCALE)
                following = start + int((_time(frame, guess) - origin) * TIMESCALE)
                if following - pts < nominal * 9 // 10:
                    continue
                while following - pts > _STILL_TICKS:
                    yield Picture(pts, nominal, partial(self._draw, held))
                    pts += nominal
                yield Picture(pts, following - pts, partial(self._draw, held))
                held, pts = frame, following
        yield Picture(pts, nominal, partial(self._draw, held))
        return pts + nominal

    def _draw(self, frame: av.VideoFrame) -> I420:
        width, height = self._size
        image = frame.reformat(width, height, "yuv420p").to_ndarray().astype(np.uint8, copy=False)
        return _turn(image, width, height, self._quarter_turns)


class _Soundtrack:
    """The sound of one pass as stereo at 48 kHz, from file time `origin` (seconds) on."""

    def __init__(self, path: Path, origin: Fraction) -> None:
        self._container = av.open(str(path))
        self._origin = origin
        self._blocks = self._decode()
        self._block: Sound = np.zeros((2, 0), dtype=np.float32)
        self._at = 0

    def read(self, position: int, count: int) -> Sound:
        """Silence where there is no sound. What lies before `position` is gone afterwards."""
        sound = np.zeros((2, count), dtype=np.float32)
        while self._at < position + count:
            block = self._block[:, max(position - self._at, 0) : position + count - self._at]
            into = max(self._at - position, 0)
            sound[:, into : into + block.shape[1]] = block
            if self._at + self._block.shape[1] > position + count:
                break
            following = next(self._blocks, None)
            if following is None:
                break
            self._at, self._block = following
        return sound

    def close(self) -> None:
        self._blocks.close()
        self._container.close()

    def _decode(self) -> Generator[tuple[int, Sound], None, None]:
        """Blocks of samples with their positions."""
        if not self._container.streams.audio:
            return
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
        end = 0
        for frame in _decode(self._container, self._container.streams.audio[0]):
            for block in resampler.resample(frame):
                at = int((_time(block, self._origin) - self._origin) * SAMPLE_RATE)
                at = end if abs(at - end) < _GAP_SAMPLES else at
                yield at, block.to_ndarray().astype(np.float32, copy=False)
                end = at + block.samples


@overload
def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]: ...
@overload
def _decode(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]: ...
def _decode(
    container: InputContainer, stream: VideoStream | AudioStream
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """What can be decoded; a damaged packet costs its frame only."""
    for packet in container.demux(stream):
        try:
            yield from stream.decode(packet)
        except InvalidDataError:
            continue


def _time(frame: av.VideoFrame | av.AudioFrame, otherwise: Fraction) -> Fraction:
    """Presentation time in seconds of the file's clock; a raw stream has none."""
    if frame.pts is None or frame.time_base is None:
        return otherwise
    return Fraction(frame.pts * frame.time_base)


def _fit(width: float, height: float, quarter_turns: int) -> tuple[int, int]:
    """The even size before turning that fits the bounds after it."""
    bounds = (WIDTH_MAX, HEIGHT_MAX)[:: -1 if quarter_turns % 2 else 1]
    scale = min(1, bounds[0] / width, bounds[1] / height)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _turn(image: I420, width: int, height: int, quarter_turns: int) -> I420:
    """Counterclockwise, plane by plane."""
    if not quarter_turns:
        return image
    chroma = image[height:].reshape(2, height // 2, width // 2)
    planes = (image[:height], chroma[0], chroma[1])
    turned = np.concatenate([np.rot90(plane, quarter_turns).ravel() for plane in planes])
    return turned.reshape(-1, height if quarter_turns % 2 else width)

"""H.264 samples to frames, each as soon as it can be, a key frame at once.

Where there are B-frames a decoder gives a picture back some pictures late. A key frame must not be
late, for the same one of the source waits for it. Nothing after an IDR picture refers to what was
before (ITU-T H.264, 7.4.1.2.4): so the decoder is emptied first, and the key frame is decoded once
more by itself where it is not given back.
"""

import av
from av.codec.context import CodecContext, Flags
from av.error import InvalidDataError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from ngage.video.placed import Picture


class Decoder:
    """`avcc` is the decoder configuration record. begin() at a key frame."""

    def __init__(self, avcc: bytes) -> None:
        self._usual = _open(avcc)
        self._single = _open(avcc)
        self._given: dict[int, Picture] = {}

    def decode(self, picture: Picture) -> list[tuple[Picture, VideoFrame]]:
        """Frames in the order of their pts, each with its picture; damaged ones are missing."""
        if not picture.key:
            self._given[picture.pts] = picture
            return self._known(self._frames(self._usual, picture))
        before = self._known(self._drained(self._usual))
        self._given = {picture.pts: picture}
        frames = self._known(self._frames(self._usual, picture))
        if not frames:
            self._frames(self._single, picture)
            frames = self._known(self._drained(self._single))
        return before + frames

    def _known(self, frames: list[VideoFrame]) -> list[tuple[Picture, VideoFrame]]:
        return [
            (picture, frame)
            for frame in frames
            if (picture := self._given.pop(frame.pts or 0, None)) is not None
        ]

    @staticmethod
    def _frames(context: VideoCodecContext, picture: Picture) -> list[VideoFrame]:
        packet = av.Packet(picture.sample)
        packet.pts, packet.dts = picture.pts, picture.time
        packet.is_keyframe = picture.key
        try:
            return context.decode(packet)
        except InvalidDataError:
            return []

    @staticmethod
    def _drained(context: VideoCodecContext) -> list[VideoFrame]:
        """What it still holds; it is as new afterwards."""
        try:
            return context.decode(None)
        except InvalidDataError:
            return []
        finally:
            context.flush_buffers()


def _open(avcc: bytes) -> VideoCodecContext:
    context = CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = avcc
    context.thread_count = 1  # threads hold pictures back
    context.flags |= Flags.low_delay
    context.open()
    return context

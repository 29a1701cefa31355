"""Pictures and sound in, media messages out: H.264 in each rendition, AAC, a chunk for each frame.

AAC holds back two frames: sound must be fed that much ahead of the picture.
"""

from collections.abc import Sequence
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags

from ngage.video import mp4, renditions
from ngage.video.headroom import Headroom
from ngage.video.message import RENDITION_VIDEO
from ngage.video.packager import AUDIO_FRAME_SAMPLES, Packager, Part
from ngage.video.programme import I420, SAMPLE_RATE, TIMESCALE, Sound
from ngage.video.renditions import AUDIO_KBPS, Rung, Wish
from ngage.video.stages import Stages
from ngage.video.x264 import Rungs, find_encoder, opened

AUDIO_HELD_SAMPLES = 2 * AUDIO_FRAME_SAMPLES

_GOP_TICKS = TIMESCALE


class Encoder:
    """Rendition 0 at the source's size, and of `wishes` those that are lower.

    Raises VideoUnavailable where FFmpeg has been built without the encoders.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: float,
        wishes: Sequence[Wish] = (),
        audio_kbps: int = AUDIO_KBPS,
    ) -> None:
        lower = renditions.rungs(wishes, width, height)
        source = Rung(width, height, renditions.kbps(width, height))
        self._rungs = Rungs({RENDITION_VIDEO: source, **lower}, fps)
        self._audio = _open_audio(audio_kbps)
        self._next_key = 0
        self._packager = Packager()
        self._wanted = frozenset(self._rungs.tracks)
        names = {number: rung.name for number, rung in lower.items()}
        self.headroom = Headroom(names)
        self.stages = Stages()
        self._names = {RENDITION_VIDEO: source.name, **names}
        self.init = self._describe()

    def picture(
        self, pts: int, duration: int, image: I420, t_in_us: int, *, drawn: float = 0.0
    ) -> list[Part]:
        """pts and duration in 1/90000 s; drawn: seconds it took to come by the image.

        Another ladder is announced first, and begins with key frames in all tracks.
        """
        parts = []
        wanted = self.headroom.present | {RENDITION_VIDEO}
        if wanted != self._wanted:
            self._packager.interrupt(wanted - self._wanted)
            self._wanted = wanted
            self._next_key = pts
            parts.append(self._describe())
        frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, TIMESCALE)
        key = pts >= self._next_key
        if key:
            self._next_key = pts + _GOP_TICKS
        spent = {}
        for number, sample, seconds in self._rungs.encode(frame, key=key, wanted=wanted):
            spent[number] = seconds
            with self.stages.timed("package"):
                part = self._packager.picture(
                    pts, duration, sample, key=key, t_in_us=t_in_us, rendition=number
                )
            parts.append(part)
            self.stages.add(self._names[number], seconds)
        self.stages.add("draw", drawn)
        self.headroom.picture(duration / TIMESCALE, drawn, spent)
        return parts

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

    def _describe(self) -> Part:
        """The INIT message: what a viewer needs before any chunk."""
        videos = {
            number: track for number, track in self._rungs.tracks.items() if number in self._wanted
        }
        audio = mp4.Audio(self._audio.extradata or b"", SAMPLE_RATE, channels=2)
        return self._packager.describe(videos, audio)


def _open_audio(kbps: int) -> AudioCodecContext:
    context = find_encoder("aac")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
    context.layout, context.format = "stereo", "fltp"
    context.bit_rate = kbps * 1000
    context.flags |= Flags.global_header
    return opened(context)

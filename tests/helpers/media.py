"""Media messages without an encoder: their samples are no pictures, which nobody here looks at."""

from ngage.video import h264, mp4
from ngage.video.packager import Packager

SPS = bytes.fromhex("6764001eacb405017fcb08000003000800000301e478b175")
PPS = bytes.fromhex("68ef0fcb")
AVCC = h264.avcc([SPS, PPS])
AAC = bytes.fromhex("1210")
TICKS_PER_PICTURE = 3000


class Programme:
    """Pictures 0, 1, 2... of a programme whose every tenth is a key frame."""

    def __init__(self) -> None:
        self._packager = Packager()
        self.init = self._packager.describe(
            mp4.Video(AVCC), mp4.Audio(AAC, 44_100, 2), {"width": 64, "height": 48, "fps": 30}
        ).data
        self._next = 0

    def picture(self, sample: bytes = b"picture") -> bytes:
        n = self._next
        self._next += 1
        time = n * TICKS_PER_PICTURE
        key = n % 10 == 0
        part = self._packager.picture(
            *(time, TICKS_PER_PICTURE, sample), key=key, t_in_us=1_000_000 + n
        )
        return part.data

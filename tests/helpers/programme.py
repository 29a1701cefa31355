"""Media messages without an encoder: their samples are no pictures, which nobody here looks at."""

from ngage.video import mp4
from ngage.video.packager import Packager, VideoTrack
from tests.helpers.media import AAC_CONFIG, AVCC

TICKS_PER_PICTURE = 3000


class Programme:
    """Pictures 0, 1, 2... of a programme whose every tenth is a key frame."""

    def __init__(self) -> None:
        self._packager = Packager()
        video, audio = mp4.Video(AVCC), mp4.Audio(AAC_CONFIG, 44_100, 2)
        about = {"width": 640, "height": 360, "fps": 30}
        self.init = self._packager.describe({0: VideoTrack(video, about)}, audio).data
        self._next = 0

    def picture(self, sample: bytes = b"picture") -> bytes:
        """The next picture's message; it entered that many microseconds after the first second."""
        n = self._next
        self._next += 1
        part = self._packager.picture(
            *(n * TICKS_PER_PICTURE, TICKS_PER_PICTURE, sample),
            key=n % 10 == 0,
            t_in_us=1_000_000 + n,
        )
        return part.data

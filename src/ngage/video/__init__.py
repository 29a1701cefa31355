"""Live pictures: fragmented MP4 without a codec library, and sources that need PyAV.

message   the 24-byte header of a media message (`ngage.video.v1`)
h264      byte streams, parameter sets, the decoder configuration record
mp4       init segments and one-frame chunks
packager  samples to messages, numbered and described
entry     where in a stream of messages somebody may begin
channel   messages to a channel of an edge
intake    where studios push messages to an edge
timeline  a publisher's times on a timeline that goes on
passthrough  a publisher's samples to messages
pattern   a moving test picture with a clock and a beep    (numpy)
recording a video file as a programme that never ends      (PyAV, numpy)
source    encodes a programme in real time                 (PyAV)

The first five are pure Python. `ngage[video]` brings what the others import.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ngage.errors import NgageError

if TYPE_CHECKING:
    from ngage.video.programme import Programme


class VideoUnavailable(NgageError):
    """No picture can be made here; the message says in one line what is missing."""


def open_programme(file: Path | None) -> "Programme":
    """The file, or the test picture; takes a while, for it loads FFmpeg. Raises VideoUnavailable.

    `ngage.video.source` can be imported afterwards.
    """
    try:
        from ngage.video import pattern, recording, source  # noqa: F401, PLC0415
    except ImportError as error:
        raise VideoUnavailable("install ngage[video]") from error
    return pattern.Pattern() if file is None else recording.Recording(file)

"""Live pictures: from publishers and encoders to messages, and from messages to a channel.

message      the 24-byte header of a media message (`ngage.video.v1`)
bits         fields of bits, as in headers of H.264 and AAC
h264         byte streams, parameter sets, the decoder configuration record
mp4          init segments and one-frame chunks
packager     samples to messages, numbered and described
placed       samples with their place on the timeline
assembly     renditions and sound to messages, key frames of one instant together
entry        where in a stream of messages somebody may begin
hls          messages as HLS and LL-HLS, a package of its own
ladder       messages to the channels of the renditions
delays       how old messages are when they are published, by stage
cues         JSON that belongs to a moment, as messages
channel      what becomes of a source's messages on an edge
intake       where studios push messages to an edge (picows)

units        what an ingest hands over: access units of H.264 and AAC
avc, aac     their forms in containers, to the one that is published
flv          FLV tags to units, with Enhanced RTMP v2 (`enhanced`)
rtmp         RTMP ingest, a package of its own
timeline     a publisher's times on a timeline that goes on
passthrough  units to placed samples

renditions   in which sizes a picture is shown
stages       how long the work on them takes
headroom     for which of them there is time
programme    pictures and sound that can be encoded
pattern      a moving test picture with a clock and a beep (numpy)
recording    a video file as a programme that never ends (PyAV, numpy)
x264         a picture in these sizes (PyAV)
decoder      samples of H.264 to pictures (PyAV)
transcoder   a publisher's picture in lower sizes, in a thread (PyAV)
encoder      a programme's pictures and sound to messages (PyAV)
source       encodes a programme in real time (PyAV)

All but the last eight are without a codec; `ngage[video]` brings what those import.
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

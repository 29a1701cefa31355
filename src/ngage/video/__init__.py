"""Live pictures: fragmented MP4 without a codec library, and sources that need PyAV.

message   the 24-byte header of a media message (`ngage.video.v1`)
h264      byte streams, parameter sets, the decoder configuration record
mp4       init segments and one-frame chunks
hls       the same chunks as HLS and LL-HLS
pattern   a moving test picture with a clock and a beep    (numpy)
recording a video file as a programme that never ends      (PyAV, numpy)
source    encodes a programme in real time                 (PyAV)

The first four are pure Python. `ngage[video]` brings what the others import.
"""


class VideoUnavailable(Exception):
    """No picture can be made here; the message says in one line what is missing."""

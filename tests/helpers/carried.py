"""What a publisher would send of a small clip, as units and as placed pictures; needs PyAV."""

import math

from ngage.video.flv_stream import FlvStream
from ngage.video.passthrough import Passthrough
from ngage.video.placed import Picture, Tracks
from tests.helpers.clips import make_clip

# Key frames where they are wanted only, and no B-frames.
PLAIN = {"tune": "zerolatency", "g": "10", "sc_threshold": "0"}
B_FRAMES = {"bf": "2", "b_strategy": "0", "g": "10", "sc_threshold": "0"}


def clip_units(folder, **clip):
    """All units of a clip of `make_clip`."""
    path = make_clip(folder / "clip.flv", **clip)
    return FlvStream().receive(path.read_bytes())


def clip_pictures(folder, **clip):
    """(the tracks, the pictures in the order of decoding) of a clip without sound."""
    passthrough = Passthrough()
    placed = []
    for unit in clip_units(folder, tone_hz=0, **clip):
        placed += passthrough.accept(unit, now=0, t_in_us=1_000_000 + len(placed))
    placed += passthrough.accept(unit, now=math.inf, t_in_us=0)  # no sound has come
    (tracks,) = (item for item in placed if isinstance(item, Tracks))
    return tracks, [item for item in placed if isinstance(item, Picture)]

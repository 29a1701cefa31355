"""CLOCK: what a studio tells its edges each second of how long it took, and what it dropped."""

import json
import time
from collections import deque

from ngage.video import message
from ngage.video.delays import TOLD_MAX
from ngage.video.message import Flag, Message, Type

CLOCK_SECONDS = 1.0


class Clock:
    """Told of each media message when it has been made."""

    def __init__(self) -> None:
        self._made_ms: deque[float] = deque(maxlen=TOLD_MAX)
        self._seq = 0

    def made(self, seconds: float) -> None:
        """It took so long from entering to message."""
        self._made_ms.append(round(1000 * seconds, 1))

    def message(self, dropped: int) -> bytes:
        """Of the messages since the last one; `dropped` at the source since it began."""
        payload = json.dumps({"made_ms": list(self._made_ms), "dropped": dropped}).encode()
        self._made_ms.clear()
        now_us = time.time_ns() // 1000
        clock = Message(Type.CLOCK, message.RENDITION_ALL, Flag.NONE, self._seq, 0, now_us, payload)
        self._seq += 1
        return message.pack(clock)

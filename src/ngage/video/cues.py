"""Cues: JSON that belongs to a moment of the show, published as TIMED messages.

A player shows one when its picture gets there, at once if it is later already: so a poll opens for
everybody with the same picture, however far behind each of them is.
"""

import json
from typing import Any

from ngage.errors import PublicationError
from ngage.video.message import RENDITION_ALL, RENDITION_AUDIO, RENDITIONS_MAX, Flag, Message, Type

CUE_BYTES_MAX = 64 << 10
# A player keeps what is to come.
AHEAD_US_MAX = 60_000_000


class Cues:
    """Of one channel, which is told of each message: where the timeline is."""

    def __init__(self) -> None:
        self._seq = 0
        self.begin()

    def begin(self) -> None:
        """Another source: there is no moment yet."""
        self._newest_us: int | None = None
        self._has_picture = False

    def see(self, media: Message) -> None:
        """The newest picture's pts counts, or that of the sound where there is no picture."""
        if media.type is Type.INIT:
            self._has_picture = False
        elif media.type is Type.MEDIA and media.rendition < RENDITIONS_MAX:
            is_picture = media.rendition < RENDITION_AUDIO
            if is_picture or not self._has_picture:
                self._newest_us = media.pts_us
            self._has_picture |= is_picture

    def make(self, data: Any, at_us: int | None, now_us: int) -> Message:
        """The TIMED message. Raises PublicationError."""
        if self._newest_us is None:
            raise PublicationError("no cue before the first picture")
        pts_us = self._newest_us if at_us is None else at_us
        if not 0 <= pts_us <= self._newest_us + AHEAD_US_MAX:
            raise PublicationError(
                f"at_us {at_us}: from 0 to {AHEAD_US_MAX // 1_000_000} s after the newest "
                f"picture, which is at {self._newest_us}"
            )
        try:
            text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            payload = text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise PublicationError(f"data: {error}") from None
        if len(payload) > CUE_BYTES_MAX:
            raise PublicationError(f"data: {len(payload)} bytes, {CUE_BYTES_MAX} at most")
        made = Message(Type.TIMED, RENDITION_ALL, Flag.NONE, self._seq, pts_us, now_us, payload)
        self._seq += 1
        return made

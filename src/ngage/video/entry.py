"""Where in a stream of media messages somebody who has nothing yet may begin."""

from enum import Enum

from ngage.video import message
from ngage.video.message import Flag, Message, Type


class Entry(Enum):
    """What a message is to somebody who waits to begin."""

    INIT = "describes all that follows"
    SYNC = "the first that can be shown after INIT"
    WITHIN = "needs what came before"


class Entries:
    """Sees a stream in order. A sync point is a key frame of the first track that INIT names."""

    def __init__(self) -> None:
        self._rendition: int | None = None

    def see(self, media: Message) -> Entry:
        """Raises ValueError for an INIT without tracks, and for media before the first INIT."""
        if media.type is Type.INIT:
            about, _ = message.parse_tracks(media.payload)
            self._rendition = about["tracks"][0]["id"]
            return Entry.INIT
        if self._rendition is None:
            raise ValueError("media before INIT: nobody could show it")
        if media.rendition == self._rendition and Flag.KEY in media.flags:
            return Entry.SYNC
        return Entry.WITHIN

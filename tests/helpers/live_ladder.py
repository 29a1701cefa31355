"""A ladder of renditions in one channel, as the core lets one viewer see it; needs PyAV and numpy.

with LiveLadder() as show:
    show.rung = 1       # from the next key frame on
    show.cue({"n": 1})

The rungs are of SIZES, then sound only. The same instant is drawn for each of them.
"""

import asyncio
import json
import threading
import time
from concurrent.futures import Future
from typing import Any, Self

import ngage
from ngage.pages import serve_pages
from ngage.video import message
from ngage.video.channel import LIVE_CHANNEL
from ngage.video.encoder import Encoder
from ngage.video.message import RENDITION_ALL, RENDITION_AUDIO, Flag, Message, Track, Type
from ngage.video.message import RENDITION_SOUND_ONLY as SOUND_ONLY
from ngage.video.pattern import Pattern
from ngage.video.programme import TIMESCALE
from tests.helpers.ladder import Soundtrack

FPS = 30
SIZES = ((320, 180), (160, 90))
SOUND_ONLY_RUNG = len(SIZES)
START_SECONDS = 30.0
_TICKS = TIMESCALE // FPS


class LiveLadder:
    """An edge in a thread of its own, with the player's page and this programme in its channel."""

    def __init__(self) -> None:
        self.rung = 0
        self.public = ("", 0)
        self._ready: Future[None] = Future()
        self.report()
        self._thread = threading.Thread(target=self._run, name="ladder", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_SECONDS)

    def reset(self) -> None:
        """The highest rung, and nothing left out."""
        self.rung = 0
        self._left_out.clear()

    def leave_out(self, rendition: int, count: int) -> None:
        """Of what is due next of a rendition, these messages do not arrive."""
        self._left_out[rendition] = count

    def repeat_from_key(self, rung: int) -> None:
        """To another rung at once, which begins with the key frame that has been: as the core does
        for a viewer who has not got all of the group."""
        self._loop.call_soon_threadsafe(self._repeat, rung)

    def cue(self, data: object, delay_us: int = 0) -> int:
        """A cue that much after the newest picture: its pts."""
        pts_us = self.now_us + delay_us
        self.timed(pts_us, json.dumps(data).encode())
        return pts_us

    def timed(self, pts_us: int, payload: bytes) -> None:
        """The message of a cue; the next call has the next seq."""
        self._cues += 1
        cue = Message(Type.TIMED, RENDITION_ALL, Flag.NONE, self._cues, pts_us, 0, payload)
        self._loop.call_soon_threadsafe(self._publish, cue)

    def renew(self) -> None:
        """Another timeline, from the next key frame on."""
        self._renewals += 1
        self._loop.call_soon_threadsafe(self._describe)

    def report(self, **about: object) -> None:
        """What the page is told beside the picture, each second from now on."""
        self._about = {"viewers": 1, "delay_ms": None, "dropped": 0, "notice": "", **about}

    # In the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._patterns = [Pattern(*size, FPS) for size in SIZES]
        self._encoders = [Encoder(*size, FPS) for size in SIZES]
        self._soundtrack = Soundtrack(self._patterns[0], self._encoders[0])
        self._left_out: dict[int, int] = {}
        self._groups: list[list[Message]] = [[] for _ in range(SOUND_ONLY_RUNG + 1)]
        self._carried = self._cues = self._renewals = self.now_us = 0
        async with ngage.Edge(listen="127.0.0.1:0") as edge:
            serve_pages(edge, LIVE_CHANNEL)
            self._channel = edge.channel(
                LIVE_CHANNEL, lag="keyframe", history=512, ring_bytes=8 << 20, deflate=False
            )
            self._info = edge.channel(f"{LIVE_CHANNEL}:info", lag="latest")
            self.public = edge.address
            self._describe()
            await self._play()

    async def _play(self) -> None:
        start, n = self._loop.time(), 0
        while not self._end.is_set():
            self._picture(n)
            if not n:
                self._ready.set_result(None)
            n += 1
            due = start + n / FPS
            await asyncio.sleep(due - self._loop.time())

    def _picture(self, n: int) -> None:
        """Sound first, then every rung's picture, of which one is carried."""
        t_in_us = time.time_ns() // 1000
        sounds = [message.parse(data) for data in self._soundtrack.until((n + 1) * _TICKS, t_in_us)]
        for rung, (encoder, pattern) in enumerate(zip(self._encoders, self._patterns, strict=True)):
            (part,) = encoder.picture(n * _TICKS, _TICKS, pattern.draw(), t_in_us)
            picture = message.parse(part.data)._replace(rendition=rung)
            self._group(rung, sounds, picture)
        key = Flag.KEY in picture.flags
        seconds = n // FPS
        silent = picture._replace(rendition=SOUND_ONLY, seq=seconds, payload=b"") if key else None
        self._group(SOUND_ONLY_RUNG, sounds, silent)
        if key:
            self._carried = self.rung
            self._info.publish(json.dumps(self._about))
        for media in sounds:
            self._publish(media)
        if self._carried < SOUND_ONLY_RUNG or key:
            self._publish(self._groups[self._carried][-1])
        self.now_us = picture.pts_us

    def _group(self, rung: int, sounds: list[Message], picture: Message | None) -> None:
        """What the rung has had from its newest key frame on."""
        if picture and Flag.KEY in picture.flags:
            self._groups[rung] = []
        self._groups[rung] += [*sounds, *([picture] if picture else [])]

    def _repeat(self, rung: int) -> None:
        self.rung = self._carried = rung
        for media in self._groups[rung]:
            self._publish(media)

    def _publish(self, media: Message) -> None:
        if self._left_out.get(media.rendition):
            self._left_out[media.rendition] -= 1
            return
        starts = media.rendition != RENDITION_AUDIO and Flag.KEY in media.flags
        self._channel.publish(message.pack(media), sync=starts)

    def _describe(self) -> None:
        tracks = []
        for rung, encoder in enumerate(self._encoders):
            (about, *others), (init, *inits) = _tracks(encoder)
            tracks.append(_track(rung, about, init))
        sound = [_track(RENDITION_AUDIO, *one) for one in zip(others, inits, strict=True)]
        payload = message.pack_tracks(f"run-{self._renewals}", [*tracks, *sound])
        whole = Message(Type.INIT, RENDITION_ALL, Flag.KEY, 0, 0, 0, payload)
        self._channel.preamble(message.pack(whole))


def _tracks(encoder: Encoder) -> tuple[list[dict[str, Any]], list[bytes]]:
    about, inits = message.parse_tracks(message.parse(encoder.init.data).payload)
    return about["tracks"], inits


def _track(rendition: int, about: dict[str, Any], init: bytes) -> Track:
    known = {key: about[key] for key in ("width", "height", "fps") if key in about}
    return Track(rendition, about["kind"], about["mime"], init, known)

"""A ladder from the studio to a viewer: the edge moves it at key frames, and the sound is whole."""

from collections.abc import Iterator

import pytest
from websockets.sync.client import ClientConnection, connect

from ngage.video import message
from ngage.video.message import RENDITION_AUDIO, RENDITION_SOUND_ONLY, Flag, Message, Type
from tests.helpers.daemon import Daemon
from tests.helpers.studio import Studio, intake
from tests.helpers.wait import wait_until

pytest.importorskip("av")

PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def edge() -> Iterator[Daemon]:
    """With a picture of 360 lines, one of 180 and the sound."""
    with (
        Daemon("--studio", "127.0.0.1:0") as daemon,
        Studio("pattern", "--edge", intake(daemon), "--renditions", "180"),
    ):
        wait_until(lambda: "a studio pushes to live" in daemon.log(), "the studio has come")
        with connection(daemon, "/ws/live") as link:
            link.recv(PATIENCE_SECONDS)  # the INIT that makes the rungs
        yield daemon


class Viewer:
    """What comes, message by message; it checks that the sound has no hole and nothing twice."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._sound: int | None = None

    def next(self) -> Message:
        data = self._connection.recv(PATIENCE_SECONDS)
        assert isinstance(data, bytes)
        media = message.parse(data)
        if media.rendition == RENDITION_AUDIO:
            assert self._sound is None or media.seq == self._sound + 1
            self._sound = media.seq
        return media

    def wish(self, rung: int) -> None:
        self._connection.send(f'{{"t":"r","id":{rung}}}')

    def until_picture_of(self, rendition: int) -> Message:
        """The first picture of a rendition, or what says that there is none."""
        while (media := self.next()).rendition != rendition:
            assert media.type is Type.MEDIA
        return media


def connection(edge: Daemon, path: str) -> ClientConnection:
    return connect(f"{edge.url}{path}", max_size=None, compression=None)


def test_a_viewer_goes_where_it_wishes_at_key_frames(edge: Daemon) -> None:
    with connection(edge, "/ws/live~rt") as link:
        viewer = Viewer(link)
        init = viewer.next()
        about, _ = message.parse_tracks(init.payload)
        assert [(t["id"], t.get("height")) for t in about["tracks"]] == [
            (0, 360),
            (1, 180),
            (RENDITION_AUDIO, None),
        ]
        assert Flag.KEY in viewer.until_picture_of(0).flags
        pts = 0
        for wish, rendition in ((1, 1), (2, RENDITION_SOUND_ONLY), (0, 0), (15, 255), (1, 1)):
            viewer.wish(wish)
            begins = viewer.until_picture_of(rendition)
            assert Flag.KEY in begins.flags
            assert begins.pts_us > pts
            pts = begins.pts_us
        follows = viewer.until_picture_of(1)
        assert (follows.seq, Flag.KEY in follows.flags) == (begins.seq + 1, False)
    metrics = edge.metrics()
    assert metrics["ngage_rungs_down_total"] >= 3  # more where this machine is too busy
    assert metrics["ngage_rungs_up_total"] >= 2


@pytest.mark.parametrize("path", ["/ws/live@1", "/ws/live@1~eco", "/ws/live@2~live"])
def test_every_rung_can_be_had_in_every_class(edge: Daemon, path: str) -> None:
    with connection(edge, path) as link:
        viewer = Viewer(link)
        assert viewer.next().type is Type.INIT
        begins = viewer.until_picture_of(1 if "@1" in path else RENDITION_SOUND_ONLY)
        assert Flag.KEY in begins.flags

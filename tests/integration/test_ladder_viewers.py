"""Viewers of a ladder whose channels are counted: they stay the same ones on whichever rung."""

from collections.abc import Iterator

import pytest

from ngage_core import engine as core
from tests.helpers.raw import Raw
from tests.helpers.tickets import SECRET, ticket
from tests.helpers.wait import wait_until
from tests.oracle.frames import TEXT, client_frame


class Stage:
    """Two counted channels."""

    def __init__(self) -> None:
        self.engine = core.Engine(host="127.0.0.1", port=0, shards=1, connections_per_shard=8)
        self.engine.set_ticket_key(SECRET)
        self.rungs = tuple(
            self.engine.channel(
                name, lag=core.LAG_KEYFRAME, ring_frames=64, ring_bytes=1 << 20, counted=True
            )
            for name in "ab"
        )
        self.address = self.engine.start()
        self.group = 0

    def join(self, name: str, voter: int) -> Raw:
        viewer = Raw(self.address)
        viewer.upgrade(f"/ws/{name}?ticket={ticket(voter)}")
        return viewer

    def move(self, viewer: Raw, rung: int) -> None:
        """At the next sync point, where what the wish is for is there before."""
        viewer.send(client_frame(b'{"t":"r","id":%d}' % rung, TEXT))
        viewer.ping()
        self.group += 1
        for to in (rung, 1 - rung):
            data = b"%d %d" % (to, self.group)
            self.engine.publish(self.rungs[to], data, TEXT, True, self.group)
        while viewer.read_message() != b"%d %d" % (rung, self.group):
            pass

    def viewers(self) -> list[tuple[int, int]]:
        return [self.engine.viewers(rung) for rung in self.rungs]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.engine.stop()


def test_the_viewers_of_a_ladder_are_counted_together(stage: Stage) -> None:
    stage.engine.ladder(stage.rungs)
    with stage.join("a", 1) as viewer, stage.join("b", 1), stage.join("b", 2):
        assert stage.viewers() == [(3, 2)] * 2
        stage.move(viewer, 1)
        assert stage.engine.subscribers(stage.rungs[1]) == 3
        assert stage.viewers() == [(3, 2)] * 2
    wait_until(lambda: stage.viewers() == [(0, 0)] * 2, "nobody")


def test_who_was_on_a_rung_before_the_ladder_leaves_it_as_it_came(stage: Stage) -> None:
    with stage.join("b", 1) as viewer:
        stage.engine.ladder(stage.rungs)
        assert stage.viewers()[1] == (1, 1)
        stage.move(viewer, 0)
        assert stage.viewers() == [(1, 1), (0, 0)]
    wait_until(lambda: stage.viewers() == [(0, 0)] * 2, "nobody")

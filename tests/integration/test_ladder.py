"""Rungs of a ladder on real sockets: who is moved, when, and that what it is sent fits together.

A publication is text: `RUNG GROUP NUMBER`, NUMBER 0 for the sync point of a group, or `sound N`,
which each rung has. Sound follows what a viewer is to change for: it is what makes it look again
where the other rung's sync point was a moment late.

A viewer's stream is right if each picture follows the one before it in its group, groups never go
back, and sound comes once and in order.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import ngage
from ngage.errors import ChannelError, PublicationError
from tests.helpers.backends import BACKENDS
from tests.helpers.raw import Raw
from tests.oracle import frames

RUNGS = ("stage", "stage@1", "stage@2")


class Stage:
    """Publishes a programme into three rungs, the highest first."""

    def __init__(self, edge: ngage.Edge, **options: int) -> None:
        self.rungs = [edge.channel(name, lag="keyframe", history=64, **options) for name in RUNGS]
        edge.ladder(self.rungs)
        self.group = self.number = self.sounds = 0

    def picture(self, *, key: bool = False, rungs: tuple[int, ...] = (0, 1, 2)) -> None:
        if key:
            self.group, self.number = self.group + 1, 0
        for rung in rungs:
            data = f"{rung} {self.group} {self.number}"
            self.rungs[rung].publish(data, key, group=self.group if key else 0)
        self.number += 1

    def late_key(self, rung: int) -> None:
        """The key frame of the present group, from an encoder that is slower."""
        self.rungs[rung].publish(f"{rung} {self.group} 0", sync=True, group=self.group)

    def sound(self) -> None:
        self.sounds += 1
        for channel in self.rungs:
            channel.publish(f"sound {self.sounds}", independent=True)


class Viewer(Raw):
    """Remembers what it has been sent."""

    def __init__(self, edge: ngage.Edge, path: str, *, receive_bytes: int = 0) -> None:
        super().__init__(edge.address, receive_bytes=receive_bytes)
        self.upgrade(path)
        self.seen: list[str] = []

    def wish(self, rung: int) -> None:
        text = json.dumps({"t": "r", "id": rung}, separators=(",", ":"))
        self.send(frames.client_frame(text.encode(), frames.TEXT))
        self.catch_up()

    def catch_up(self) -> list[str]:
        """Everything up to a pong that was asked for now."""
        self.send(frames.client_frame(b"now", frames.PING))
        while (frame := self.read_frame()).opcode != frames.PONG:
            self.seen.append(frame.data.decode())
        return self.seen

    def read_until(self, last: str) -> list[str]:
        while last not in self.seen[-1:]:
            self.seen.append(self.read_message().decode())
        return self.seen


def check(seen: list[str]) -> None:
    sounds = [int(data.split()[1]) for data in seen if data.startswith("sound")]
    assert sounds == [sounds[0] + n for n in range(len(sounds))]
    before = (0, 0, 0)
    for data in seen:
        if data.startswith("sound"):
            continue
        rung, group, number = map(int, data.split())
        if number:
            assert (rung, group, number - 1) == before, seen
        else:
            assert group > before[1], seen
        before = (rung, group, number)


@pytest.fixture(params=BACKENDS)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[ngage.Edge]:
    options = {"shards": 1, "backend": request.param, "send_buffer_bytes": 8192}
    async with ngage.Edge(listen="127.0.0.1:0", **options) as running:
        yield running


async def test_a_wish_is_met_at_the_next_sync_point(edge: ngage.Edge) -> None:
    stage = Stage(edge)
    stage.picture(key=True)
    with Viewer(edge, "/ws/stage") as viewer:
        viewer.read_until("0 1 0")
        viewer.wish(2)
        stage.picture()
        viewer.read_until("0 1 1")
        stage.sound()
        stage.picture(key=True)
        stage.sound()
        seen = viewer.read_until("sound 2")
        assert seen == ["0 1 0", "0 1 1", "sound 1", "2 2 0", "sound 2"]
        assert [channel.subscribers for channel in stage.rungs] == [1, 1, 1]
        viewer.wish(0)  # what is higher is tried at once
        stage.picture(key=True)
        stage.picture()
        assert viewer.read_until("0 3 1")[-2:] == ["0 3 0", "0 3 1"]
    stats = edge.stats()
    assert (stats["rungs_down"], stats["rungs_up"]) == (1, 1)


async def test_who_begins_low_stays_below_what_it_wants_at_most(edge: ngage.Edge) -> None:
    stage = Stage(edge)
    stage.picture(key=True)
    with Viewer(edge, "/ws/stage@2") as viewer:
        viewer.wish(1)
        for _ in range(3):
            stage.picture(key=True)
        assert viewer.read_until("1 4 0") == ["2 1 0", "1 2 0", "1 3 0", "1 4 0"]


async def test_the_rung_below_may_be_published_later(edge: ngage.Edge) -> None:
    stage = Stage(edge)
    stage.picture(key=True)
    with Viewer(edge, "/ws/stage") as viewer:
        viewer.read_until("0 1 0")
        viewer.wish(1)
        stage.picture(key=True, rungs=(0,))
        stage.sound()
        stage.picture(rungs=(0,))
        assert viewer.read_until("sound 1") == ["0 1 0", "sound 1"]
        viewer.catch_up()
        stage.late_key(1)
        stage.sound()  # what the viewer's own rung has next makes it look
        viewer.catch_up()
        stage.picture()
        viewer.read_until("1 2 2")
    assert [data for data in viewer.seen if data[0] != "s"] == ["0 1 0", "1 2 0", "1 2 2"]


async def test_a_rung_that_never_comes_is_waited_for_once(edge: ngage.Edge) -> None:
    stage = Stage(edge)
    stage.picture(key=True)
    with Viewer(edge, "/ws/stage") as viewer:
        viewer.read_until("0 1 0")
        viewer.wish(2)
        for _ in range(3):
            stage.picture(key=True, rungs=(0,))
            stage.picture(rungs=(0,))
            viewer.catch_up()
        assert viewer.read_until("0 4 1")[:3] == ["0 1 0", "0 3 0", "0 3 1"]
        check(viewer.seen)


async def test_who_is_late_goes_down_at_a_sync_point(edge: ngage.Edge) -> None:
    stage = Stage(edge)
    padding = "x" * 4000
    stage.picture(key=True)
    with Viewer(edge, "/ws/stage", receive_bytes=4096) as slow:
        slow.read_until("0 1 0")
        for number in range(1, 200):
            for rung, channel in enumerate(stage.rungs):
                key = number % 10 == 0
                group = 1 + number // 10
                data = f"{rung} {group} {number % 10} {padding}"
                channel.publish(data, key, group=group if key else 0)
        pictures = []
        while not pictures or pictures[-1][1:] != (20, 9):
            rung, group, number = slow.read_message().decode().split()[:3]
            pictures.append((int(rung), int(group), int(number)))
    check([f"{a} {b} {c}" for a, b, c in [(0, 1, 0), *pictures]])
    assert pictures[-1][0] > 0
    assert edge.stats()["rungs_down"] >= 1
    assert edge.stats()["skipped_keyframe"] > 0


async def test_the_last_resort_is_for_who_misses_most_of_every_group(edge: ngage.Edge) -> None:
    rungs = [edge.channel(name, lag="keyframe", history=64) for name in RUNGS[:2]]
    edge.ladder(rungs, last_resort=True)

    def publish(data: str, key: int = 0) -> None:
        for rung, channel in enumerate(rungs):
            independent = data.startswith("sound")
            channel.publish(f"{rung} {data}", key > 0, group=key, independent=independent)

    for group in (1, 2):  # how long a group is
        publish(f"{group} 0", key=group)
        for number in range(1, 601):
            publish(f"{group} {number}")
    began = []
    with Viewer(edge, "/ws/stage", receive_bytes=4096) as slow:
        slow.catch_up()
        for group in range(3, 8):
            publish(f"{group} 0", key=group)
            publish(f"sound {group} begins")
            slow.seen.clear()
            while not slow.seen or not slow.seen[-1].endswith("begins"):
                slow.seen.append(slow.read_message().decode())
            began += [data for data in slow.seen if data.endswith(" 0")]
            for number in range(1, 301):  # past what the socket and the log hold
                publish(f"{group} {number} {'x' * 4000}")
            publish(f"sound {group}")
            while f"sound {group}" not in slow.read_message().decode():
                pass
            for number in range(301, 601):
                publish(f"{group} {number}")
            slow.catch_up()
    assert began == ["0 3 0", "0 4 0", "0 5 0", "1 6 0", "1 7 0"]


async def test_who_waits_for_a_picture_goes_on_with_sound(edge: ngage.Edge) -> None:
    channel = edge.channel("alone", lag="keyframe", history=16)
    channel.publish(b"0" * 5000, sync=True)
    with Raw(edge.address, receive_bytes=4096) as slow:
        slow.upgrade("/ws/alone")
        for number in range(100):  # the key frame leaves the log, and no other is there
            channel.publish(b"%03d" % number + b"x" * 4000)
        channel.publish(b"sound", independent=True)
        channel.publish(b"depends")
        got = []
        while b"sound" not in got:
            got.append(slow.read_message())
        assert edge.stats()["picture_waits"] == 1
        channel.publish(b"still depends")
        channel.publish(b"key", sync=True)
        channel.publish(b"follows")
        assert [slow.read_message() for _ in range(2)] == [b"key", b"follows"]
    numbers = [int(data[:3]) for data in got[1:-1]]
    assert numbers == list(range(len(numbers)))


async def test_a_preamble_that_all_rungs_share_comes_once(edge: ngage.Edge) -> None:
    stage = Stage(edge)
    for channel in stage.rungs:
        channel.preamble("init")
    stage.picture(key=True)
    with Viewer(edge, "/ws/stage") as viewer:
        viewer.read_until("0 1 0")
        viewer.wish(1)
        stage.picture(key=True)
        stage.sound()
        viewer.read_until("sound 1")
        stage.rungs[2].preamble("of its own")
        viewer.wish(2)
        stage.picture(key=True)
        stage.sound()
        seen = viewer.read_until("sound 2")
    assert seen == ["init", "0 1 0", "1 2 0", "sound 1", "of its own", "2 3 0", "sound 2"]


@pytest.mark.parametrize("text", ['{"t":"r","id":}', '{"t":"r","id":-1}', '{"t":"r", "id":1}', "r"])
async def test_what_is_no_wish_is_a_message(edge: ngage.Edge, text: str) -> None:
    Stage(edge)
    edge.channel("other")
    messages = edge.messages()
    with Viewer(edge, "/ws/stage@1") as viewer, Viewer(edge, "/ws/other") as other:
        first = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)  # so that messages are wanted
        viewer.send(frames.client_frame(text.encode(), frames.TEXT))
        message = await first
        assert (message.channel, message.data) == ("stage", text)
        second = asyncio.ensure_future(anext(messages))
        other.send(frames.client_frame(b'{"t":"r","id":1}', frames.TEXT))
        assert (await second).channel == "other"
    await messages.aclose()


STEPS = st.lists(
    st.sampled_from(["key", "picture", "sound", "wait"]) | st.integers(0, 3), max_size=60
)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_whatever_is_wished_the_stream_fits_together(backend: str) -> None:
    async with ngage.Edge(listen="127.0.0.1:0", shards=1, backend=backend) as edge:
        stage = Stage(edge)

        @given(STEPS)
        @hypothesis_settings(max_examples=300)
        def holds(steps: list[str | int]) -> None:
            stage.picture(key=True)
            with Viewer(edge, "/ws/stage") as viewer:
                for step in steps:
                    if step == "key":
                        stage.picture(key=True)
                    elif step == "picture":
                        stage.picture()
                    elif step == "sound":
                        stage.sound()
                    elif step == "wait":
                        viewer.catch_up()
                    else:
                        viewer.wish(int(step))
                stage.picture(key=True)
                stage.picture(key=True)
                stage.picture()
                while not viewer.seen or not viewer.seen[-1].endswith(f" {stage.group} 1"):
                    viewer.seen.append(viewer.read_message().decode())
                check(viewer.seen)

        holds()


async def test_views_are_names_of_one_log(edge: ngage.Edge) -> None:
    stage = edge.channel("stage", lag="keyframe")
    stage.view("stage~eco", tick_ms=10)
    stage.view("stage~eco", tick_ms=10)
    stage.preamble("init")
    with Viewer(edge, "/ws/stage") as plain, Viewer(edge, "/ws/stage~eco") as eco:
        assert stage.subscribers == 2
        stage.publish("key", sync=True)
        stage.publish("next")
        assert plain.read_until("next") == eco.read_until("next") == ["init", "key", "next"]
        stage.disconnect(4000, "over")
        closed = frames.CLOSE, (4000).to_bytes(2, "big") + b"over"
        for viewer in (plain, eco):
            frame = viewer.read_frame()
            assert (frame.opcode, frame.data) == closed
    with pytest.raises(ChannelError, match="another has it"):
        edge.channel("other").view("stage~eco", tick_ms=0)
    with pytest.raises(ChannelError, match="a view of another"):
        edge.channel("stage~eco")
    for number in range(6):
        stage.view(f"stage~{number}", tick_ms=0)
    with pytest.raises(ChannelError, match="the most"):
        stage.view("stage~7", tick_ms=0)


async def test_classes_keep_their_class_on_the_ladder(edge: ngage.Edge) -> None:
    rungs = [edge.channel(name, lag="keyframe") for name in RUNGS[:2]]
    for rung in rungs:
        rung.view(f"{rung.name}~eco", tick_ms=20)
    edge.ladder(rungs)
    with Viewer(edge, "/ws/stage~eco") as viewer:
        rungs[0].publish("0 1 0", sync=True, group=1)
        viewer.read_until("0 1 0")
        viewer.wish(1)
        for rung, channel in reversed(list(enumerate(rungs))):
            channel.publish(f"{rung} 2 0", sync=True, group=2)
        assert viewer.read_until("1 2 0") == ["0 1 0", "1 2 0"]
        assert (rungs[0].subscribers, rungs[1].subscribers) == (1, 1)


async def test_what_is_no_ladder_is_refused(edge: ngage.Edge) -> None:
    a, b, c = (edge.channel(name, lag="keyframe") for name in "abc")
    edge.ladder([a, b])
    edge.ladder([a, b, c])
    d = edge.channel("d", lag="keyframe")
    for wrong in ([b, a], [a, c], [c, d], [a, d], [d, b]):
        with pytest.raises(ChannelError, match="another place"):
            edge.ladder(wrong)
    with pytest.raises(ChannelError, match="each once"):
        edge.ladder([d, d])
    d.view("another-d", tick_ms=0)
    with pytest.raises(ChannelError, match="as many views"):
        edge.ladder([d, edge.channel("without", lag="keyframe")])
    with pytest.raises(PublicationError, match="group"):
        a.publish(b"", sync=True, group=2**64)
    with pytest.raises(ChannelError, match="keyframe"):
        edge.ladder([edge.channel("e", lag="ring")])
    many = [edge.channel(f"many{n}", lag="keyframe") for n in range(17)]
    with pytest.raises(ChannelError, match="16 are the most"):
        edge.ladder(many)

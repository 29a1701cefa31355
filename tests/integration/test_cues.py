"""Cues through the server API, and the delay of what is published, as Prometheus reads it."""

import contextlib
import json
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from ngage.video import message
from ngage.video.message import Flag, Message, Type
from tests.helpers.daemon import Daemon
from tests.helpers.programme import Programme
from tests.helpers.studio import intake
from tests.helpers.wait import wait_until

CHANNEL = "show:live"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """An edge with a show of which four pictures have been published."""
    programme = Programme()
    told = json.dumps({"made_ms": [0.5, 3, 700], "dropped": 0}).encode()
    clock = message.pack(Message(Type.CLOCK, 254, Flag.NONE, 0, 0, 0, told))
    with contextlib.ExitStack() as open_:
        running = open_.enter_context(Daemon("--studio", "127.0.0.1:0"))
        studio = open_.enter_context(connect(f"{intake(running)}/studio/{CHANNEL}"))
        for data in (clock, programme.init, *(programme.picture() for _ in range(4))):
            studio.send(data)
        wait_until(lambda: offset(running) == 4)
        yield running


def offset(daemon: Daemon) -> int:
    answer = daemon.api("history", {"channel": CHANNEL}).json()
    return int(answer.get("result", {}).get("offset", 0))


def test_a_cue_reaches_viewers_with_its_moment(daemon: Daemon) -> None:
    with connect(f"{daemon.url}/ws/{CHANNEL}") as viewer:
        for _ in range(1 + 4):  # INIT and the pictures
            viewer.recv(10)
        answer = daemon.api("cue", {"channel": CHANNEL, "data": {"poll": 7}})
        assert (answer.status_code, answer.json()) == (200, {"result": {"pts_us": 100_000}})
        later = daemon.api("cue", {"channel": CHANNEL, "data": "übung", "at_us": 5_000_000})
        assert later.json() == {"result": {"pts_us": 5_000_000}}
        cues = [message.parse(viewer.recv(10)) for _ in range(2)]
    assert [(c.type, c.pts_us, json.loads(c.payload)) for c in cues] == [
        (Type.TIMED, 100_000, {"poll": 7}),
        (Type.TIMED, 5_000_000, "übung"),
    ]
    assert cues[1].seq == cues[0].seq + 1


@pytest.mark.parametrize(
    ("call", "status", "code", "reason"),
    [
        ({"channel": "nobody", "data": 1}, 404, 102, "unknown channel"),
        ({"channel": f"{CHANNEL}:info", "data": 1}, 400, 107, "carries no video"),
        ({"channel": CHANNEL}, 400, 107, "data"),
        ({"channel": CHANNEL, "data": "x" * 65536}, 400, 107, "65538 bytes"),
        ({"channel": CHANNEL, "data": 1, "at_us": -1}, 400, 107, "at_us"),
        ({"channel": CHANNEL, "data": 1, "at_us": 60_100_001}, 400, 107, "at_us"),
        ({"channel": CHANNEL, "data": 1, "at_us": "now"}, 400, 107, "at_us"),
    ],
)
def test_a_cue_that_cannot_be_is_refused(
    daemon: Daemon, call: dict[str, object], status: int, code: int, reason: str
) -> None:
    before = offset(daemon)
    answer = daemon.api("cue", call)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert reason in error["message"]
    assert offset(daemon) == before


def test_the_delay_of_each_stage_is_a_histogram(daemon: Daemon) -> None:
    samples = daemon.metrics()
    name = "ngage_video_delay_seconds"

    def labels(stage: str, bound: str = "") -> str:
        bounds = f'le="{bound}",' if bound else ""
        return f'channel="{CHANNEL}",{bounds}stage="{stage}"'

    counts = {s: samples[f"{name}_count{{{labels(s)}}}"] for s in ("made", "link", "edge")}
    assert counts == {"made": 3, "link": 4, "edge": 4}
    made = [samples[f"{name}_bucket{{{labels('made', b)}}}"] for b in ("0.005", "0.5", "1.0")]
    assert made == [2, 2, 3]
    assert samples[f"{name}_sum{{{labels('made')}}}"] == pytest.approx(0.7035)
    assert samples[f"{name}_bucket{{{labels('edge', '+Inf')}}}"] == 4
    shown = {key for key in samples if key.startswith(name) and "show:live" not in key}
    assert shown == set()  # no other channel carries video

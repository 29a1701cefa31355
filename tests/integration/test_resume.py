"""Positions and recovery on the raw endpoint: what the 101 says, what comes after it."""

from collections.abc import Iterator

import pytest

from tests.helpers.backends import BACKENDS
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Head, Publisher, Raw

HISTORY = 8


@pytest.fixture(scope="module", params=BACKENDS)
def edge(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with Daemon("--set", f"channel_history={HISTORY}", "--backend", request.param) as daemon:
        yield daemon


@pytest.fixture
def publisher(edge: Daemon) -> Iterator[Publisher]:
    with Publisher(edge) as made:
        yield made


@pytest.fixture
def raw(edge: Daemon) -> Iterator[Raw]:
    with Raw(edge.public) as client:
        yield client


def position(head: Head) -> tuple[str, int]:
    epoch, _, offset = head.headers["ngage-position"].rpartition(":")
    return epoch, int(offset)


def test_a_new_viewer_starts_with_what_comes_next(publisher: Publisher, raw: Raw) -> None:
    newest = publisher.publish("new", b"before")
    head = raw.upgrade("/ws/new")
    assert head.headers["ngage-position"] == newest
    assert head.headers["ngage-client"]
    publisher.publish("new", b"after")
    assert raw.read_message() == b"after"


@pytest.mark.parametrize("missed", [0, 1, HISTORY])
def test_resume_gets_what_was_missed(
    edge: Daemon, publisher: Publisher, raw: Raw, missed: int
) -> None:
    name = f"resume-{missed}"
    last_seen = publisher.publish(name, b"seen")
    sent = [b"%d" % i for i in range(missed)]
    for data in sent:
        publisher.publish(name, data)
    head = raw.upgrade(f"/ws/{name}?since={last_seen}")
    assert head.headers["ngage-recovered"] == "true"
    publisher.publish(name, b"live")
    assert [raw.read_message() for _ in range(missed + 1)] == [*sent, b"live"]


def test_the_position_counts_what_is_received(publisher: Publisher, raw: Raw) -> None:
    """Whoever adds one for each message knows where to resume: position, then 1, 2, 3 on."""
    publisher.publish("count", b"")
    last_seen = publisher.publish("count", b"seen")
    for i in range(3):
        publisher.publish("count", b"%d" % i)
    epoch, offset = position(raw.upgrade(f"/ws/count?since={last_seen}"))
    assert f"{epoch}:{offset}" == last_seen
    assert [raw.read_message() for _ in range(3)] == [b"0", b"1", b"2"]


def test_too_old_is_told(publisher: Publisher, raw: Raw) -> None:
    """Not covered by the history: not recovered, from the newest on."""
    last_seen = publisher.publish("old", b"seen")
    for _ in range(HISTORY + 1):
        newest = publisher.publish("old", b"missed")
    head = raw.upgrade(f"/ws/old?since={last_seen}")
    assert head.headers["ngage-recovered"] == "false"
    assert head.headers["ngage-position"] == newest
    publisher.publish("old", b"live")
    assert raw.read_message() == b"live"


@pytest.mark.parametrize("since", ["ffffffff:1", "{epoch}:99"])
def test_another_epoch_or_the_future_is_not_recovered(
    publisher: Publisher, raw: Raw, since: str
) -> None:
    epoch = publisher.publish("epoch", b"").rpartition(":")[0]
    head = raw.upgrade(f"/ws/epoch?since={since.format(epoch=epoch)}")
    assert head.headers["ngage-recovered"] == "false"
    publisher.publish("epoch", b"live")
    assert raw.read_message() == b"live"


@pytest.mark.parametrize(
    "since", ["", ":", "x:1", "{epoch}", "{epoch}:", "{epoch}:-1", "{epoch}:x"]
)
def test_no_position_is_refused(publisher: Publisher, raw: Raw, since: str) -> None:
    epoch = publisher.publish("epoch", b"").rpartition(":")[0]
    raw.send(raw.request(f"/ws/epoch?since={since.format(epoch=epoch)}"))
    assert raw.read_refusal() == 400

"""An upgrade loses nothing: not a publication, not a position, not an answer to a publisher."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step, Target
from ngage_core.swarm import Swarm, publication
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Publisher, Raw
from tests.helpers.successors import upgradable
from tests.helpers.wait import wait_until

FANS = 500
CLEAN = ["gaps", "duplicates", "reordered", "corrupt", "malformed", "violations", "unrecovered"]


def histories(daemon: Daemon) -> dict[str, Any]:
    """What the server API tells of every channel."""
    with httpx.Client(base_url=f"{daemon.admin}/api/", trust_env=False) as caller:
        names = caller.post("channels", json={}).json()["result"]["channels"]
        asked = {name: {"channel": name, "limit": -1} for name in names}
        return {n: caller.post("history", json=asked[n]).json()["result"] for n in names}


# The log


def test_history_is_the_same_and_goes_on() -> None:
    """Bytes, kinds, offsets, epoch; of a ring that is full and has wrapped too."""
    with upgradable("--set", "channel_history=8") as (daemon, successors):
        for number in range(20):
            daemon.api("publish", {"channel": "wrapped", "data": {"number": number}})
            daemon.api("publish", {"channel": "wrapped", "b64data": "AP8="})
        daemon.api("publish", {"channel": "text", "data": "\u00e9\u20ac"})
        daemon.api("publish", {"channel": "large", "b64data": "AAAA" * 250_000})
        before = histories(daemon)
        assert len(before["wrapped"]["publications"]) == 8
        for _ in range(3):
            successors.upgrade()
            assert histories(daemon) == before
        result = daemon.api("publish", {"channel": "wrapped", "data": 1}).json()["result"]
        position = before["wrapped"]
        assert result == {"epoch": position["epoch"], "offset": 41}


def test_many_channels() -> None:
    with upgradable("--set", "channel_history=4") as (daemon, successors):
        with Publisher(daemon) as publisher:
            for number in range(900):
                publisher.publish(f"room:{number % 300}", b"%d" % number)
        before = histories(daemon)
        assert len(before) == 300
        successors.upgrade()
        assert histories(daemon) == before


def test_declared_channels_get_what_the_file_says_now(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("[channels.stage]\nhistory = 64\n")
    with upgradable("--config", str(config)) as (daemon, successors):
        with Publisher(daemon) as publisher:
            positions = [publisher.publish("stage", b"%d" % number) for number in range(10)]
        config.write_text("[channels.stage]\nhistory = 4\n[channels.added]\n")
        successors.upgrade()
        held = histories(daemon)
        assert sorted(held) == ["added", "stage"]
        offsets = [one["offset"] for one in held["stage"]["publications"]]
        assert offsets == [7, 8, 9, 10]
        with Raw(daemon.public) as raw:
            head = raw.upgrade(f"/ws/stage?since={positions[5]}")
            assert head.headers["ngage-recovered"] == "true"
            assert [raw.read_message() for _ in range(4)] == [b"6", b"7", b"8", b"9"]


def test_the_demonstration_goes_on() -> None:
    """Its channels keep their epochs; the predecessor's has ended before the successor's begins."""
    with upgradable("--demo") as (daemon, successors):
        names = ["demo:video:info", "demo:video"]
        before = {name: wait_for_offset(daemon, name, 1) for name in names}
        successors.upgrade()
        for name in names:
            epoch, offset = before[name]
            assert wait_for_offset(daemon, name, offset + 2)[0] == epoch


def test_the_demonstrations_directory_is_handed_over(tmp_path: Path) -> None:
    """With its event and its secret; who has it at last removes it."""
    with upgradable("--demo", env={"TMPDIR": str(tmp_path)}) as (daemon, successors):
        daemon.do("event_create", {"id": "gala", "title": "Gala"})
        (directory,) = tmp_path.glob("ngage-demo-*")
        secret = (directory / "secret").read_bytes()
        for _ in range(2):
            successors.upgrade()
        assert daemon.wait() == 0
        assert daemon.do("event_get", {"id": "gala"})["event"]["title"] == "Gala"
        assert list(tmp_path.glob("ngage-demo-*")) == [directory]
        assert (directory / "secret").read_bytes() == secret
    assert not list(tmp_path.glob("ngage-demo-*"))


def wait_for_offset(daemon: Daemon, name: str, offset: int) -> tuple[str, int]:
    """The position of a channel that has come to `offset`."""
    found: dict[str, Any] = {}

    def arrived() -> bool:
        found.update(daemon.api("history", {"channel": name, "limit": 0}).json()["result"])
        return bool(found["offset"] >= offset)

    wait_until(arrived, f"{name} to come to {offset}")
    return found["epoch"], found["offset"]


# Those who resume


class Publishing(threading.Thread):
    """Publishes to `stage` on one kept connection until it is stopped; any failure is kept."""

    def __init__(self, daemon: Daemon, size: int, on_first: Callable[[str], None]) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.positions: list[str] = []
        self.failure: Exception | None = None
        self._daemon = daemon
        self._size = size
        self._on_first = on_first
        self._stopped = threading.Event()

    def __enter__(self) -> "Publishing":
        self.start()
        self.wait_for_more(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        try:
            with Publisher(self._daemon) as publisher:
                while not self._stopped.wait(0.002):
                    data = publication(time.monotonic_ns(), len(self.sent) + 1, self._size)
                    self.sent.append(data)
                    self.positions.append(publisher.publish("stage", data))
                    if len(self.positions) == 1:
                        self._on_first(self.positions[0])
        except Exception as error:
            self.failure = error

    def wait_for_more(self, count: int) -> None:
        wanted = len(self.positions) + count
        wait_until(lambda: self.failure is not None or len(self.positions) >= wanted)
        assert self.failure is None

    def check(self) -> None:
        """Every publication was accepted, at the next offset of one epoch."""
        assert self.failure is None
        epochs, offsets = zip(*(position.split(":") for position in self.positions), strict=True)
        assert len(set(epochs)) == 1
        assert [int(offset) for offset in offsets] == list(range(1, len(self.sent) + 1))


def nothing(_: str) -> None:
    """On the first publication."""


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_client_gets_exactly_what_it_missed(compression: str | None) -> None:
    """Who inflates gets what the predecessor held as it was published, the rest compressed."""
    with (
        upgradable() as (daemon, successors),
        Publishing(daemon, 600, nothing) as publishing,
    ):
        with connect(f"{daemon.url}/ws/stage", compression=compression) as client:
            epoch, _, first = position(client).rpartition(":")
            successors.upgrade()
            received = list(messages(client))
            assert client.close_code == 1012
        publishing.wait_for_more(20)
        since = f"{epoch}:{int(first) + len(received)}"
        with connect(f"{daemon.url}/ws/stage?since={since}", compression=compression) as client:
            assert client.response
            assert client.response.headers["Ngage-Recovered"] == "true"
            assert position(client) == since
            publishing.wait_for_more(20)
            wanted = len(publishing.positions) - int(first)
            received += [client.recv(10) for _ in range(wanted - len(received))]
    publishing.check()
    assert received == publishing.sent[int(first) :][:wanted]


def position(client: ClientConnection) -> str:
    assert client.response
    return client.response.headers["Ngage-Position"]


def messages(client: ClientConnection) -> Iterator[str | bytes]:
    """Until the edge closes."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield client.recv(20)


BACK_OFF = Delay(Distribution.UNIFORM, 0.1, 0.5)
COMES_BACK = Persona(
    steps=(Step(), Step(Action.STAY, 0, BACK_OFF, ((1.0, 2),)), Step(Action.RESUME)), lost=1
)


@pytest.mark.parametrize("upgrades", [1, 3])
def test_a_crowd_comes_back_and_misses_nothing(upgrades: int) -> None:
    with upgradable("--shards", "2") as (daemon, successors), crowd(daemon) as swarm:
        with Publishing(daemon, 128, lambda first: anchor(swarm, first)) as publishing:
            for number in range(1, upgrades + 1):
                successors.upgrade()
                wait_for_recovered(swarm, number * FANS)
                publishing.wait_for_more(20)
        assert publishing.failure is None
        assert swarm.wait_received(len(publishing.sent), 30), swarm.progress()
        counters = swarm.progress()
        assert swarm.violations() == []
        assert swarm.close_codes() == {1012: upgrades * FANS}
    assert counters["recovered"] == upgrades * FANS
    assert counters["received"] == FANS * len(publishing.sent)
    assert {name: counters[name] for name in CLEAN} == dict.fromkeys(CLEAN, 0)


@contextlib.contextmanager
def crowd(daemon: Daemon) -> Iterator[Swarm]:
    """Fans in front of /ws/stage, all connected, who await the publication numbered 1."""
    with Publisher(daemon) as publisher:
        publisher.publish("stage", b"creates the channel")
    swarm = Swarm(
        [Target(*daemon.public, "/ws/stage")],
        fans=FANS,
        personas=[COMES_BACK],
        source="127.0.0.0/8",
        check_padding=True,
    )
    try:
        assert swarm.connect(30) == FANS, swarm.close_codes()
        swarm.reset(1)
        yield swarm
    finally:
        swarm.stop()


def anchor(swarm: Swarm, first: str) -> None:
    """What is numbered 1 has the offset 2."""
    swarm.anchor(0, int(first.partition(":")[0], 16), -1)


def wait_for_recovered(swarm: Swarm, count: int) -> None:
    wait_until(lambda: swarm.progress()["recovered"] >= count, f"{count} fans to come back")


# Successors that fail

PREPARES = """
import json, os, socket, time
handover = json.loads(os.environ["NGAGE_UPGRADE"])
predecessor = socket.socket(fileno=handover["predecessor_descriptor"])
predecessor.send(b"prepared")
"""
FAULTS = {
    "dies at once": "os._exit(3)",
    "dies when it has prepared": PREPARES + "os._exit(3)",
    "dies when it has the logs": PREPARES + "socket.recv_fds(predecessor, 64, 253); os._exit(3)",
    "is silent": "import time; time.sleep(600)",
    "is silent when it has the logs": PREPARES + "time.sleep(600)",
}


def plant(fault: str, directory: Path, prepare_seconds: float = 30) -> dict[str, str]:
    """Python runs sitecustomize in every process of the daemon before anything else."""
    (directory / "sitecustomize.py").write_text(
        "import os\n"
        "import ngage.daemon.upgrade as upgrade\n"
        f"upgrade.PREPARE_SECONDS = {prepare_seconds}\n"
        "upgrade.RESTORE_SECONDS = 0.3\n"
        f"if 'NGAGE_UPGRADE' in os.environ:\n    exec({fault!r})\n"
    )
    paths = [str(directory), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_successor_that_fails_changes_nothing(fault: str, tmp_path: Path) -> None:
    with Daemon(env=plant(FAULTS[fault], tmp_path, prepare_seconds=0.3)) as daemon:
        check_failed_upgrade(daemon)


def test_a_successor_that_fails_lets_go_of_the_events(tmp_path: Path) -> None:
    """It has them, and is silent."""
    data = tmp_path / "data"
    takes = f"import fcntl; fcntl.flock(open({str(data / 'lock')!r}, 'ab'), fcntl.LOCK_EX)"
    fault = PREPARES + f"socket.recv_fds(predecessor, 64, 253)\n{takes}; time.sleep(600)"
    with Daemon("--data", str(data), env=plant(fault, tmp_path)) as daemon:
        check_failed_upgrade(daemon)
        assert "cannot go on" not in daemon.log()


def test_events_that_cannot_be_opened_again_come_back(tmp_path: Path) -> None:
    """Callers are answered meanwhile."""
    data = tmp_path / "data"
    env = plant(FAULTS["dies when it has the logs"], tmp_path)
    with Daemon("--data", str(data), env=env) as daemon:
        daemon.do("event_create", {"id": "gala", "title": "Gala"})
        (data / "lock").unlink()
        (data / "lock").mkdir()
        daemon.send_signal(signal.SIGUSR2)
        wait_until(lambda: "events:" in daemon.get("/healthz/ready").text, "the trouble")
        assert daemon.get("/healthz/ready").status_code == 200
        (data / "lock").rmdir()
        wait_until(lambda: daemon.get("/healthz/ready").text == "serving\n", "the events")
        assert daemon.do("event_get", {"id": "gala"})["event"]["title"] == "Gala"


def test_a_successor_with_bad_settings_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("")
    with Daemon("--config", str(config)) as daemon:
        config.write_text("shards = -1\n")
        check_failed_upgrade(daemon)


def check_failed_upgrade(daemon: Daemon) -> None:
    """Two attempts under publication; clients, publisher and new callers notice nothing."""
    with Publishing(daemon, 64, nothing) as publishing, Raw(daemon.public) as raw:
        first = int(raw.upgrade("/ws/stage").headers["ngage-position"].rpartition(":")[2])
        for attempt in (1, 2):
            daemon.send_signal(signal.SIGUSR2)
            wait_for_errors(daemon, attempt)
            assert daemon.get("/healthz/ready").status_code == 200
            publishing.wait_for_more(10)
        wanted = len(publishing.positions) - first
        received = [raw.read_message() for _ in range(wanted)]
    publishing.check()
    assert received == publishing.sent[first : first + wanted]
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log()


def wait_for_errors(daemon: Daemon, count: int) -> None:
    said = "the successor did not start"
    wait_until(lambda: daemon.log().count(said) == count, f"{count} errors")

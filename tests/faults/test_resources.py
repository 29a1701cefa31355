"""Rows R1, R2, R7, X11, X14 and X17: descriptors run out, readers stall, peers vanish."""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.backends import BACKENDS
from tests.helpers.counters import all_zero, gauges, refused
from tests.helpers.daemon import Daemon, run_edge
from tests.helpers.process import resident_bytes
from tests.helpers.raw import GoodClients, Raw, settings
from tests.helpers.wait import wait_until
from tests.oracle import frames

MIB = 1 << 20


@contextmanager
def descriptor_limit(pid: int, soft: int) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def answer(client: Raw) -> int:
    """The status of the handshake; 0 if the connection was closed without an answer."""
    try:
        client.send(client.request("/ws/stage"))
        return client.read_head().status
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return 0


# R1


def test_r1_descriptors_run_out() -> None:
    """Lowered under the running edge: the 40 it has left are used up, then 60 are refused."""
    with Daemon("--shards", "1") as edge, GoodClients(edge) as good:
        with descriptor_limit(edge.pid, 64):
            crowd = [Raw(edge.public) for _ in range(100)]
            answers = [answer(client) for client in crowd]
            assert set(answers) <= {0, 101, 503}
            assert 0 < answers.count(101) < 64
            good.check()
            for client in crowd:
                client.socket.close()
            wait_until(
                lambda: gauges(edge)["client_connections"] == len(good.clients), "they are gone"
            )
            with Raw(edge.public) as client:
                client.upgrade("/ws/stage")
        assert refused(edge, "descriptors") == len(crowd) - answers.count(101)
        good.check()


def test_r1_a_full_shard_answers_503() -> None:
    with Daemon("--shards", "1", "--max-connections", "20") as edge, GoodClients(edge) as good:
        crowd = [Raw(edge.public) for _ in range(40)]
        answers = []
        for client in crowd:
            client.send(client.request("/ws/stage"))
            head = client.read_head()
            answers.append(head.status)
            assert head.status == 101 or int(head.headers["retry-after"]) > 0
        assert (answers.count(101), answers.count(503)) == (10, 30)
        assert refused(edge, "full") == 30
        good.check()
        for client in crowd:
            client.socket.close()


# R2


def test_r2_more_connections_than_descriptors() -> None:
    wanted = ["--shards", "1", "--max-connections", "4000000000"]
    code, _, log = run_edge("--strict", *wanted)
    assert (code, log.count("max_connections")) == (78, 1)
    with Daemon(*wanted) as edge, GoodClients(edge) as good:
        assert edge.log().count("max_connections") == 1
        good.check()


# R7


@pytest.mark.memory
@pytest.mark.parametrize("backend", BACKENDS)
def test_r7_readers_that_stall_cost_nothing(tmp_path: Path, backend: str) -> None:
    """500 viewers with a closed window, 16 MiB published past them over a ring of 1 MiB."""
    config = tmp_path / "edge.toml"
    config.write_text('[channels.stage]\nlag = "ring"\nring_bytes = 1048576\n')
    arguments = ["--config", str(config), *settings(send_buffer_bytes=16384)]
    with Daemon(*arguments, "--backend", backend) as edge, GoodClients(edge, count=3) as good:
        stalled = [Raw(edge.public, receive_bytes=4096) for _ in range(500)]
        for client in stalled:
            client.upgrade("/ws/stage")
        good.check()
        before = resident_bytes(edge.pid)
        data = bytes(8192)
        for _ in range(2048):
            good.publisher.publish("stage", data)
            for client in good.clients:
                assert client.read_message() == data
        assert resident_bytes(edge.pid) - before < 4 * MIB
        assert gauges(edge)["outboxes"] == 0
        good.check()
        for client in stalled:
            client.socket.close()


# X11


def test_x11_an_edge_that_was_stopped_reads_before_it_judges() -> None:
    """The rest of a message came in time, but the edge woke after the deadline."""
    with (
        Daemon(*settings(message_timeout_seconds=2)) as edge,
        GoodClients(edge) as good,
        Raw(edge.public) as client,
    ):
        client.upgrade("/ws/stage")
        data = frames.client_frame(b"hello", frames.BINARY)
        client.send(data[:-1])
        wait_until(lambda: gauges(edge)["inbound_states"] == 1, "half a message is there")
        edge.send_signal(signal.SIGSTOP)
        client.send(data[-1:])
        time.sleep(3)  # that time passes is the fault itself
        edge.send_signal(signal.SIGCONT)
        client.ping()
        good.check()


# X14


@pytest.mark.parametrize("backend", BACKENDS)
def test_x14_drain_under_load(backend: str) -> None:
    arguments = ["--drain-seconds", "5", "--backend", backend]
    with Daemon(*arguments) as edge, GoodClients(edge, count=200) as good:
        stuck = Raw(edge.public)
        good.check()
        edge.send_signal(signal.SIGTERM)
        for client in good.clients:
            assert client.read_close() == 1001
        stuck.read_to_end()
        stuck.socket.close()
        assert edge.wait() == 0


def test_x14_a_second_signal_ends_at_once() -> None:
    """The clients never answer the close, so the drain would last for an hour."""
    hour = settings(drain_seconds=3600, close_timeout_seconds=60)
    with Daemon(*hour) as edge, GoodClients(edge) as good:
        good.check()
        edge.send_signal(signal.SIGTERM)
        for client in good.clients:
            assert client.read_frame().opcode == frames.CLOSE
        edge.send_signal(signal.SIGTERM)
        assert edge.wait() == 0


# X17

HALF_OF = {
    "connection": lambda client: None,
    "head": lambda client: client.send(client.request("/ws/stage")[:50]),
    "frame header": lambda client: (client.upgrade("/ws/stage"), client.send(b"\x82\xfe\x01")),
    "frame": lambda client: (
        client.upgrade("/ws/stage"),
        client.send(frames.client_frame(bytes(1000), frames.BINARY)[:500]),
    ),
    "message": lambda client: (
        client.upgrade("/ws/stage"),
        client.send(frames.client_frame(bytes(1000), frames.BINARY, fin=False)),
    ),
}


@pytest.fixture(scope="module", params=BACKENDS)
def edge(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with Daemon("--backend", request.param) as daemon:
        yield daemon


@pytest.mark.parametrize("half", HALF_OF)
@pytest.mark.parametrize("leave", ["FIN", "RST"])
def test_x17_peers_leave_in_the_middle(edge: Daemon, half: str, leave: str) -> None:
    with GoodClients(edge) as good:
        for _ in range(50):
            client = Raw(edge.public)
            HALF_OF[half](client)
            if leave == "RST":
                client.reset()
            else:
                client.socket.close()
        good.check()
    wait_until(lambda: all_zero(edge), f"gauges at zero: {gauges(edge)}")
    assert "Traceback" not in edge.log()


def test_x17_reset_in_the_middle_of_a_broadcast(edge: Daemon) -> None:
    """The frame is half written, to a peer who then resets: the slot and the cursor come back."""
    with GoodClients(edge) as good:
        leaving = [Raw(edge.public, receive_bytes=4096) for _ in range(50)]
        for client in leaving:
            client.upgrade("/ws/stage")
        data = bytes(4 * MIB - 1)
        good.publisher.publish("stage", data)
        for client in good.clients:
            assert client.read_message() == data
        for client in leaving:
            client.reset()
        good.check()
    wait_until(lambda: all_zero(edge), f"gauges at zero: {gauges(edge)}")


KILLED = """
import sys
from tests.helpers.raw import Raw
from tests.oracle import frames
clients = [Raw((sys.argv[1], int(sys.argv[2]))) for _ in range(50)]
for client in clients:
    client.upgrade("/ws/stage")
    client.send(frames.client_frame(bytes(1000), frames.BINARY)[:500])
print("connected", flush=True)
sys.stdin.read()
"""


def test_x17_a_client_process_is_killed(edge: Daemon) -> None:
    host, port = edge.public
    with GoodClients(edge) as good:
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, host, str(port)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == b"connected\n"
            assert gauges(edge)["client_subscriptions"] == 50 + len(good.clients)
            process.kill()
        good.check()
    wait_until(lambda: all_zero(edge), f"gauges at zero: {gauges(edge)}")

"""ngage-edge as an operator meets it: its one line, its exit codes, its signals."""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.helpers.daemon import Daemon, run_edge
from tests.helpers.raw import GoodClients
from tests.helpers.seccomp import IO_URING_SETUP, refused
from tests.helpers.wait import wait_until

FANS = Origin("https://fans.example")
UPGRADE = (
    "GET /echo HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@contextlib.contextmanager
def client_that_never_closes(daemon: Daemon) -> Iterator[None]:
    """An upgraded connection that does not answer the close handshake."""
    with socket.create_connection(daemon.public, 10) as peer:
        peer.sendall(UPGRADE.format(host="{}:{}".format(*daemon.public)).encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 101")
        yield


def close_code(daemon: Daemon, number: signal.Signals) -> int:
    """The code a client is closed with after the daemon got a signal."""
    with connect(f"{daemon.url}/echo") as client:
        client.send("here")
        assert client.recv(10) == "here"
        daemon.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(20)
    assert closed.value.rcvd
    return closed.value.rcvd.code


# Starting


def test_ready_line_is_all_there_is_on_stdout() -> None:
    with Daemon() as daemon:
        assert daemon.pid == daemon.process.pid
        assert daemon.get("/healthz/live").status_code == 200
        assert daemon.get("/healthz/ready").status_code == 200
        assert daemon.stop() == 0
        assert daemon.process.stdout
        assert daemon.process.stdout.read() == b""


@pytest.mark.parametrize("flag", ["--listen", "--admin"])
def test_port_taken(flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, out, err = run_edge(flag, f"127.0.0.1:{other.getsockname()[1]}")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "Address already in use" in err


def test_data_of_another_edge_is_taken(tmp_path: Path) -> None:
    with Daemon("--data", str(tmp_path)):
        code, out, err = run_edge("--data", str(tmp_path))
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"another ngage-edge uses data = {str(tmp_path)!r}" in err


def test_port_of_another_edge_is_taken() -> None:
    with Daemon() as daemon:
        code, out, err = run_edge("--listen", "{}:{}".format(*daemon.public))
    assert (code, out, err.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bogus"],
        ["--shards", "-1"],
        ["--set", "shards"],
        ["--set", "no_such_key=1"],
        ["--listen", "nowhere"],
        ["--admin", "0.0.0.0:0"],
        ["--config", "/no/such/file.toml"],
        ["--demo", "/no/such/film.mp4"],
        ["--log-level", "loud"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    code, out, err = run_edge(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "why"),
    [("EPERM", "kernel.io_uring_disabled"), ("ENOSYS", "none"), ("EINVAL", "Linux 6.1")],
)
def test_io_uring_asked_for_and_refused(error: str, why: str) -> None:
    """The kernel's refusal, what it means, and what works instead, in one line."""
    wrapper = refused(IO_URING_SETUP, error)
    code, out, err = run_edge("--backend", "io_uring", wrapper=wrapper)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert why in err
    assert 'backend = "epoll"' in err


def test_auto_serves_where_io_uring_is_refused() -> None:
    with Daemon(wrapper=refused(IO_URING_SETUP, "EPERM")) as daemon, GoodClients(daemon) as good:
        good.check()


def test_version() -> None:
    code, out, _ = run_edge("--version")
    assert code == 0
    assert out.startswith("ngage-edge ")


def test_strict_refuses_what_does_not_fit() -> None:
    code, out, err = run_edge("--strict", "--max-connections", str(1 << 32))
    assert (code, out) == (78, "")
    assert err.count("\n") == 1


def test_fewer_connections_than_wanted_are_one_warning() -> None:
    arguments = ("--shards", "1", "--max-connections", "5000")
    with Daemon(*arguments, wrapper=("prlimit", "--nofile=2000:2000")) as daemon:
        warnings = [line for line in daemon.log().splitlines() if "WARNING" in line]
        assert len(warnings) == 1
        assert "max_connections 5000 lowered to" in warnings[0]
        assert "RLIMIT_NOFILE 2000" in warnings[0]


def test_settings_from_file_and_environment(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(
        'name = "stage left"\nlog_format = "json"\n[channels.stage]\nlag = "latest"\n'
    )
    with Daemon("--config", str(config), env={"NGAGE_ECHO": "1"}) as daemon:
        assert daemon.api("info", {}).json()["result"]["nodes"][0]["name"] == "stage left"
        assert list(daemon.api("channels", {}).json()["result"]["channels"]) == ["stage"]
        with connect(f"{daemon.url}/echo") as client:
            client.send(b"\x00")
            assert client.recv(10) == b"\x00"
        assert daemon.stop() == 0
        entries = [json.loads(line) for line in daemon.log().splitlines()]
        assert all(entry["message"] and entry["time"] for entry in entries)


def test_metrics_count_connections() -> None:
    with Daemon("--echo") as daemon:
        with connect(f"{daemon.url}/echo"):
            assert daemon.metrics()["ngage_client_connections"] == 1
        wait_until(lambda: daemon.metrics()["ngage_client_connections"] == 0)
        metrics = daemon.metrics()
        assert metrics["ngage_client_connections_accepted_total"] == 1
        assert any(name.startswith("ngage_build_info") for name in metrics)


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains(number: signal.Signals) -> None:
    with Daemon("--echo") as daemon:
        assert close_code(daemon, number) == 1001
        assert daemon.wait() == 0
        assert "Traceback" not in daemon.log()


def test_while_draining_it_is_not_ready_and_a_second_signal_ends_it() -> None:
    # A client that never answers holds the drain open for as long as close_timeout_seconds.
    slow = ("--drain-seconds", "600", "--set", "close_timeout_seconds=60")
    with Daemon("--echo", *slow) as daemon, client_that_never_closes(daemon):
        daemon.send_signal(signal.SIGTERM)
        wait_until(lambda: daemon.get("/healthz/ready").status_code == 503, "readiness to fail")
        assert daemon.get("/healthz/live").status_code == 200
        with pytest.raises(ConnectionError):
            socket.create_connection(daemon.public, 10).close()
        assert daemon.process.poll() is None
        assert daemon.stop() == 0


def test_drain_ends_at_its_deadline() -> None:
    short = ("--drain-seconds", "0.2", "--set", "close_timeout_seconds=60")
    with Daemon("--echo", *short) as daemon, client_that_never_closes(daemon):
        assert daemon.stop() == 0
        assert "1 connections left" in daemon.log()


# Reloading


def test_reload(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text('api_key = "old"\n')
    with Daemon("--config", str(config)) as daemon:
        config.write_text('api_key = "new"\nname = "b"\n[channels.added]\nhistory = 16\n')
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.api("info", {}, key="new").status_code == 200, "the new key")
        assert daemon.api("info", {}, key="old").status_code == 401
        channels = daemon.api("channels", {}, key="new").json()["result"]["channels"]
        assert list(channels) == ["added"]
        wait_until(lambda: "need a restart: name" in daemon.log(), "the warning")


def test_reload_of_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text('api_key = "old"\n')
    with Daemon("--config", str(config)) as daemon:
        config.write_text('api_key = "new"\nshards = -1\n')
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "the old settings stay" in daemon.log(), "the error")
        assert "shards = -1" in daemon.log()
        assert daemon.api("info", {}, key="old").status_code == 200
        assert daemon.stop() == 0


def test_reload_of_what_the_core_refuses_changes_nothing(tmp_path: Path) -> None:
    """Not even what was fine, as who may subscribe."""
    config = tmp_path / "edge.toml"
    stricter = 'namespace_subscribe = "token"\n[channels.stage]\n'
    config.write_text("[channels.stage]\n")
    with Daemon("--config", str(config)) as daemon:
        for number, name in enumerate(("x" * 300, "y" * 300), 1):
            config.write_text(f"{stricter}[channels.{name}]\n")
            daemon.send_signal(signal.SIGHUP)
            said = "not reloaded, the old settings stay"
            wait_until(lambda said=said, n=number: daemon.log().count(said) == n, "the error")
            with connect(f"{daemon.url}/ws/stage"):
                pass
        config.write_text(stricter)
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings reloaded" in daemon.log(), "the reload")
        with pytest.raises(InvalidStatus), connect(f"{daemon.url}/ws/stage"):
            raise AssertionError


def test_reload_of_origins(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("")
    with Daemon("--echo", "--config", str(config)) as daemon:
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"{daemon.url}/echo", origin=FANS)
        config.write_text('allowed_origins = ["https://fans.example"]\n')
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings reloaded" in daemon.log(), "the reload")
        with connect(f"{daemon.url}/echo", origin=FANS) as client:
            client.send("welcome")
            assert client.recv(10) == "welcome"


# Upgrading


def test_upgrade_of_a_successor() -> None:
    with Daemon() as daemon:
        pids = []
        try:
            for _ in range(2):
                os.kill(pids[-1] if pids else daemon.pid, signal.SIGUSR2)
                pids.append(int(daemon.read_line().rpartition("pid=")[2]))
            assert daemon.wait() == 0
            assert len({daemon.pid, *pids}) == 3
            # A predecessor that is ending may still cut off a caller: that is no answer yet.
            wait_until(lambda: daemon_answers(daemon), "the last one")
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not daemon_answers(daemon), "the successors to end")


def test_upgrade_hands_over_both_ports() -> None:
    with Daemon("--echo") as daemon:
        daemon.api("publish", {"channel": "stage", "data": 1})
        assert close_code(daemon, signal.SIGUSR2) == 1012
        line = daemon.read_line()
        successor = int(line.rpartition("pid=")[2])
        try:
            assert f"public=http://127.0.0.1:{daemon.public[1]} admin={daemon.admin} " in line
            assert successor != daemon.pid
            assert daemon.wait() == 0
            assert daemon.get("/healthz/ready").status_code == 200
            with connect(f"{daemon.url}/ws/stage") as client:
                daemon.api("publish", {"channel": "stage", "data": "again"})
                assert client.recv(10) == '"again"'
        finally:
            os.kill(successor, signal.SIGTERM)
        wait_until(lambda: not daemon_answers(daemon), "the successor to end")


def test_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("")
    with Daemon("--config", str(config)) as daemon:
        config.write_text("shards = -1\n")
        daemon.send_signal(signal.SIGUSR2)
        wait_until(lambda: "the successor did not start" in daemon.log(), "the error")
        assert daemon.get("/healthz/ready").status_code == 200
        assert daemon.api("publish", {"channel": "stage", "data": 1}).status_code == 200
        assert daemon.stop() == 0


def daemon_answers(daemon: Daemon) -> bool:
    try:
        return daemon.get("/healthz/live").status_code == 200
    except httpx.TransportError:
        return False


# The service manager


def test_systemd_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        with Daemon(env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as daemon:
            assert manager.recv(256) == b"READY=1"
            daemon.send_signal(signal.SIGHUP)
            assert manager.recv(256).startswith(b"RELOADING=1")
            assert manager.recv(256) == b"READY=1"
            assert daemon.stop() == 0
        assert manager.recv(256) == b"STOPPING=1"

"""Server processes: small scripts, and the real ngage-edge."""

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from ngage.errors import ServerError
from ngage.mob.measure.footprint import count_descriptors, read_cpu_seconds
from ngage.mob.model import Server
from ngage.mob.world import servers as module
from ngage.mob.world.health import read_metrics
from ngage.mob.world.ports import Ports
from ngage.mob.world.servers import ServerProcess, serving
from tests.helpers.wait import eventually

READY = "print('x ready public=http://127.0.0.1:8', flush=True);"
EDGE = Server(
    name="edge",
    command=("ngage-edge", "--config", "{config}", "--admin", "127.0.0.1:0", "--shards=2"),
    config='listen = "127.0.0.1:0"\ndrain_seconds = 0.5\n',
)


def script(code: str, *arguments: str, name: str = "one") -> Server:
    return Server(name=name, command=(sys.executable, "-c", code, *arguments))


def gone(pid: int) -> bool:
    """Ended: reaped, or a zombie of another parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def serve(*servers: Server):
    return serving(servers, dict(os.environ))


async def test_reads_addresses_and_drains_output() -> None:
    code = (
        "import sys, time; print('x ready public=http://127.0.0.1:81 admin=http://127.0.0.1:82',"
        "flush=True); [print('line', i, file=sys.stderr) for i in range(100000)];"
        "print('all', file=sys.stderr, flush=True); time.sleep(60)"
    )
    async with serve(script(code)) as servers:
        one = servers["one"]
        assert (one.public, one.admin) == (("127.0.0.1", 81), ("127.0.0.1", 82))
        await eventually(lambda: one.stderr[-1:] == ["all"], "all lines")
        assert one.stderr[:-1] == [f"line {i}" for i in range(100_000 - 99, 100_000)]
        pid = one.pid
        assert pid and one.running
    assert gone(pid)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('no port left')", r"exit code 1.*no port left"),
        ("import os; os.abort()", r"signal SIGABRT"),
        (f"{READY.replace(':8', '')} input()", r"no URL with host and port"),
        (READY.replace("8'", "8 pid=1'") + "import time; time.sleep(60)", "no process started"),
    ],
)
async def test_says_why_it_did_not_start(code: str, said: str) -> None:
    with pytest.raises(ServerError, match=said):
        async with serve(script(code)):
            raise AssertionError("it must not be ready")


async def test_says_that_there_is_no_such_program() -> None:
    with pytest.raises(ServerError, match="cannot start no-such-program"):
        async with serve(Server(name="one", command=("no-such-program",))):
            raise AssertionError("it must not be ready")


async def test_gives_up_on_a_silent_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_SECONDS", 0.1)
    with pytest.raises(ServerError, match="no line with"):
        async with serve(script("import time; time.sleep(60)")):
            raise AssertionError("it must not be ready")


async def test_a_failing_server_takes_the_others_with_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid()));"
    good = script(code + READY + "time.sleep(60)", name="good")
    with pytest.raises(ServerError, match="server bad"):
        async with serve(good, script("1/0", name="bad")):
            raise AssertionError("it must not be ready")
    assert gone(int(file.read_text()))


async def test_kill_stop_and_continue() -> None:
    async with serve(script(READY + "import time; time.sleep(60)")) as servers:
        one = servers["one"]
        one.stop()
        await eventually(lambda: state(one.pid) == "T", "the stop")
        one.cont()
        await eventually(lambda: state(one.pid) == "S", "it to go on")
        one.stop()
        pid = one.pid
        await one.kill()
        assert gone(pid)
        assert (one.running, one.pid, one.crash) == (False, 0, "")
        assert await one.footprint() is None
        one.cont()
        await one.start()
        assert one.running and one.pid != pid


async def test_terminate_gives_the_exit_code() -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7));" + READY
    async with serve(script(code + "signal.pause()")) as servers:
        servers["one"].stop()
        assert await servers["one"].terminate() == 7


async def test_kills_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    code = "import signal; signal.signal(15, signal.SIG_IGN);" + READY
    async with serve(script(code + "signal.pause()")) as servers:
        pid = servers["one"].pid
    assert gone(pid)


async def test_notices_a_crash() -> None:
    code = "import sys;" + READY + "sys.stdin.read(); sys.exit('it broke')"
    async with serve(script(code)) as servers:
        await eventually(lambda: not servers["one"].running, "the end")
        await eventually(lambda: bool(servers["one"].stderr), "the last words")
        assert re.search(r"ended by itself \(exit code 1\).*it broke", servers["one"].crash)


async def test_a_cancelled_run_leaves_no_process() -> None:
    pids: list[int] = []

    async def run() -> None:
        code = "import signal; signal.signal(15, signal.SIG_IGN);" + READY
        async with serve(script(code + "signal.pause()")) as servers:
            pids.append(servers["one"].pid)
            await asyncio.Event().wait()

    task = asyncio.ensure_future(run())
    await eventually(lambda: bool(pids), "the server")
    task.cancel()  # once to leave, once more while the server does not go
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(pids[0])


def addresses(server: Server) -> Sequence[str]:
    return re.findall(r"127\.0\.0\.1:\d+", " ".join(server.command) + server.config)


def test_ports_are_settled_once_and_stay_bound() -> None:
    ports = Ports()
    given = replace(
        EDGE,
        command=("x", "--listen", "127.0.0.1:0", "--admin=127.0.0.1:0", "--other", "127.0.0.1:0"),
        config='# listen\nadmin = "127.0.0.1:0"\nother = "127.0.0.1:0"\nlisten = "127.0.0.1:80"\n',
        environment=(("NGAGE_LISTEN", "127.0.0.1:0"), ("OTHER", "127.0.0.1:0")),
    )
    settled = ports.settle(given)
    ports.close()
    chosen = [address.rpartition(":")[2] for address in addresses(settled)]
    assert [port for port in chosen if port in {"0", "80"}] == ["0", "0", "80"]
    assert len(set(chosen)) == 5
    assert settled.environment[0][1] != "127.0.0.1:0"
    assert settled.environment[1] == ("OTHER", "127.0.0.1:0")


def test_a_port_that_cannot_be_had_is_an_error() -> None:
    with closing(Ports()) as ports, pytest.raises(ServerError, match=r"192\.0\.2\.1:0"):
        ports.settle(Server(name="one", command=("x", "--listen", "192.0.2.1:0")))


# The real edge


def open_connection(server: ServerProcess):
    return asyncio.open_connection(*server.public)


async def test_edge_comes_back_at_the_same_addresses() -> None:
    async with serve(EDGE) as servers:
        edge = servers["edge"]
        before = (edge.public, edge.admin, edge.pid)
        await edge.kill()
        with pytest.raises(ConnectionRefusedError):
            await open_connection(edge)
        await edge.start()
        assert (edge.public, edge.admin) == before[:2]
        assert edge.pid != before[2]
        await edge.restart()
        assert (edge.public, edge.admin) == before[:2]
        _, writer = await open_connection(edge)
        writer.close()
        await writer.wait_closed()


async def test_edge_is_followed_through_upgrades() -> None:
    async with serve(EDGE) as servers:
        edge = servers["edge"]
        pids, addresses = [edge.pid], (edge.public, edge.admin)
        for _ in range(2):
            await edge.upgrade()
            pids.append(edge.pid)
            assert (edge.public, edge.admin) == addresses
            await eventually(lambda: gone(pids[-2]), "the predecessor to go")
        assert len(set(pids)) == 3
        assert edge.running and not edge.crash
        assert edge.admin
        assert (await read_metrics(*edge.admin))["ngage_client_connections"] == 0
        assert await edge.terminate() is None
        assert gone(pids[-1])


async def test_upgrade_of_a_dead_server_is_an_error() -> None:
    async with serve(EDGE) as servers:
        await servers["edge"].kill()
        with pytest.raises(ServerError, match="not running"):
            await servers["edge"].upgrade()


async def test_footprint_counts_the_descriptors_of_every_shard() -> None:
    async with serve(EDGE) as servers:
        edge = servers["edge"]
        before = await edge.footprint()
        assert before
        async with AsyncExitStack() as stack:
            for _ in range(40):
                _, writer = await open_connection(edge)
                stack.push_async_callback(writer.wait_closed)
                stack.callback(writer.close)
            assert edge.admin
            while (await read_metrics(*edge.admin))["ngage_client_connections"] < 40:
                await asyncio.sleep(0)
            # Connections that asked for the metrics may still be closing, and the admin listener
            # may not have been there.
            while (during := await edge.footprint()) and (
                during.descriptors - before.descriptors not in {40, 41}
            ):
                await asyncio.sleep(0)
        assert during
        assert during.resident_bytes > 1 << 20
        assert during.cpu_seconds > before.cpu_seconds > 0


async def test_metrics_of_nobody_are_an_error() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    server.close()
    with pytest.raises(ServerError, match=f"{host}:{port}/metrics"):
        await read_metrics(host, port)


def test_footprint_of_this_process() -> None:
    before = count_descriptors(os.getpid())
    with open(os.devnull, "rb"):
        assert count_descriptors(os.getpid()) == before + 1
    assert read_cpu_seconds(os.getpid()) > 0

"""What two processes of an upgrade say to each other, each end against a stand-in of the other."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator

import msgspec
import pytest

from ngage.daemon import upgrade
from ngage.daemon.upgrade import Handover, Predecessor, Successor, read_handover
from ngage.errors import HandoverError

# A successor in a few lines; `say` and `hear` are its end of the conversation.
PREAMBLE = """
import json, os, socket, time
handover = json.loads(os.environ["NGAGE_UPGRADE"])
predecessor = socket.socket(fileno=handover["predecessor_descriptor"])
say = predecessor.send
hear = lambda: socket.recv_fds(predecessor, 64, 253)
"""
PREPARES = PREAMBLE + "say(b'prepared')\n"
TAKES_OVER = PREPARES + "message, descriptors, *_ = hear()\n"


@pytest.fixture
def descriptor() -> Iterator[int]:
    """A memory file, that stands for the admin listener and for logs."""
    with open(os.memfd_create("test"), "w+b") as file:
        file.write(b"the logs")
        file.flush()
        yield file.fileno()


def successor_of(script: str, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> Successor:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", script])
    return Successor("127.0.0.1:1", descriptor, {"WATCHDOG_PID": "1", "KEPT": "yes"})


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# The predecessor's end


async def test_a_successor_gets_descriptors_and_serves_on(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = TAKES_OVER + (
        "assert message == b'logs' and os.environ['KEPT'] and 'WATCHDOG_PID' not in os.environ\n"
        "os.fstat(handover['admin_descriptor'])\n"
        "read = os.pread(descriptors[0], 100, 0)\n"
        "socket.socket(fileno=descriptors[1]).sendall(read + b'%d' % len(descriptors))\n"
        "say(b'ready')\n"
    )
    caller, answering = socket.socketpair()
    with caller, answering:
        async with successor_of(script, descriptor, monkeypatch) as successor:
            await successor.prepared()
            await successor.take_over(descriptor, [answering.fileno()] * 300)
        assert caller.recv(100) == b"the logs253"
    assert successor._process.wait(20) == 0


@pytest.mark.parametrize("script", ["raise SystemExit(3)", PREAMBLE + "say(b'ready')\nhear()"])
async def test_a_successor_that_does_not_prepare(
    script: str, descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HandoverError, match="it ended"):
        async with successor_of(script, descriptor, monkeypatch) as successor:
            await successor.prepared()
    assert has_ended(successor.pid)


async def test_a_successor_that_ends_when_it_has_the_logs(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HandoverError, match="it ended"):
        async with successor_of(TAKES_OVER, descriptor, monkeypatch) as successor:
            await successor.prepared()
            await successor.take_over(descriptor, [])
    assert has_ended(successor.pid)


async def test_a_successor_that_ended_before_it_gets_the_logs(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="Broken pipe"):
        async with successor_of(PREPARES, descriptor, monkeypatch) as successor:
            await successor.prepared()
            await asyncio.to_thread(successor._process.wait)
            await successor.take_over(descriptor, [])


@pytest.mark.parametrize("step", ["PREPARE_SECONDS", "RESTORE_SECONDS"])
async def test_a_silent_successor_is_given_up(
    step: str, descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = PREAMBLE if step == "PREPARE_SECONDS" else TAKES_OVER
    monkeypatch.setattr(upgrade, step, 0.05)
    with pytest.raises(HandoverError, match=r"not \w+ within 0.05 s"):
        async with successor_of(silent + "time.sleep(60)", descriptor, monkeypatch) as successor:
            await successor.prepared()
            await successor.take_over(descriptor, [])
    assert has_ended(successor.pid)


async def test_who_is_given_up_cannot_become_ready(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise both would answer callers."""
    monkeypatch.setattr(upgrade, "RESTORE_SECONDS", 0.05)
    script = TAKES_OVER + (
        "admin = handover['admin_descriptor']\n"
        "while os.pread(admin, 2, 0) != b'go': time.sleep(0.01)\n"
        "try: say(b'ready')\n"
        "except BrokenPipeError: os.pwrite(admin, b'refused', 0)\n"
    )
    async with successor_of(script, descriptor, monkeypatch) as successor:
        await successor.prepared()
        with pytest.raises(HandoverError):
            await successor.take_over(descriptor, [])
        os.pwrite(descriptor, b"go", 0)
        await asyncio.to_thread(successor._process.wait, 20)
    assert os.pread(descriptor, 7, 0) == b"refused"


# The successor's end


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Predecessor]]:
    """The predecessor's socket, and what the successor has."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    predecessor = Predecessor(Handover("127.0.0.1:1", -1, theirs.detach()))
    with ours, predecessor._socket:
        yield ours, predecessor


def test_it_takes_over(ends: tuple[socket.socket, Predecessor], descriptor: int) -> None:
    ours, predecessor = ends
    caller, answering = socket.socketpair()
    with caller, answering:
        socket.send_fds(ours, [b"logs"], [descriptor, answering.fileno()])
        logs, callers = predecessor.prepared()
        with logs, callers[0]:
            assert logs.read() == b"the logs"
            callers[0].send(b"hello")
            assert caller.recv(10) == b"hello"
    predecessor.ready()
    assert [ours.recv(64), ours.recv(64), ours.recv(64)] == [b"prepared", b"ready", b""]


def test_it_is_given_up(ends: tuple[socket.socket, Predecessor]) -> None:
    ours, predecessor = ends
    ours.shutdown(socket.SHUT_WR)
    with pytest.raises(HandoverError, match="given up"):
        predecessor.prepared()
    ours.shutdown(socket.SHUT_RD)
    with pytest.raises(HandoverError, match="given up"):
        predecessor.ready()


def test_who_is_a_successor() -> None:
    handover = Handover("127.0.0.1:1", 3, 4)
    assert read_handover({}) is None
    assert read_handover({"NGAGE_UPGRADE": msgspec.json.encode(handover).decode()}) == handover

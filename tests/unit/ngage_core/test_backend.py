"""A batch of each backend, on sockets of which some take all, some a part, and some nothing."""

import contextlib
import errno
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ngage_core.backend import send_each
from tests.helpers.backends import BACKENDS
from tests.helpers.seccomp import IO_URING_ENTER, refused

ROOT = Path(__file__).parents[3]
DATA = random.Random(1).randbytes(60_000)
BATCH = 64

Pair = tuple[socket.socket, socket.socket]  # who sends, who receives


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def pair(stack: contextlib.ExitStack) -> Callable[..., Pair]:
    """Makes connected TCP sockets; `room`: bytes that the kernel holds between them, about."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def connected(room: int = 1 << 20) -> Pair:
        receiver = stack.enter_context(socket.socket())
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        receiver.settimeout(20)
        receiver.connect(listener.getsockname())
        sender, _ = listener.accept()
        stack.enter_context(sender)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        sender.setblocking(False)
        return sender, receiver

    return connected


def send_all(sender: socket.socket) -> int:
    """As much as the kernel takes now."""
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += sender.send(bytes(len(DATA)))
    return taken


def fill(senders: list[socket.socket]) -> list[int]:
    """Until the kernel takes no more, even after an acknowledgement that it delays (40 ms)."""
    filled = [0] * len(senders)
    rounds = [-1]
    while any(rounds):
        rounds = [send_all(sender) for sender in senders]
        filled = [a + b for a, b in zip(filled, rounds, strict=True)]
        time.sleep(0.1)
    return filled


def read(receiver: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += receiver.recv(size - len(data))
    return data


def must_have_no_more(receiver: socket.socket) -> None:
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [0, 1, 2, BATCH])
def test_everybody_gets_all_of_it(backend: str, count: int, pair: Callable[..., Pair]) -> None:
    pairs = [pair() for _ in range(count)]
    sent = send_each(backend, tuple(sender.fileno() for sender, _ in pairs), DATA[:1000])
    assert sent == [1000] * count
    for _, receiver in pairs:
        assert read(receiver, 1000) == DATA[:1000]
        must_have_no_more(receiver)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_has_a_result_of_its_own(
    backend: str, pair: Callable[..., Pair], stack: contextlib.ExitStack
) -> None:
    """Whole, short, full, reset, closed and no socket at all, in any order in one batch."""
    whole = [pair() for _ in range(20)]
    small = [pair(room=4096) for _ in range(20)]
    full = [pair(room=4096) for _ in range(12)]
    reset = [pair() for _ in range(8)]
    filled = fill([sender for sender, _ in full])
    for _, receiver in reset:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        receiver.close()
    file = os.open(os.devnull, os.O_WRONLY)
    stack.callback(os.close, file)
    numbers = [sender.fileno() for sender, _ in whole + small + full + reset]
    numbers += [file, -1, 1 << 20]
    order = random.Random(2).sample(range(len(numbers)), len(numbers))
    results = send_each(backend, tuple(numbers[place] for place in order), DATA)
    sent = dict(zip(order, results, strict=True))
    found = [sent[place] for place in range(len(numbers))]

    assert found[:20] == [len(DATA)] * 20
    for (_, receiver), count in zip(whole + small, found[:40], strict=True):
        assert 0 < count <= len(DATA)
        assert read(receiver, count) == DATA[:count]
        must_have_no_more(receiver)
    assert max(found[20:40]) < len(DATA)
    assert found[40:52] == [-errno.EAGAIN] * 12
    for (_, receiver), count in zip(full, filled, strict=True):
        assert read(receiver, count) == bytes(count)
        must_have_no_more(receiver)
    assert set(found[52:60]) <= {-errno.ECONNRESET, -errno.EPIPE}
    assert found[60:] == [-errno.ENOTSOCK, -errno.EBADF, -errno.EBADF]


def test_more_than_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        send_each("epoll", (0,) * (BATCH + 1), b"")


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="epoll or io_uring"):
        send_each("kqueue", (), b"")


@pytest.mark.parametrize("name", ["EAGAIN", "EBUSY", "ENOSYS"])
def test_what_the_ring_does_not_take_is_sent_one_by_one(name: str) -> None:
    """The tests above again, where io_uring_enter(2) fails once the ring is open."""
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    ended = subprocess.run(
        [*refused(IO_URING_ENTER, name), *tests, "-k", "io_uring and not one_by_one"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

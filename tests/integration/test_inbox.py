"""A full shard hands newcomers on to one that has room; only a full edge refuses."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ngage_core import engine as core
from tests.helpers.raw import Raw
from tests.helpers.wait import wait_until

SHARDS, ROOM = 8, 4
# proc(5): an abstract name is shown with @; ours are five digits, which the kernel chose (unix(7))
AUTOBOUND = re.compile(r" @([0-9a-f]{5})$", re.MULTILINE)


@contextlib.contextmanager
def edge() -> Iterator[tuple[core.Engine, tuple[str, int]]]:
    engine = core.Engine(host="127.0.0.1", port=0, shards=SHARDS, connections_per_shard=ROOM)
    engine.channel("stage", lag=core.LAG_RING, ring_frames=8, ring_bytes=1 << 16)
    try:
        yield engine, engine.start()
    finally:
        engine.stop()


def test_an_edge_is_full_only_when_all_of_its_shards_are() -> None:
    """The kernel's hash deals 32 newcomers evenly to 8 shards once in 30,000 times."""
    with edge() as (engine, address), contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(SHARDS * ROOM):
            crowd.append(stack.enter_context(Raw(address)))
            crowd[-1].upgrade("/ws/stage")
        assert [shard["connections"] for shard in engine.shard_counters()] == [ROOM] * SHARDS
        counters = engine.counters()
        assert counters["handed_on"] > 0
        assert (counters["accepted"], counters["refused_full"]) == (SHARDS * ROOM, 0)
        with Raw(address) as late:
            late.send(late.request("/ws/stage"))
            assert late.read_refusal() == 503
        assert engine.counters()["refused_full"] == 1
        offset = engine.publish(0, b"to all", core.OPCODE_BINARY)
        for client in crowd:
            assert client.read_message() == b"to all"
        assert offset == 1
        crowd[0].socket.close()
        wait_until(lambda: engine.counters()["connections"] == SHARDS * ROOM - 1, "one has left")
        with Raw(address) as late:
            late.upgrade("/ws/stage")


def names() -> set[str]:
    return set(AUTOBOUND.findall(Path("/proc/net/unix").read_text()))


# Passes an end of its own twice to each name, and waits until all copies are closed.
STRANGER = """
import array, socket, sys
kept, passed = socket.socketpair()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
    for name in sys.argv[1:]:
        both = array.array("i", [passed.fileno()] * 2)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, both)
        stranger.sendmsg([b"x"], [rights], 0, f"\\0{name}")
passed.close()
assert kept.recv(1) == b""
"""


def test_another_process_cannot_pass_connections_on() -> None:
    before = names()
    with edge() as (engine, address):
        inboxes = sorted(names() - before)
        assert len(inboxes) >= SHARDS
        subprocess.run([sys.executable, "-c", STRANGER, *inboxes], check=True, timeout=20)
        with Raw(address) as client:
            client.upgrade("/ws/stage")
            assert engine.counters()["connections"] == engine.counters()["accepted"] == 1

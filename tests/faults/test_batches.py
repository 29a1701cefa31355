"""A batch in which some sockets take everything, some a part, some nothing, and some are gone.

One shard, and neighbours of every kind in the channels' order: who reads, who reads compressed, who
has stopped reading and catches up at the end, who resets while it is being sent to. The kernel
holds little for each, so the stopped are met by short writes and full sockets. Whoever stays must
have every publication, byte for byte and in order, whatever happened beside it.
"""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngage_core.protocol import inflate
from tests.helpers.backends import BACKENDS
from tests.helpers.counters import all_zero, gauges
from tests.helpers.daemon import Daemon
from tests.helpers.raw import Publisher, Raw, settings
from tests.helpers.wait import wait_until
from tests.oracle import frames

CHANNELS = ("stage", "foyer")
KINDS = ("reads", "reads compressed", "has stopped", "leaves")
ROUNDS = 20  # of each kind in each channel: more than a batch in all
SIZES = [48, 125, 126, 300, 5_000, 20_000, 70_000]  # the last is more than is sent at once
PUBLICATIONS = 60
NO_DEFLATE_BELOW = 256


@pytest.fixture(params=BACKENDS)
def edge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    config = tmp_path / "edge.toml"
    config.write_text("".join(f'[channels.{name}]\nlag = "reliable"\n' for name in CHANNELS))
    small = settings(send_buffer_bytes=16384, deflate_bytes_min=NO_DEFLATE_BELOW)
    arguments = ["--config", str(config), "--shards", "1", *small]
    with Daemon(*arguments, "--backend", request.param) as daemon:
        yield daemon


def publications(channel: str) -> list[bytes]:
    """Half of each compresses well."""
    chosen = random.Random(channel)
    sizes = [chosen.choice(SIZES) for _ in range(PUBLICATIONS)]
    return [chosen.randbytes(size // 2) + bytes(size - size // 2) for size in sizes]


def connect(edge: Daemon, channel: str, kind: str) -> Raw:
    client = Raw(edge.public, receive_bytes=4096 if kind == "has stopped" else 0)
    offer = "permessage-deflate" if kind == "reads compressed" else None
    client.upgrade(f"/ws/{channel}", Sec_WebSocket_Extensions=offer)
    return client


def read_publication(client: Raw) -> tuple[bytes, bool]:
    """Its data, and whether it came compressed. Pings are passed over."""
    while (frame := client.read_frame()).opcode == frames.PING:
        pass
    assert frame.opcode == frames.BINARY, frame
    deflated = bool(frame.rsv & frames.RSV1)
    return inflate(frame.data, 1 << 20) if deflated else frame.data, deflated


def must_read_all(client: Raw, kind: str, expected: list[bytes]) -> None:
    for data in expected:
        read, deflated = read_publication(client)
        assert read == data
        assert deflated == (kind == "reads compressed" and len(data) >= NO_DEFLATE_BELOW)


def test_neighbours_of_every_kind(edge: Daemon) -> None:
    sent = {channel: publications(channel) for channel in CHANNELS}
    crowd = [
        (channel, kind, connect(edge, channel, kind))
        for _ in range(ROUNDS)
        for kind in KINDS
        for channel in CHANNELS
    ]
    half = PUBLICATIONS // 2
    turns = list(zip(*(sent[channel] for channel in CHANNELS), strict=True))

    def publish(turns: list[tuple[bytes, ...]]) -> None:
        with Publisher(edge) as publisher:
            for turn in turns:
                for channel, data in zip(CHANNELS, turn, strict=True):
                    publisher.publish(channel, data)

    publish(turns[:half])
    for channel, kind, client in crowd:
        if kind != "has stopped":
            must_read_all(client, kind, sent[channel][:half])
    stopped = sum(kind == "has stopped" for _, kind, _ in crowd)
    wait_until(lambda: edge.metrics()["ngage_slow_clients"] == stopped, "the stopped to be full")

    publishing = threading.Thread(target=publish, args=(turns[half:],))
    publishing.start()
    for channel, kind, client in crowd:
        if kind == "leaves":
            client.reset()
        elif kind.startswith("reads"):
            must_read_all(client, kind, sent[channel][half:])
    publishing.join()
    for channel, kind, client in crowd:
        if kind == "has stopped":
            must_read_all(client, kind, sent[channel])

    with Publisher(edge) as publisher:
        for channel in CHANNELS:
            publisher.publish(channel, b"the last")
    for _, kind, client in crowd:
        if kind != "leaves":
            assert read_publication(client) == (b"the last", False)
            client.socket.close()
    wait_until(lambda: all_zero(edge), f"gauges at zero: {gauges(edge)}")

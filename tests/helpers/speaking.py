"""An engine with a channel and its log of pushes, and clients of the client protocol at it.

The control plane is the test: it answers through the engine, so that nothing but the core is tried.
"""

import json
from typing import Any

from ngage_core import engine as core
from tests.helpers.raw import Raw
from tests.helpers.tickets import SECRET
from tests.helpers.wait import wait_until
from tests.oracle.frames import TEXT, client_frame

PING_MS = 1000  # the least there is
PONG_MS = 300


class Server:
    """An engine with a counted channel and its log of pushes."""

    def __init__(self, *, ring_frames: int = 1024, ring_bytes: int = 1 << 20, **options: int):
        numbers = {
            "shards": 1,
            "connections_per_shard": 64,
            "client_ping_ms": PING_MS,
            "pong_timeout_ms": PONG_MS,
            "close_timeout_ms": 50,
            "reactions_per_second": 150,
        }
        self.engine = core.Engine(host="127.0.0.1", port=0, **numbers | options)
        self.engine.set_ticket_key(SECRET)
        self.channel = self.engine.channel(
            "chat", lag=core.LAG_RING, ring_frames=ring_frames, ring_bytes=ring_bytes, counted=True
        )
        self.pushes = self.engine.push_log(self.channel, [])
        self.engine.speak(True)
        self.address = self.engine.start()

    def publish(self, number: int) -> None:
        self.publish_data(b'{"n":%d}' % number)

    def publish_data(self, data: bytes) -> None:
        self.engine.publish(self.channel, data, TEXT, fields=b'"data":' + data)

    def events(
        self, count: int = 1
    ) -> list[tuple[int, int, int, bytes, str, bytes | None, int, int]]:
        found: list[tuple[int, int, int, bytes, str, bytes | None, int, int]] = []

        def enough() -> bool:
            found.extend(self.engine.events())
            return len(found) >= count

        wait_until(enough, f"{count} messages")
        return found

    def counter(self, name: str) -> int:
        return self.engine.counters()[name]


class Client(Raw):
    """One that speaks the protocol, or is about to."""

    handle = 0

    def join(self, server: Server, voter: int = 7, expires: int = 0, about: bytes = b"me") -> None:
        self.upgrade("/connection/websocket")
        self.say({"id": 1, "connect": {}})
        ((self.handle, _, _, data, _, identity, _, _),) = server.events()
        assert (json.loads(data), identity) == ({"id": 1, "connect": {}}, b"")
        self.known_as(server, voter, expires, about)

    def known_as(self, server: Server, voter: int, expires: int, about: bytes) -> None:
        """Returns when it is: what a client sends meanwhile may be read before the command."""
        assert server.engine.identify(self.handle, voter, expires, about)
        assert server.engine.send(self.handle, b'{"known":true}', TEXT)
        assert self.hear() == {"known": True}

    def say(self, command: object) -> None:
        self.send(client_frame(json.dumps(command).encode(), TEXT))

    def hear(self) -> Any:
        frame = self.read_frame()
        assert frame.opcode == TEXT
        return json.loads(frame.data)


def subscribe(
    server: Server, client: Client, first: int, *, recovers: bool = False, id: int = 2
) -> None:
    result = b'"epoch":"e"'
    assert server.engine.subscribe(client.handle, server.pushes, id, first, result, recovers)

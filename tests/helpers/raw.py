"""A client that can do everything wrong: bytes on a socket, nothing done for it."""

import base64
import os
import socket
import struct
from dataclasses import dataclass
from typing import Self

import httpx

from tests.helpers.daemon import Daemon
from tests.oracle import frames, upgrade

PATIENCE_SECONDS = 20.0


@dataclass
class Head:
    """The head of an answer."""

    status: int
    headers: dict[str, str]


@dataclass
class Answer(Head):
    """A whole answer."""

    body: bytes


@dataclass
class Frame:
    """A frame as the server sent it."""

    opcode: int
    data: bytes
    fin: bool = True
    rsv: int = 0


class Raw:
    """One TCP connection to the public listener; a context manager."""

    def __init__(
        self, address: tuple[str, int], *, source: str = "", receive_bytes: int = 0
    ) -> None:
        self.address = address
        self.pending = b""
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """Leave with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # The handshake

    def request(self, path: str, **headers: str | None) -> bytes:
        """An upgrade request; keywords (underscores are dashes) add a header, None drops one."""
        host, port = self.address
        fields: dict[str, str | None] = {
            "Host": f"{host}:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")

    def upgrade(self, path: str, **headers: str | None) -> Head:
        """Ask for a WebSocket and check that it is granted."""
        request = self.request(path, **headers)
        self.send(request)
        head = self.read_head()
        assert head.status == 101, head
        key = upgrade.parse(request).value("sec-websocket-key").encode()
        assert head.headers["sec-websocket-accept"] == upgrade.accept_key(key).decode()
        return head

    def read_head(self) -> Head:
        while b"\r\n\r\n" not in self.pending:
            self.receive()
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines]
        return Head(int(first.split()[1]), {name.lower(): value.strip() for name, value in pairs})

    def read_refusal(self) -> int:
        """The status of the one answer there is; then the connection is closed."""
        head = self.read_head()
        body = self.read_to_end()
        assert head.headers["connection"] == "close"
        assert len(body) == int(head.headers["content-length"])
        return head.status

    # Plain HTTP

    def get(self, target: str, method: str = "GET", **headers: str | None) -> bytes:
        """A request without an upgrade; keywords as for request()."""
        plain = dict.fromkeys(
            ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
        )
        whole = {name.replace("_", "-"): value for name, value in headers.items()}
        request = self.request(target, **{**plain, **whole})
        return request.replace(b"GET", method.encode(), 1)

    def read_answer(self, method: str = "GET") -> Answer:
        """The next answer on a connection that may go on."""
        head = self.read_head()
        size = 0 if method == "HEAD" else int(head.headers["content-length"])
        return Answer(head.status, head.headers, self.read_exactly(size))

    def ask(self, target: str, method: str = "GET", **headers: str | None) -> Answer:
        self.send(self.get(target, method, **headers))
        return self.read_answer(method)

    # Frames

    def receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed by the edge, unread: {self.pending!r}")
        self.pending += data

    def read_exactly(self, size: int) -> bytes:
        while len(self.pending) < size:
            self.receive()
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def read_frame(self) -> Frame:
        first, length = self.read_exactly(2)
        assert length < 128, "a server does not mask"
        if length >= 126:
            length = int.from_bytes(self.read_exactly(2 if length == 126 else 8), "big")
        return Frame(
            first & 0x0F, self.read_exactly(length), bool(first & frames.FIN), first & 0x70
        )

    def read_message(self) -> bytes:
        """The next data message; pings and pongs are passed over."""
        while (frame := self.read_frame()).opcode in {frames.PING, frames.PONG}:
            pass
        assert frame.opcode in {frames.TEXT, frames.BINARY}, frame
        return frame.data

    def read_close(self) -> int:
        """The code of the close frame that ends what the edge sends; then the connection ends."""
        while (frame := self.read_frame()).opcode != frames.CLOSE:
            pass
        assert self.read_to_end() == b""
        return int.from_bytes(frame.data[:2], "big")

    def read_to_end(self) -> bytes:
        """Everything until the edge closes; a reset counts as closed."""
        try:
            while True:
                self.receive()
        except (EOFError, ConnectionResetError):
            data, self.pending = self.pending, b""
            return data

    def ping(self) -> None:
        """A round trip: what was sent before it has been read."""
        token = os.urandom(8)
        self.send(frames.client_frame(token, frames.PING))
        while self.read_frame() != Frame(frames.PONG, token):
            pass


class Publisher:
    """Publishes through the server API, on one kept connection."""

    def __init__(self, daemon: Daemon) -> None:
        self.http = httpx.Client(base_url=daemon.admin, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def publish(self, channel: str, data: bytes, *, sync: bool = False) -> str:
        """One binary publication: its position, as ?since= takes it."""
        answer = self.http.post(
            "/api/publish_raw",
            params={"channel": channel, "sync": int(sync)},
            content=data,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 200, answer.text
        position = answer.json()["result"]
        return f"{position['epoch']}:{position['offset']}"


class GoodClients:
    """The control group: subscribers of a channel who must miss nothing, whatever others do."""

    def __init__(self, daemon: Daemon, channel: str = "stage", count: int = 10) -> None:
        self.channel = channel
        self.published = 0
        self.publisher = Publisher(daemon)
        self.publisher.publish(channel, b"the first creates the channel")
        self.clients = [Raw(daemon.public) for _ in range(count)]
        for client in self.clients:
            client.upgrade(f"/ws/{channel}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.publisher.http.close()
        for client in self.clients:
            client.socket.close()

    def check(self, count: int = 5) -> None:
        """Publish, and read it everywhere: each once and in order."""
        sent = [b"%d" % (self.published + i) for i in range(count)]
        self.published += count
        for data in sent:
            self.publisher.publish(self.channel, data)
        for client in self.clients:
            assert [client.read_message() for _ in sent] == sent


def settings(**values: object) -> list[str]:
    """Settings as arguments of ngage-edge."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]

"""A peer that runs: started on a free port, measured, ended by its pid."""

import re
import signal
import subprocess
from pathlib import Path
from typing import Self

from bench.peers.footprint import Footprint, footprint, process_tree
from bench.peers.peers import CHANNEL, Peer, PeerError

READY = re.compile(
    r"ready port=(?P<port>\d+)\n"
    r"|ngage-edge ready public=http://[\d.]+:(?P<public>\d+) admin=(?P<admin>\S+) pid=\d+\n"
)
STOP_SECONDS = 20.0


class Server:
    """A context manager. `url`: where its subscribers connect; `publish`: mobsim's options."""

    def __init__(self, peer: Peer, command: list[str]) -> None:
        """command: from peer.build(). Raises PeerError if it does not say that it is ready."""
        self.peer = peer
        self.command = command

    def __enter__(self) -> Self:
        port = "127.0.0.1:0" if self.command[-1] == "--listen" else "0"
        self.process = subprocess.Popen(
            [*self.command, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        ready = READY.fullmatch(line)
        if ready is None:
            self.__exit__()
            raise PeerError(f"{self.peer.name} did not start: it said {line!r}")
        self.port = int(ready["port"] or ready["public"])
        self.url = f"ws://127.0.0.1:{self.port}/ws/{CHANNEL}"
        self.publish = self.peer.publish_options(self.port, ready["admin"])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def footprint(self) -> Footprint:
        """What it has cost so far, with every process it started."""
        return footprint(process_tree(self.process.pid))


def build(peer: Peer, directory: Path) -> list[str]:
    """The command of a peer, built in a directory of its own. Raises PeerError."""
    place = directory / peer.name
    place.mkdir(parents=True, exist_ok=True)
    try:
        return peer.build(place)
    except subprocess.CalledProcessError as error:
        raise PeerError(f"{peer.name} cannot be built: {error}") from error

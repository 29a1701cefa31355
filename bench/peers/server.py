"""A peer that runs: started on a free port, measured, ended by its pid."""

import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple, Self

from bench.peers.footprint import Footprint, footprint, process_tree
from bench.peers.peers import CHANNEL, Peer, PeerError

READY = re.compile(
    r"ready port=(?P<port>\d+)\n"
    r"|ngage-edge ready public=http://[\d.]+:(?P<public>\d+) admin=(?P<admin>\S+) pid=\d+\n"
)
STOP_SECONDS = 20.0


class Built(NamedTuple):
    """A peer and the command that takes a port as one more argument."""

    peer: Peer
    command: list[str]


def build(peer: Peer, directory: Path) -> Built:
    """Build it in a directory of its own. Raises PeerError."""
    place = directory / peer.name
    place.mkdir(parents=True, exist_ok=True)
    try:
        return Built(peer, peer.build(place))
    except subprocess.CalledProcessError as error:
        raise PeerError(f"{peer.name} cannot be built: {error}") from error


class Server:
    """A context manager. `url`: where its subscribers connect; `publish`: mobsim's options."""

    def __init__(self, built: Built) -> None:
        self.peer, self.command = built

    def __enter__(self) -> Self:
        """Raises PeerError if it does not say that it is ready."""
        port = "127.0.0.1:0" if self.command[-1] == "--listen" else "0"
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*self.command, port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        ready = READY.fullmatch(line)
        if ready is None:
            complaints = self.complaints()
            self.__exit__()
            raise PeerError(f"{self.peer.name} did not start: it said {line!r} {complaints}")
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
        self.log.close()

    def complaints(self) -> str:
        """The last line it wrote to stderr."""
        self.log.seek(0)
        return "".join(self.log.readlines()[-1:]).strip()

    def footprint(self) -> Footprint:
        """What it has cost so far, with every process it started."""
        return footprint(process_tree(self.process.pid))

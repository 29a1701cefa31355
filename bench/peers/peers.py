"""Which servers there are: what each needs, how it is built, how it is started."""

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from ngage.errors import NgageError

SERVERS = Path(__file__).parent / "servers"
CHANNEL = "stage"


class PeerError(NgageError):
    """A peer could not be built, or did not start."""


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _lacks(commands: list[str], packages: str) -> str:
    lost = [command for command in commands if shutil.which(command) is None]
    return f"no {' '.join(lost)}: apt-get install {packages}" if lost else ""


class Peer(ABC):
    """A kind of server. `title`: for tables; `cores`: how many one process of it makes use of."""

    name: str
    title: str
    cores = "1"

    @abstractmethod
    def missing(self) -> str:
        """Why it cannot run here and what to install, in one line; "" if it can."""

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def build(self, directory: Path) -> list[str]:
        """Put what it needs in this directory: the command that takes PORT as its last argument."""

    def publish_options(self, port: int, admin: str) -> list[str]:
        """How mobsim publishes to it."""
        return ["--publish", f"ws://127.0.0.1:{port}/publish"]


class Ngage(Peer):
    """ngage-edge as it comes, published to through the server API."""

    name = "ngage"
    title = "ngage-edge"
    cores = "all"
    api_key = "peers"

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return importlib.metadata.version("ngage")

    def build(self, directory: Path) -> list[str]:
        # Peers have no way to choose, so it takes the system's congestion control as they do.
        config = directory / "edge.toml"
        config.write_text(f'congestion_control = ""\n[channels.{CHANNEL}]\n')
        options = ["--config", str(config), "--api-key", self.api_key, "--admin", "127.0.0.1:0"]
        return [sys.executable, "-m", "ngage", *options, "--listen"]

    def publish_options(self, port: int, admin: str) -> list[str]:
        return ["--publish", admin, "--api-key", self.api_key]


class NgageLibrary(Ngage):
    """A program with ngage as its library, published to over a WebSocket as the peers are."""

    name = "ngage-library"
    title = "ngage, as a library"

    def build(self, directory: Path) -> list[str]:
        return [sys.executable, str(SERVERS / "ngage_server.py")]

    def publish_options(self, port: int, admin: str) -> list[str]:
        return ["--publish", f"ws://127.0.0.1:{port}/ws/publish"]


class Python(Peer):
    """A package for Python, with a program in servers/ named after it."""

    def __init__(self, name: str, title: str = "", library: str = "") -> None:
        self.name = name
        self.title = title or name
        self.library = library  # a shared library of Debian's that its wheel needs

    def missing(self) -> str:
        if importlib.util.find_spec(self.name) is None:
            return f"no {self.name}: pip install --group peers"
        if self.library and not list(Path("/usr/lib").glob(f"*/{self.library}.so.*")):
            return f"no {self.library}.so: apt-get install {self.library}1"
        return ""

    def version(self) -> str:
        return importlib.metadata.version(self.name)

    def build(self, directory: Path) -> list[str]:
        return [sys.executable, str(SERVERS / f"{self.name}_server.py")]


class Node(Peer):
    name = "ws"
    title = "node ws"
    packages = Path(__file__).parents[2] / "tests" / "node"  # its package.json names ws

    def missing(self) -> str:
        if lacks := _lacks(["node"], "nodejs npm"):
            return lacks
        if not (self.packages / "node_modules/ws").exists():
            return "no ws: npm install --prefix tests/node"
        return ""

    def version(self) -> str:
        package = json.loads((self.packages / "node_modules/ws/package.json").read_text())
        return f"{package['version']}, node {_output('node', '--version').removeprefix('v')}"

    def build(self, directory: Path) -> list[str]:
        return ["node", str(SERVERS / "ws_server.mjs"), str(self.packages)]


class Go(Peer):
    name = "go"
    title = "Go gorilla"
    cores = "all"
    path = Path("/usr/share/gocode")  # where Debian puts libraries
    library = "golang-github-gorilla-websocket-dev"

    def missing(self) -> str:
        if lacks := _lacks(["go"], f"golang-go {self.library}"):
            return lacks
        if not (self.path / "src/github.com/gorilla/websocket").exists():
            return f"no gorilla/websocket: apt-get install {self.library}"
        return ""

    def version(self) -> str:
        gorilla = _output("dpkg-query", "--show", "--showformat=${Version}", self.library)
        return f"{re.split('[-+]', gorilla)[0]}, {_output('go', 'version').split()[2]}"

    def build(self, directory: Path) -> list[str]:
        program = str(directory / "broadcast")
        options = {"GO111MODULE": "off", "GOPATH": str(self.path), "GOCACHE": f"{directory}/cache"}
        source = str(SERVERS / "broadcast.go")
        subprocess.run(
            ["go", "build", "-o", program, source], env={**os.environ, **options}, check=True
        )
        return [program]


class Erlang(Peer):
    name = "erlang"
    title = "Erlang/OTP"
    cores = "all"
    # No busy waiting: schedulers that spin take the fans' core and look like work. RabbitMQ's guide
    # to the runtime says the same for hosts that are shared. +Q, +P: as many ports, processes.
    flags = "+sbwt none +sbwtdcpu none +sbwtdio none +Q 65536 +P 262144 -noinput"

    def missing(self) -> str:
        return _lacks(["erl", "erlc"], "erlang-base erlang-crypto")

    def version(self) -> str:
        code = "io:put_chars(erlang:system_info(otp_release)), halt()."
        return f"OTP {_output('erl', '-noshell', '-eval', code)}"

    def build(self, directory: Path) -> list[str]:
        subprocess.run(["erlc", "-o", str(directory), str(SERVERS / "broadcast.erl")], check=True)
        return ["erl", *self.flags.split(), "-pa", str(directory), "-s", "broadcast", "main"]


PEERS: tuple[Peer, ...] = (
    Ngage(),
    NgageLibrary(),
    Erlang(),
    Go(),
    Python("socketify", "socketify (uWebSockets)", library="libuv"),
    Python("picows"),
    Node(),
    Python("websockets"),
    Python("aiohttp"),
)


def choose(names: list[str]) -> list[Peer]:
    """The peers of these names, all if there are none. Raises PeerError for an unknown one."""
    known = {peer.name: peer for peer in PEERS}
    if unknown := [name for name in names if name not in known]:
        raise PeerError(f"no such peer: {unknown[0]}; there are {' '.join(known)}")
    return [known[name] for name in names] if names else list(PEERS)

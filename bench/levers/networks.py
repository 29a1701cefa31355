"""Where both sides live: on one loopback, or in two networks that a pair of veth joins.

The networks have no name: they, their addresses and the pair are gone with the last process in
them, also after a crash.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import network
from bench.levers.lever import Absent
from bench.scale.host import HASH_BUCKETS
from bench.scale.run import enter_network

SERVER, CROWD = "10.201.0.1", "10.201.0.2"
SOURCES = "10.200.0.0/16"  # the fans' addresses
CHILD_BUCKETS = network.SYSCTL / "ipv4/tcp_child_ehash_entries"


class Network(msgspec.Struct, frozen=True):
    """address: of the server. source: network of the fans. within: a command that runs another in
    the server's network."""

    name: str
    address: str
    source: str
    within: tuple[str, ...] = ()


def loopback() -> Network:
    """Move this process into a network that has nothing but itself."""
    enter_network()
    return Network("loopback", "127.0.0.1", "127.0.0.0/8")


def veth() -> Network:
    """Move this process into the crowd's network, joined with another, the server's.

    Raises Absent where that is refused.
    """
    enter_network()
    server = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    CHILD_BUCKETS.write_text(str(HASH_BUCKETS))  # a network inherits that from its maker
    enter_network()
    place = f"/proc/{os.getpid()}/fd/{server}"
    within = ("nsenter", f"--net={place}")
    _ip("link", "add", "crowd", "type", "veth", "peer", "name", "server", "netns", place)
    _ip("address", "add", f"{CROWD}/30", "dev", "crowd")
    _ip("link", "set", "crowd", "up")
    _ip("route", "add", "local", SOURCES, "dev", "lo")
    _ip("address", "add", f"{SERVER}/30", "dev", "server", within=within)
    _ip("link", "set", "server", "up", within=within)
    _ip("route", "add", SOURCES, "via", CROWD, within=within)
    return Network("veth", SERVER, SOURCES, within)


def _ip(*words: str, within: Sequence[str] = ()) -> None:
    command = [*within, "ip", *words]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Absent(f"{error.filename} (iproute2, util-linux) is not installed") from error
    if ended.returncode:
        raise Absent(f"{' '.join(command)}: {ended.stderr.strip()}")


def drops(file: Path = Path("/proc/net/softnet_stat")) -> int:
    """Packets that queues of the CPUs had no room for, in all networks, since the boot."""
    return sum(int(line.split()[1], 16) for line in file.read_text().splitlines())

"""conntrack in a network of its own, by rules of nft: there only where a rule asks for it."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.levers.lever import Absent

NETFILTER = Path("/proc/sys/net/netfilter")
ASKS = """
    chain in { type filter hook input priority filter; ct state new counter; }
    chain out { type filter hook output priority filter; ct state established accept; }
"""
SPARES = """
    chain before { type filter hook prerouting priority raw; notrack; }
    chain sent { type filter hook output priority raw; notrack; }
"""
NEW = re.compile(r"ct state new counter packets (\d+)")
TRACK = f"table ip levers {{{ASKS}}}"
NOTRACK = f"table ip levers {{{SPARES}{ASKS}}}"
# Of a connection one, which is kept for some seconds when it has gone: several crowds follow.
ENTRIES = 4


def minima(fans: int) -> dict[str, tuple[int, ...]]:
    """What conntrack must allow for so many, for host.raised(); none if the kernel lacks it."""
    if not NETFILTER.is_dir():
        return {}
    return {
        "net/netfilter/nf_conntrack_max": (ENTRIES * fans,),
        "net/netfilter/nf_conntrack_buckets": (fans,),
    }


@contextmanager
def applied(rules: str, within: Sequence[str]) -> Iterator[None]:
    """The rules hold within the context. within: a command that goes to the network they are for.

    Raises Absent if they cannot.
    """
    if not rules:
        yield
        return
    if not NETFILTER.is_dir():
        raise Absent("this kernel has no conntrack")
    if not shutil.which("nft"):
        raise Absent("conntrack needs rules, and nft (nftables) is not installed")
    _nft(within, rules)
    try:
        yield
    finally:
        _nft(within, "delete table ip levers")


def seen_new(within: Sequence[str]) -> int:
    """How many connections conntrack has entered since the rules hold."""
    return int(NEW.findall(_nft(within, "list table ip levers"))[0])


def _nft(within: Sequence[str], rules: str) -> str:
    command = [*within, "nft", "-f", "-"]
    ended = subprocess.run(command, input=rules, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Absent(f"nft refuses the rules: {' '.join(ended.stderr.split())}")
    return ended.stdout

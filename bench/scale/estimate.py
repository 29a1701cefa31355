"""What so many connections need, and how many fit: arithmetic over what the host has.

Both ends of every connection are on this host. The sizes were measured with 1,000,000 connections
on Linux 6.18.
"""

import resource
from pathlib import Path
from typing import NamedTuple

from ngage.errors import NgageError

# Of a connection, both ends: sockets 5,042, their inodes 1,724, dentries 390, files 390, epoll
# entries 288, what security modules keep 112, the rest of /proc/slabinfo that grows along.
KERNEL_BYTES = 8100
SERVER_BYTES, FAN_BYTES = 140, 150  # of a connection in user memory
# A publication that is sent and not yet read: 1 KiB in a socket buffer, with what it is kept in.
# Both programs share the cores, so a part of the crowd has one waiting: a quarter is counted,
# 200,000 fans had a sixth.
UNREAD_BYTES = 2304 // 4
BESIDE_BYTES = 768 << 20  # threads, interpreters, everybody else
FANS_MAX = 4_000_000  # of a Swarm
# Threads of a program times the descriptors of each, less what the hash of SO_REUSEPORT wastes.
SHARDS_MAX, DESCRIPTORS_BESIDE, HASH_SHARE = 1024, 128, 10 / 11


class ScaleError(NgageError):
    """The run cannot be made, or did not come to its end; the message says why."""


class Capacity(NamedTuple):
    """What there is: bytes that can be had, descriptors of a thread's table."""

    available_bytes: int
    descriptors: int


class Limit(NamedTuple):
    fans: int
    reason: str


def bytes_needed(fans: int) -> int:
    return fans * (KERNEL_BYTES + SERVER_BYTES + FAN_BYTES + UNREAD_BYTES) + BESIDE_BYTES


def limit(capacity: Capacity) -> Limit:
    """The most fans that fit, and what stops more."""
    of_one = bytes_needed(1) - BESIDE_BYTES
    usable = capacity.descriptors - DESCRIPTORS_BESIDE
    return min(
        Limit(
            max(0, capacity.available_bytes - BESIDE_BYTES) // of_one,
            f"{capacity.available_bytes / 1e9:.1f} GB of memory are available, a connection takes "
            f"{of_one:,} bytes with both its ends and an unread publication",
        ),
        Limit(
            max(0, int(SHARDS_MAX * usable * HASH_SHARE)),
            f"RLIMIT_NOFILE is {capacity.descriptors:,} for each of at most {SHARDS_MAX:,} shards",
        ),
        Limit(FANS_MAX, "a mob has no more fans"),
    )


def must_be_root(uid: int) -> None:
    if uid != 0:
        raise ScaleError("a network namespace and the kernel's limits need root: run it as root")


def must_fit(fans: int, capacity: Capacity) -> None:
    """Raises ScaleError that says what lacks, and the largest number that fits."""
    most, reason = limit(capacity)
    if fans > most:
        fitting = most - most % 10_000 or most
        raise ScaleError(f"{fans:,} fans do not fit: {reason}; the largest N that fits: {fitting}")


def capacity() -> Capacity:
    """Of this host, now."""
    return Capacity(available_bytes(), resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def available_bytes() -> int:
    """Free memory and the page cache, which the kernel gives back.

    MemAvailable would count the inodes and dentries of open sockets too, 2 KB for a connection: the
    caches they are in are of the kind that can be reclaimed, but these cannot.
    """
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kilobytes = {name: int(value) for name, value, *_ in lines}
    cached = kilobytes["Buffers:"] + kilobytes["Cached:"] - kilobytes["Shmem:"]
    return (kilobytes["MemFree:"] + cached) * 1024

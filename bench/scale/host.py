"""Limits of the kernel for the time of a run, put back afterwards: also after a crash.

The values from before are in a file as long as they are changed: the next run, or --restore, finds
it. It is in /run, which a reboot forgets as it forgets the values.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from bench.scale.estimate import ScaleError

SYSCTLS = Path("/proc/sys")
BEFORE = Path("/run/ngage-scale.json")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Buckets of the namespace's own table of connections, set before it is made: with the default of
# 262,144 a broadcast to a million was twice as slow (25.6 us for each delivery instead of 12.4).
HASH_BUCKETS = 4_194_304
FILES_BESIDE = 200_000
TCP_SHARE = 0.8  # of all memory at most


class Before(msgspec.Struct, frozen=True):
    """Whose run it was, and the values of the sysctls it changed, by path below /proc/sys."""

    pid: int
    values: dict[str, str]


def minima(fans: int, memory_bytes: int) -> dict[str, tuple[int, ...]]:
    """What so many fans need at least, by path below /proc/sys."""
    # Four files for each fan: a restart opens both ends anew before all of the old are gone, and
    # the successor asks for room for everybody while its predecessor has everybody.
    files = 4 * fans + FILES_BESIDE
    # Below the first TCP frees nothing, above the third it refuses (tcp(7)).
    pages = int(memory_bytes * TCP_SHARE) // PAGE_BYTES
    return {
        "fs/file-max": (files,),
        "fs/epoll/max_user_watches": (files,),
        "net/ipv4/tcp_mem": (pages // 2, pages * 3 // 4, pages),
        "net/ipv4/tcp_max_orphans": (2 * fans,),
        "net/ipv4/tcp_child_ehash_entries": (HASH_BUCKETS,),
        # What loopback drops beyond 1,000 packets: the kernel lets timers of a minute run out in
        # steps of 2 s, so keepalive probes come at once, and their loss ended 3 of 4 connections.
        "net/core/netdev_max_backlog": (fans,),
    }


def changes(minimum: Mapping[str, tuple[int, ...]], current: Mapping[str, str]) -> dict[str, str]:
    """What must be set so that nothing is below its minimum. Never lowers a limit."""
    raised = {
        name: " ".join(str(max(pair)) for pair in zip(least, _numbers(current[name]), strict=True))
        for name, least in minimum.items()
    }
    return {
        name: value for name, value in raised.items() if _numbers(value) != _numbers(current[name])
    }


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


@contextmanager
def raised(
    fans: int,
    memory_bytes: int,
    sysctls: Path = SYSCTLS,
    file: Path = BEFORE,
    more: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[dict[str, str]]:
    """The limits hold so many fans within the context, which is given them all: raised or not.

    more: minima besides. Raises ScaleError if another run has changed them and is still there.
    """
    restore(sysctls, file)
    minimum = {**minima(fans, memory_bytes), **(more or {})}
    current = {name: (sysctls / name).read_text().strip() for name in minimum}
    changed = changes(minimum, current)
    before = {name: current[name] for name in changed}
    file.write_bytes(msgspec.json.encode(Before(os.getpid(), before)))
    try:
        for name, value in changed.items():
            (sysctls / name).write_text(value)
        yield {**current, **changed}
    finally:
        _put_back(before, sysctls, file)


def restore(sysctls: Path = SYSCTLS, file: Path = BEFORE) -> dict[str, str]:
    """Put back what a run that crashed has left: the values; none if nothing was left.

    Raises ScaleError if that run still goes on.
    """
    try:
        before = msgspec.json.decode(file.read_bytes(), type=Before)
    except FileNotFoundError:
        return {}
    if before.pid != os.getpid() and _alive(before.pid):
        raise ScaleError(f"process {before.pid} is at it: wait for its end, or end it")
    _put_back(before.values, sysctls, file)
    return before.values


def _put_back(values: Mapping[str, str], sysctls: Path, file: Path) -> None:
    for name, value in values.items():
        # Where nothing can be written nothing was changed.
        if _numbers((sysctls / name).read_text()) != _numbers(value):
            (sysctls / name).write_text(value)
    file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False

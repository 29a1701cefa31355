"""How many shards, and how large: arithmetic over what the host allows. Pure but for read_host().

A shard has a descriptor table of its own, so RLIMIT_NOFILE counts for each shard and more shards
hold more connections. The kernel spreads connections over shards by a hash, never evenly.
"""

import math
import os
import resource
from dataclasses import dataclass
from pathlib import Path

from ngage.errors import StartError

# Of each shard's descriptors, kept for its poller, listener and wake-up, and for refusing with 503.
RESERVED_DESCRIPTORS = 128
# Open files of the whole machine that are left to everybody else.
RESERVED_FILES = 1024


@dataclass(frozen=True, slots=True)
class Host:
    """What there is: cores, descriptors a shard may open, open files the kernel still grants."""

    cores: int
    descriptors: int
    files: int
    shards_max: int
    shard_connections_max: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Shards to start, slots of each, and the connections that surely fit."""

    shards: int
    connections_per_shard: int
    connections: int
    limited_by: str


def plan_shards(host: Host, *, wanted: int, shards: int) -> Plan:
    """The plan for `wanted` connections (0: what fits) on `shards` shards (0: as many as needed).

    plan.connections is below `wanted` where the host does not allow more; limited_by says why.
    Raises StartError if not even one connection fits.
    """
    slots_max = min(host.descriptors - RESERVED_DESCRIPTORS, host.shard_connections_max)
    files = host.files - RESERVED_FILES
    if min(slots_max, files) < 1:
        raise StartError(
            f"no connection fits: RLIMIT_NOFILE {host.descriptors}, fs.file-max leaves {host.files}"
        )
    needed = math.ceil(wanted * 11 / 10 / slots_max)
    count = shards or min(max(host.cores, needed), host.shards_max)
    fits = slots_max if count == 1 else count * slots_max * 10 // 11
    if wanted == 0:
        slots = min(slots_max, max(1, files // count))
        return Plan(count, slots, min(fits, files), "")
    held = min(wanted, fits, files)
    slots = min(slots_max, held, _with_headroom(math.ceil(held / count)))
    return Plan(
        count, slots, held, "" if held == wanted else _limit(host, count, slots_max, fits < files)
    )


def _with_headroom(mean: int) -> int:
    # Six standard deviations of the hash for small shards, 10 % for large ones.
    return mean + max(math.ceil(mean / 10), 6 * math.isqrt(mean) + 6)


def _limit(host: Host, shards: int, slots_max: int, descriptors: bool) -> str:
    if descriptors:
        return f"{slots_max} for each of {shards} shards (RLIMIT_NOFILE {host.descriptors})"
    return f"fs.file-max leaves {host.files} open files"


def raise_descriptor_limit() -> int:
    """The hard limit of RLIMIT_NOFILE, which is the soft one from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def read_host(*, shards_max: int, shard_connections_max: int) -> Host:
    """This host, after raising the soft descriptor limit to the hard one."""
    hard = raise_descriptor_limit()
    unlimited = hard == resource.RLIM_INFINITY
    return Host(
        cores=len(os.sched_getaffinity(0)),
        descriptors=shard_connections_max + RESERVED_DESCRIPTORS if unlimited else hard,
        files=_free_files(),
        shards_max=shards_max,
        shard_connections_max=shard_connections_max,
    )


def _free_files() -> int:
    allocated, _, most = Path("/proc/sys/fs/file-nr").read_text().split()
    return int(most) - int(allocated)

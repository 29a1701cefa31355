"""The levers. Those that can share sockets come first; order says nothing else."""

from collections.abc import Sequence

from bench.levers.lever import LARGE, MIDDLE, Lever, Side, option
from bench.levers.rules import NOTRACK, TRACK
from bench.scale.estimate import ScaleError

SEND = Side("send()")
# A socket that holds one whole large frame, however its buffer would grow by itself.
ROOMY = option("SOL_SOCKET", "SO_SNDBUFFORCE", 262_144)
PINNED = ("pin",)

LEVERS = (
    Lever(
        "ring",
        "one system call for 64 sends",
        SEND,
        Side("io_uring, 64 for each enter", "ring"),
        veth=True,
    ),
    Lever(
        "fixed",
        "and no look-up of a descriptor, no count of references",
        SEND,
        Side("io_uring, registered files", "fixed"),
        veth=True,
    ),
    Lever(
        "batch",
        "who sends is not interrupted by each fan it wakes",
        SEND,
        Side("send(), fans SCHED_BATCH", batch=True),
    ),
    Lever(
        "ring_batch",
        "what io_uring is worth beyond that: within one call nobody interrupts either",
        Side("send(), fans SCHED_BATCH", batch=True),
        Side("io_uring, fans SCHED_BATCH", "ring", batch=True),
        veth=True,
    ),
    Lever(
        "shuffled",
        "sockets accepted one after the other are neighbours in memory",
        SEND,
        Side("send() in random order", "shuffled"),
    ),
    Lever(
        "touch",
        "what a record for each connection costs beside its send",
        SEND,
        Side("with a record of 160 bytes touched", "touch"),
    ),
    Lever(
        "prefetch",
        "that record waits in the cache when its turn comes",
        Side("record touched", "touch"),
        Side("record prefetched 8 sends ahead", "prefetch"),
    ),
    Lever(
        "pin",
        "a thread keeps its caches",
        Side("threads go where the scheduler says", orders=("pin 0",)),
        Side("thread k on CPU k % CPUs", orders=("pin 1",)),
    ),
    Lever(
        "gate",
        "threads beyond the cores only take each other's turn",
        Side("as many sweep at once as there are cores", orders=("at_once {cores}",)),
        Side("all sweep at once", orders=("at_once {threads}",)),
    ),
    Lever(
        "single",
        "the other cores are free for those who read",
        Side("as many sweep at once as there are cores", orders=("at_once {cores}",)),
        Side("one sweeps at a time", orders=("at_once 1",)),
    ),
    Lever(
        "stagger",
        "readers keep up, and no queue of the kernel overflows",
        Side("all begin at once", orders=("at_once {threads}", "stagger 0")),
        Side("spread over a sweep's time", orders=("at_once {threads}", "stagger {sweep_ms}")),
    ),
    Lever(
        "lowat",
        "a socket is writable only when little is unsent: fewer wake-ups",
        Side(
            "TCP_NOTSENT_LOWAT of the system",
            orders=(option("IPPROTO_TCP", "TCP_NOTSENT_LOWAT", 0),),
        ),
        Side(
            "TCP_NOTSENT_LOWAT 16 KiB",
            orders=(option("IPPROTO_TCP", "TCP_NOTSENT_LOWAT", 16_384),),
        ),
    ),
    Lever(
        "busy_poll",
        "the sender looks at the device's queue itself",
        Side("SO_BUSY_POLL 0", orders=(option("SOL_SOCKET", "SO_BUSY_POLL", 0),)),
        Side("SO_BUSY_POLL 50 us", orders=(option("SOL_SOCKET", "SO_BUSY_POLL", 50),)),
    ),
    Lever(
        "sndbuf",
        "a small buffer bounds what slow readers hold",
        Side("SO_SNDBUF 1 MiB", orders=(option("SOL_SOCKET", "SO_SNDBUFFORCE", 524_288),)),
        Side("SO_SNDBUF 16 KiB", orders=(option("SOL_SOCKET", "SO_SNDBUFFORCE", 8192),)),
        lasting=True,
    ),
    Lever(
        "zerocopy",
        "large frames are not copied into the kernel",
        SEND,
        Side("MSG_ZEROCOPY, completions collected", "zerocopy"),
        sizes=(MIDDLE, LARGE),
        orders=(ROOMY, option("SOL_SOCKET", "SO_ZEROCOPY", 1)),
        fans_most=100_000,
        lasting=True,
        veth=True,
    ),
    Lever(
        "steer",
        "a socket is made on the CPU that will send to it",
        Side("listener by hash, threads pinned", start=PINNED),
        Side("listener by the CPU of the SYN, threads pinned", start=(*PINNED, "steer")),
        spare=2,
    ),
    Lever(
        "conntrack",
        "what an entry for each connection costs, which many hosts have unasked",
        Side("no conntrack"),
        Side("connections tracked", rules=TRACK),
        veth=True,
    ),
    Lever(
        "notrack",
        "a rule spares the server's port that entry",
        Side("connections tracked", rules=TRACK),
        Side("notrack before it", rules=NOTRACK),
        veth=True,
    ),
)


def chosen(only: str, *, veth: bool) -> Sequence[Lever]:
    """Those that are named, with commas between, or all that this network is for, in the order of
    the catalogue. Raises ScaleError for a name that is not there."""
    if not only:
        return [lever for lever in LEVERS if (lever.veth if veth else lever.local)]
    names = only.split(",")
    if unknown := set(names) - {lever.name for lever in LEVERS}:
        raise ScaleError(f"no such lever: {', '.join(sorted(unknown))}; see --list")
    return [lever for lever in LEVERS if lever.name in names]


def described() -> str:
    """What --list says."""
    return "\n".join(
        f"{lever.name:<10} {lever.why}\n{'':10} A: {lever.a.what}; B: {lever.b.what}"
        for lever in LEVERS
    )

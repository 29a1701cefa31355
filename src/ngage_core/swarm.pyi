"""What Python sees of a swarm: native WebSocket clients that check what each of them gets."""

from array import array
from typing import final

def publication(intended_ns: int, sequence: int, size: int) -> bytes:
    """A publication a Swarm can check: two numbers, a space after each, padded to `size` bytes.

    intended_ns is CLOCK_MONOTONIC at the intended send; sequence starts at 1. Longer than `size`
    only if the numbers are. The padding is a function of sequence and position, all printable.
    """

def bucket_floors() -> array[int]:
    """The least latency, in ns, that each bucket of Swarm.histogram() counts."""

@final
class Swarm:
    """`fans` WebSocket connections to ws://HOST:PORT/PATH, spread over threads without the GIL.

    The threads start at once and wait for connect(). Methods may be called by one Python thread
    at a time. Raises ValueError for an option out of range, OSError where the kernel refuses.
    """

    fans: int
    threads: int

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        *,
        fans: int,
        threads: int = 0,
        source: str = "",
        window: int = 256,
        receive_buffer: int = 0,
        congestion: str = "",
        check_key: bool = True,
        check_padding: bool = False,
    ) -> None:
        """host is a numeric IPv4 address.

        threads: 0 takes as few as RLIMIT_NOFILE allows, which counts for each. source: a network,
        such as "127.0.0.0/8", whose addresses are used, one for every 8,192 fans; "" leaves the
        choice to the kernel. window: connects in flight for each thread. receive_buffer: SO_RCVBUF
        in bytes, 0 for the default. congestion: TCP_CONGESTION of the fans' side. check_key: refuse
        an answer whose Sec-WebSocket-Accept is wrong. check_padding: compare with publication().
        """

    def connect(self, timeout: float) -> int:
        """Connect every fan; returns how many are open after at most `timeout` seconds.

        The rest goes on connecting, so 0 only starts it.
        """

    def wait_received(self, per_fan: int, timeout: float) -> bool:
        """Whether every open fan got at least so many publications since reset(), in time."""

    def reset(self, first_sequence: int = 0) -> None:
        """Count publications from zero. Each fan must see `first_sequence` first; 0: any."""

    def pause(self, fraction: float) -> int:
        """Let this part of the fans stop reading (and answering pings); returns how many did."""

    def resume(self) -> None:
        """Let every fan read again, first what has come meanwhile."""

    def progress(self) -> dict[str, int]:
        """Counters summed over threads; cheap.

        open (now), opened, failed (never got a 101), closed, refused (another status than 101),
        malformed (broke RFC 6455), last_error (errno); and since reset(): received, bytes,
        gaps (missing), duplicates, reordered (late, no longer missing), corrupt (padding differs),
        untimed (no two numbers), pings, last_received_ns (CLOCK_MONOTONIC).
        """

    def close_codes(self) -> dict[int, int]:
        """Close codes received, and statuses of refused upgrades: how many fans had each."""

    def histogram(self) -> array[int]:
        """Latencies from intended send to fan, as counts for the buckets of bucket_floors().

        An array of 64-bit words, which numpy.asarray() takes without a copy.
        """

    def stop(self) -> None:
        """Reset every connection and end the threads. Idempotent; all counters but open stay."""

"""What Python sees of a swarm: native WebSocket clients that check what each of them gets."""

from array import array
from collections.abc import Sequence
from typing import Literal, final

from ngage_core.behaviour import Delay, Persona, Target, Violation, VoteBounds

def publication(intended_ns: int, sequence: int, size: int) -> bytes:
    """A publication a Swarm can check: two numbers, a space after each, padded to `size` bytes.

    intended_ns is CLOCK_MONOTONIC at the intended send; sequence starts at 1. Longer than `size`
    only if the numbers are. The padding is a function of sequence and position, all printable.
    """

def bucket_floors() -> array[int]:
    """The least time, in ns, that each bucket of Swarm.histogram() counts."""

@final
class Swarm:
    """`fans` WebSocket clients, spread over threads without the GIL.

    The threads start at once and wait for connect() or arrive(). Methods may be called by one
    Python thread at a time. Raises ValueError for an option out of range, OSError where the kernel
    refuses. A channel is a distinct path among the targets, numbered in order of appearance.
    """

    fans: int
    threads: int
    channels: tuple[str, ...]

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        fans: int,
        personas: Sequence[Persona] = ...,
        seed: int = 0,
        threads: int = 0,
        source: str = "",
        window: int = 256,
        window_returns: bool = False,
        congestion: str = "",
        check_key: bool = True,
        check_padding: bool = False,
    ) -> None:
        """threads: 0 takes as few as RLIMIT_NOFILE allows, which counts for each. source: a
        network, such as "127.0.0.0/8", whose addresses are used, one for every 8,192 fans; ""
        leaves the choice to the kernel. window: connects in flight for each thread, while
        connect() is at work. window_returns: who comes back waits for room in the window too; a
        crowd of a million that all comes back at once would wait for its own threads, and servers
        would have given up its connections by then. congestion: TCP_CONGESTION of the fans' side.
        check_key: refuse an answer whose Sec-WebSocket-Accept is wrong. check_padding: compare with
        publication().
        """

    def population(self) -> list[int]:
        """How many fans of each persona there are, arrived or not."""

    def connect(self, timeout: float) -> int:
        """Let every fan arrive as fast as the window allows; how many are open in time.

        The rest goes on connecting, so 0 only starts it.
        """

    def arrive(self, start_ns: int, delays_us: array[int]) -> None:
        """Let fan i arrive at start_ns (CLOCK_MONOTONIC) + delays_us[i]: open loop.

        An array of 32-bit words ("I"), one for each fan, ascending; 0xFFFFFFFF: never. To be called
        once, instead of connect().
        """

    def stimulate(self, persona: int, probability: float, delay: Delay, step: int) -> None:
        """Every fan of this persona, with this probability, enters `step` after its own delay.

        persona -1: all. step -1: leave for good, in order. Only fans that have arrived take part.
        """

    def wait_received(self, per_fan: int, timeout: float) -> bool:
        """Whether every open fan got at least so many publications since reset(), in time."""

    def reset(self, first_sequence: int = 0) -> None:
        """Count publications from zero. Each fan must see `first_sequence` first; 0: any."""

    def anchor(self, target: int, epoch: int, difference: int) -> None:
        """On this target and epoch, a publication's sequence is its offset + difference.

        With it a fan knows which publication it must see first. epoch 0: not known any more.
        """

    def settle(self, last: Sequence[tuple[int, int]]) -> dict[str, int]:
        """Who has not seen the last publication? `last`: (sequence, intended_ns) by channel.

        Looks at the fans that are connected and reading and were so at intended_ns: waiting
        (of them, how many have not), checked. Call until waiting is 0; see give_up().
        """

    def give_up(self, last: Sequence[tuple[int, int]]) -> int:
        """As settle(), but what is missing now is a violation of kind tail, and counted in gaps."""

    def sign_tickets(self, secret: bytes, expires: int) -> int:
        """Let every fan of a protocol with tickets show one of its own, signed here.

        The voter of fan 0, a function of the seed; fan i is voter + i. expires: Unix seconds. To be
        called before anybody connects, as hand_out().
        """

    def hand_out(self, tickets: bytes) -> None:
        """Let fan i show ticket i of these, 32 bytes each: base64url decoded."""

    def poll(
        self,
        number: int,
        choices: int,
        *,
        event: int = 0,
        name: str = "",
        reactions: int = 0,
    ) -> None:
        """Let fans vote in this poll from now on, and react to its event, with so many kinds.

        event: its number, by which ngage.v1 has it. name: by which JSON has it. To be called once;
        until then nobody votes, reacts or chats, whatever the steps say.
        """

    def close_poll(self) -> None:
        """No fan begins to vote any more; what is not acknowledged is sent on."""

    def vote_bounds(self) -> VoteBounds:
        """What the tally may be, if nothing was counted after this."""

    def audit(self, seqs: array[int], masks: array[int]) -> None:
        """Hold the server's registers to what each fan has sent and was acknowledged.

        By fan ("I"), seq 0 where there is none. Once voting is over; each that is wrong is a
        violation of kind vote_lost or vote_doubled.
        """

    def progress(self) -> dict[str, int]:
        """Counters summed over threads; cheap.

        open and paused (now), arrived, entered (fans that were ever open), opened (connections),
        failed (attempts without a 101), closed (connections ended), lost (of these, by the other
        side without a close frame), left (in order, by the fan), dropped (by the fan), refused
        (another status than 101), malformed (broke RFC 6455), recovered, unrecovered (resumes, as
        the server said), last_error (errno), voters (fans that have voted), voters_acknowledged,
        votes_sent (each change of mind is one), votes_repeated, votes_acknowledged, votes_refused,
        votes_put_off (the server had no room), reactions, cheats (forbidden things that were
        tried), lines (of chat), lines_taken, lines_refused; and since reset(): received, bytes,
        gaps (missing), duplicates, reordered (late, no longer missing), corrupt (padding differs),
        untimed (no two numbers), told (missing, and announced), skipped (missing, as the channel
        may), pings, violations, last_received_ns (CLOCK_MONOTONIC).
        """

    def violations(self) -> list[Violation]:
        """The first 256 of each thread, oldest first; progress() counts all of them."""

    def close_codes(self) -> dict[int, int]:
        """Codes of closes the server began, and statuses of refused upgrades: how often each."""

    def histogram(
        self, kind: Literal["latency", "connect", "lag", "vote"] = "latency"
    ) -> array[int]:
        """Counts for the buckets of bucket_floors(), as 64-bit words that numpy takes as they are.

        latency: from intended send to fan. connect: from connect() to 101. lag: how late this
        generator was for an arrival, a step or its own heartbeat. vote: from when a vote was sent
        first to its acknowledgement.
        """

    def cpu_seconds(self) -> float:
        """CPU time the threads have spent."""

    def stop(self) -> None:
        """Reset every connection and end the threads. Idempotent; all counters but open stay."""

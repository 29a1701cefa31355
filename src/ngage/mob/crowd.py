"""The one bridge to the native crowd: scenarios in, snapshots and findings out.

A Swarm is for one Python thread at a time, but positions come from the publisher's threads, so
every call takes a lock. Calls that wait for the crowd's threads take milliseconds; a loop makes
them in a thread.
"""

import struct
import threading
import time
from array import array
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote, urlsplit

from ngage.errors import ScenarioError
from ngage.mob.measure.percentiles import Histogram
from ngage.mob.measure.totals import Counted
from ngage.mob.model import Delay, Scenario
from ngage_core.behaviour import Target, Violation, VoteBounds
from ngage_core.swarm import Swarm, bucket_floors, publication

__all__ = ["Crowd", "publication"]

RAW_PREFIX = "/ws/"
FLOORS = bucket_floors()
VOTER = struct.Struct("<8xQ16x")  # of a ticket


class Crowd:
    """The fans of a scenario in front of `urls`, ws://HOST:PORT/PATH each.

    Raises ScenarioError for what the swarm cannot be: too many fans for this machine's limits, an
    address that is not numeric, a protocol that is not there.
    """

    def __init__(self, scenario: Scenario, urls: Sequence[str], threads: int = 0) -> None:
        targets = [_target(url, scenario.skips) for url in urls]
        try:
            self._swarm = Swarm(
                targets,
                fans=scenario.fans,
                personas=scenario.personas,
                seed=scenario.seed,
                threads=threads,
                source=scenario.sources,
                check_padding=True,
            )
        except ValueError as error:
            raise ScenarioError(f"{scenario.name}: {error}") from error
        self._lock = threading.Lock()
        self._fan_of: Callable[[int], int] = lambda voter: -1
        self.paths = self._swarm.channels
        self._channel_of = [self.paths.index(target.path) for target in targets]
        self.channels = [_channel(path) for path in self.paths]

    def channel_of(self, target: int) -> int:
        """The number of the channel that a target serves."""
        return self._channel_of[target]

    def connect(self) -> None:
        """Let all arrive, as fast as the kernel lets them."""
        with self._lock:
            self._swarm.connect(0)

    def arrive(self, start_ns: int, delays_us: "array[int]") -> None:
        """Open loop: fan i at start_ns + delays_us[i]."""
        with self._lock:
            self._swarm.arrive(start_ns, delays_us)

    def stimulate(self, persona: int, probability: float, delay: Delay, step: int) -> None:
        """As Swarm.stimulate(): persona -1 is everybody, step -1 leaves for good."""
        with self._lock:
            self._swarm.stimulate(persona, probability, delay, step)

    def anchor(self, target: int, epoch: str, sequence: int, offset: int) -> None:
        """On this target, in this epoch, the publication `sequence` has this offset."""
        with self._lock:
            self._swarm.anchor(target, int(epoch, 16), sequence - offset)

    def waiting(self, last: Sequence[tuple[int, int]]) -> int:
        """How many fans have not seen the last publication; `last` by channel."""
        with self._lock:
            return self._swarm.settle(last)["waiting"]

    def give_up(self, last: Sequence[tuple[int, int]]) -> None:
        """What is missing now is a violation."""
        with self._lock:
            self._swarm.give_up(last)

    def sign_tickets(self, secret: bytes, expires: int) -> None:
        """Every fan that shows tickets has one of its own, until this Unix second."""
        with self._lock:
            first = self._swarm.sign_tickets(secret, expires)
        self._fan_of = lambda voter: voter - first

    def hand_out(self, tickets: Sequence[str]) -> None:
        """One for each fan, as the server API gives them."""
        raw = b"".join(urlsafe_b64decode(ticket + "=") for ticket in tickets)
        with self._lock:
            self._swarm.hand_out(raw)
        voters = {voter: fan for fan, (voter,) in enumerate(VOTER.iter_unpack(raw))}
        self._fan_of = lambda voter: voters.get(voter, -1)

    def open_poll(
        self, number: int, choices: int, *, event: int, name: str, reactions: int
    ) -> None:
        """Fans may vote from now on, chat, and react to the event with so many kinds."""
        with self._lock:
            self._swarm.poll(number, choices, event=event, name=name, reactions=reactions)

    def close_poll(self) -> None:
        """No fan begins to vote any more."""
        with self._lock:
            self._swarm.close_poll()

    def vote_bounds(self) -> VoteBounds:
        """What the tally may be, by what has been sent and acknowledged."""
        with self._lock:
            return self._swarm.vote_bounds()

    def audit(self, registers: Iterable[tuple[int, int, int]]) -> int:
        """Hold registers, (voter, seq, mask), to what their fans have sent, once all is counted.

        Wrong ones are violations. How many are of voters that are no fans.
        """
        seqs, masks = (array("I", bytes(4 * self._swarm.fans)) for _ in range(2))
        strangers = 0
        for voter, seq, mask in registers:
            fan = self._fan_of(voter)
            if 0 <= fan < len(seqs):
                seqs[fan], masks[fan] = seq, mask
            else:
                strangers += 1
        with self._lock:
            self._swarm.audit(seqs, masks)
        return strangers

    @property
    def counters(self) -> dict[str, int]:
        with self._lock:
            return self._swarm.progress()

    def count(self) -> Counted:
        with self._lock:
            latency, connect, lag, voting = (
                Histogram.of(self._swarm.histogram(kind), FLOORS)
                for kind in ("latency", "connect", "lag", "vote")
            )
            counters = self._swarm.progress()
            return Counted(time.monotonic_ns(), counters, latency, connect, lag, voting)

    def violations(self) -> list[Violation]:
        with self._lock:
            return self._swarm.violations()

    def closes(self) -> dict[str, int]:
        with self._lock:
            return {str(code): times for code, times in self._swarm.close_codes().items()}

    def stop(self) -> None:
        with self._lock:
            self._swarm.stop()


def _target(url: str, skips: bool) -> Target:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname or "", parts.port or 80, path, skips)


def _channel(path: str) -> str:
    """The channel's name in the raw protocol; any other server's path is its own."""
    path = path.partition("?")[0]
    return unquote(path.removeprefix(RAW_PREFIX))

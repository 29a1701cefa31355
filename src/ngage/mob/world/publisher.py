"""mobsim as the one who publishes: an open loop, the same publications to every address.

Publication `sequence` of burst k is meant for start + k / rate and says so, however late it is. One
thread for each address, so that a dead one holds up no other. There a publication is tried until it
is accepted, in order; when an answer was lost, the edge is first asked for its position, which
tells whether it was accepted after all (nobody else may publish to these channels). So every
publication is in every channel exactly once; only where an edge was killed between accepting and
answering, the last one is published again in the new epoch.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from ngage.errors import PublisherError
from ngage.events import Position
from ngage.mob.model import Publish
from ngage.mob.world.sinks import RefusedError, Sink, open_sink

NS = 1_000_000_000
RETRY_SECONDS = 0.05
# What took so long was held up by the server: who is late after it does not lag by itself.
HELD_UP_SECONDS = 1.0
LAG_US_MAX = 3_600_000_000

MakePublication = Callable[[int, int, int], bytes]
OnPosition = Callable[[int, int, int, str, int], None]


class Last(NamedTuple):
    """The newest publication of a channel; 0, 0 before the first."""

    sequence: int = 0
    intended_ns: int = 0


@dataclass(slots=True)
class Progress:
    """Of one address. refused: failures that were an answer."""

    published: int = 0
    attempts: int = 0
    failures: int = 0
    refused: int = 0


class Publisher:
    """open(), then start(), then stop(); they block, so a loop calls them in a thread.

    make: the bytes of a publication from (intended_ns, sequence, size). on_position: called with
    (url, channel, sequence, epoch, offset), indices first, on a thread of the publisher, when a
    publication was the first of an epoch. Times are CLOCK_MONOTONIC in ns.
    """

    def __init__(
        self,
        publish: Publish,
        channels: Sequence[str],
        make: MakePublication,
        on_position: OnPosition = lambda *_: None,
    ) -> None:
        self.options = publish
        self.channels = channels
        self.make = make
        self.on_position = on_position
        self.given_up = threading.Event()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._last_burst = math.inf
        self._newest_burst = -1
        self._workers = [
            _Worker(self, number, open_sink(url, channels, publish.api_key, publish.text))
            for number, url in enumerate(publish.urls)
        ]

    def open(self, timeout: float) -> None:
        """Publish sequence 1 of each channel everywhere, so that the channels exist.

        Raises PublisherError at a refusal, or if an address does not accept it in `timeout` s.
        """
        first = Last(1, time.monotonic_ns())
        for worker in self._workers:
            worker.open(first, time.monotonic() + timeout)

    def start(self, start_ns: int) -> None:
        """Burst 0 is meant for start_ns."""
        for worker in self._workers:
            worker.start(start_ns)

    def stop(self, patience: float = 0.0) -> list[Last]:
        """End after the newest burst of any address: by channel, what was published everywhere.

        An address that has fallen behind has `patience` seconds to catch up. Idempotent.
        """
        with self._lock:
            self._last_burst = min(self._last_burst, self._newest_burst)
        self._ending.set()
        deadline = time.monotonic() + patience
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        self.given_up.set()
        for worker in self._workers:
            worker.close()
        everywhere = zip(*(worker.last for worker in self._workers), strict=True)
        return [min(lasts) for lasts in everywhere]

    def published(self, url: int) -> list[Last]:
        """By channel, the newest publication at one address."""
        return list(self._workers[url].last)

    def progress(self) -> list[Progress]:
        """By address."""
        return [worker.progress for worker in self._workers]

    def lag(self) -> HdrHistogram:
        """How late publications were tried first, in us, all addresses; to be read after stop().

        Those that had to wait for one that failed, or that the server held up, do not count.
        """
        merged = _histogram()
        for worker in self._workers:
            merged.add(worker.lag)
        return merged

    # For the workers

    def may_begin(self, burst: int) -> bool:
        """Whether this burst is to be published still."""
        with self._lock:
            if burst > self._last_burst:
                return False
            self._newest_burst = max(self._newest_burst, burst)
            return True

    def wait_until(self, due_ns: int) -> bool:
        """Sleep; False if there was no need to, for it is late already."""
        left = due_ns - time.monotonic_ns()
        if left > 0:
            self._ending.wait(left / NS)
        return left > 0


class _Worker:
    """Everything to one address."""

    def __init__(self, publisher: Publisher, number: int, sink: Sink) -> None:
        self.last = [Last() for _ in publisher.channels]
        self.progress = Progress()
        self.lag = _histogram()
        self._publisher = publisher
        self._number = number
        self._sink = sink
        self._known: list[Position | None] = [None for _ in publisher.channels]
        self._behind = False
        self._thread: threading.Thread | None = None

    def open(self, first: Last, deadline: float) -> None:
        """Publish `first` to each channel."""
        url = self._publisher.options.urls[self._number]
        for channel in range(len(self.last)):
            while True:
                try:
                    self._known[channel] = self._sink.position(channel)
                    break
                except RefusedError as error:
                    raise PublisherError(f"{url} refuses: {error}") from error
                except OSError as error:
                    self._wait_before_retry(deadline, error)
            self._publish(channel, first, deadline)

    def start(self, start_ns: int) -> None:
        """Go on with sequence 2, in a thread."""
        self._thread = threading.Thread(
            target=self._run, args=(start_ns,), name=f"publisher-{self._number}", daemon=True
        )
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Let it end by itself for so long."""
        if self._thread:
            self._thread.join(timeout)

    def close(self) -> None:
        """End it."""
        self._sink.interrupt()
        if self._thread:
            self._thread.join()
        self._sink.close()

    def _run(self, start_ns: int) -> None:
        options = self._publisher.options
        burst = 0
        while True:
            intended = start_ns + round(burst * NS / options.rate)
            if self._publisher.wait_until(intended):
                self._behind = False
            if not self._publisher.may_begin(burst):
                return
            self._sink.gather(True)
            first = 2 + burst * options.burst
            if not all(
                self._publish(channel, Last(sequence, intended))
                for sequence in range(first, first + options.burst)
                for channel in range(len(self.last))
            ):
                return
            self._sink.gather(False)
            burst += 1

    def _publish(self, channel: int, publication: Last, deadline: float = math.inf) -> bool:
        """Until it is accepted; False if that was given up."""
        options = self._publisher.options
        sequence, intended = publication
        data = self._publisher.make(intended, sequence, options.size)
        began = time.monotonic_ns()
        if not self._behind and sequence > 1:
            self.lag.record_value(min(max(1, (began - intended) // 1000), LAG_US_MAX))
        failed = False
        while not self._publisher.given_up.is_set():
            self.progress.attempts += 1
            try:
                position = self._accepted(channel) if failed else None
                if position is None:
                    position = self._sink.publish(channel, data)
                self._accept(channel, publication, position)
                held_up = time.monotonic_ns() - began > HELD_UP_SECONDS * NS
                self._behind |= failed or held_up
                return True
            except (RefusedError, OSError) as error:
                failed = True
                self.progress.failures += 1
                self.progress.refused += isinstance(error, RefusedError)
                if isinstance(error, RefusedError) and deadline < math.inf:
                    url = options.urls[self._number]
                    raise PublisherError(f"{url} refuses: {error}") from error
                self._wait_before_retry(deadline, error)
        return False

    def _accepted(self, channel: int) -> Position | None:
        """Where the last attempt went, if it was accepted though no answer came."""
        now, known = self._sink.position(channel), self._known[channel]
        if now is None:
            return None
        before = known.offset if known is not None and known.epoch == now.epoch else 0
        return now if now.offset == before + 1 else None

    def _accept(self, channel: int, publication: Last, position: Position | None) -> None:
        known = self._known[channel]
        self._known[channel] = position
        self.last[channel] = publication
        self.progress.published += 1
        # The first publication of all is news too, in a channel that was there before.
        if position and (
            publication.sequence == 1 or known is None or known.epoch != position.epoch
        ):
            self._publisher.on_position(
                self._number, channel, publication.sequence, position.epoch, position.offset
            )

    def _wait_before_retry(self, deadline: float, error: Exception) -> None:
        if time.monotonic() > deadline:
            url = self._publisher.options.urls[self._number]
            raise PublisherError(f"{url} does not answer: {error}") from error
        self._publisher.given_up.wait(RETRY_SECONDS)


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, LAG_US_MAX, 3)

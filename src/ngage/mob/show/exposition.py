"""A run as Prometheus metrics, while it goes on.

The scrape's thread reads one reference to values that are never changed: no lock is needed.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ngage.errors import StartError
from ngage.mob.measure.results import Percentiles, Sampling
from ngage.mob.measure.totals import Totals

# Sampling's fields: the name after mobsim_, what it is, and how many of the field make one.
GAUGES = {
    "open": ("fans_open", "Fans connected now", 1),
    "arrived": ("fans_arrived", "Fans that have arrived", 1),
    "connects_per_second": ("connects_per_second", "Connects in the last second", 1),
    "votes_per_second": ("votes_per_second", "Votes acknowledged in the last second", 1),
    "received_per_second": ("messages_per_second", "Publications got in the last second", 1),
    "lag_p99": ("generator_lag_seconds", "Lateness of the generator, p99 of a second", 1000),
}
# The counters of Swarm.progress() that grow: the name after mobsim_, without _total.
COUNTERS = {
    "entered": ("fans_entered", "Fans that were ever connected"),
    "opened": ("connections_opened", "Connections made"),
    "failed": ("connections_failed", "Attempts without an upgrade"),
    "refused": ("connections_refused", "Upgrades refused with a status"),
    "closed": ("connections_closed", "Connections ended"),
    "lost": ("connections_lost", "Connections ended by the server without a close frame"),
    "left": ("connections_left", "Connections ended in order by the fan"),
    "dropped": ("connections_dropped", "Connections reset by the fan"),
    "recovered": ("resumes_recovered", "Resumes that missed nothing, says the server"),
    "unrecovered": ("resumes_unrecovered", "Resumes that missed something, says the server"),
    "received": ("messages_received", "Publications received by all fans"),
    "bytes": ("received_bytes", "Bytes of publications received"),
    "gaps": ("messages_missing", "Publications missing without a word"),
    "duplicates": ("messages_duplicate", "Publications that came twice"),
    "reordered": ("messages_reordered", "Publications that came late"),
    "corrupt": ("messages_corrupt", "Publications that were altered"),
    "told": ("messages_told", "Publications missing, and the server said so"),
    "skipped": ("messages_skipped", "Publications missing, as the channel may"),
    "pings": ("pings", "Pings received"),
    "voters": ("voters", "Fans that have voted"),
    "votes_sent": ("votes_sent", "Votes sent, without repetitions"),
    "votes_repeated": ("votes_repeated", "Votes sent again"),
    "votes_acknowledged": ("votes_acknowledged", "Votes acknowledged"),
    "votes_refused": ("votes_refused", "Votes refused"),
    "votes_put_off": ("votes_put_off", "Votes the server had no room for"),
    "reactions": ("reactions", "Reactions sent"),
    "cheats": ("cheats", "Forbidden things tried"),
    "lines": ("chat_lines", "Lines of chat sent"),
    "lines_taken": ("chat_lines_taken", "Lines of chat taken"),
    "lines_refused": ("chat_lines_refused", "Lines of chat refused"),
    "violations": ("violations", "Invariants violated"),
}
QUANTILES = (("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99"), ("0.999", "p99_9"), ("1", "max"))


class _Seen(NamedTuple):
    sampling: Sampling
    totals: Totals


class Exposition(Collector):
    """http://HOST:PORT/metrics. Use as a context manager; port 0 takes a free one."""

    def __init__(self, host: str, port: int, wanted: int) -> None:
        """wanted: fans. Raises StartError if the address cannot be had."""
        self._wanted = wanted
        self._seen: _Seen | None = None
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise StartError(
                f"metrics {host}:{port}: {error.strerror or error}; choose another address"
            ) from error
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def update(self, sampling: Sampling, totals: Totals) -> None:
        """What the next scrapes show; neither may be changed afterwards."""
        self._seen = _Seen(sampling, totals)

    def stop(self) -> None:
        """End the thread and free the port. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("mobsim_fans_wanted", "Fans of the scenario", self._wanted)
        if (seen := self._seen) is None:
            return
        for field, (name, about, divisor) in GAUGES.items():
            value = getattr(seen.sampling, field) / divisor
            yield GaugeMetricFamily(f"mobsim_{name}", about, value)
        for counter, (name, about) in COUNTERS.items():
            if counter in seen.totals.counters:
                value = seen.totals.counters[counter]
                yield CounterMetricFamily(f"mobsim_{name}", about, value)
        yield _quantiles("latency", "From intended send to fan", seen.totals.latency)
        yield _quantiles("vote", "From a vote to its acknowledgement", seen.totals.voting)
        closes = CounterMetricFamily(
            "mobsim_closes", "Close codes and statuses of refused upgrades", labels=["code"]
        )
        for code, count in seen.totals.closes.items():
            closes.add_metric([code], count)
        yield closes


def _quantiles(name: str, about: str, times: Percentiles) -> Metric:
    family = GaugeMetricFamily(
        f"mobsim_{name}_seconds", f"{about}, since the start", labels=["quantile"]
    )
    for quantile, field in QUANTILES:
        family.add_metric([quantile], getattr(times, field) / 1000)
    return family

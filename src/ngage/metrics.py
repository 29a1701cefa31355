"""The core's counters as Prometheus metrics, read when asked for.

Labels are bounded by the machine (shard) or by this file, never by clients; only what is about the
delay of a picture is told for each channel that has one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Info, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ngage.api import Edge
from ngage.video.channel import VideoChannel
from ngage.video.delays import BOUNDS_SECONDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Figures of the interaction plane: metric -> values of its labels -> figure.
Figures = Callable[[], Mapping[str, Mapping[tuple[str, ...], int]]]


class _Single(NamedTuple):
    """One counter of the core under the name that operators know."""

    name: str
    about: str


class _Split(NamedTuple):
    """Counters of the core that are one metric with a label: label value -> counter."""

    name: str
    about: str
    label: str
    counters: Mapping[str, str]


GAUGES = {
    "connections": _Single("client_connections", "Connections open, handshakes included"),
    "websockets": _Single("client_websockets", "Connections that are upgraded"),
    "deflate_clients": _Single("client_deflate", "Clients that can inflate"),
    "subscriptions": _Single("client_subscriptions", "Subscriptions of all connections"),
    "blocked": _Single("slow_clients", "Connections whose socket buffer is full"),
    "inbound_states": _Single("inbound_states", "Unfinished messages from clients"),
    "outboxes": _Single("outboxes", "Clients with messages of their own pending"),
    "waiting": _Single("http_waiting", "HTTP requests whose answer is not there yet"),
    "held_bytes": _Single("held_bytes", "Bytes of unfinished messages from clients"),
}
# Microseconds in the core, seconds here.
LARGEST = {
    "quantum_us_max": _Single(
        "sweep_quantum_cpu_seconds_max", "Longest quantum of a broadcast in one go"
    ),
    "pause_us_max": _Single(
        "sweep_pause_cpu_seconds_max", "Longest work between two quanta of one broadcast"
    ),
}
COUNTERS = {
    "accepted": _Single("client_connections_accepted", "Connections accepted"),
    "deliveries": _Single("messages_sent", "Publications sent, once for each subscriber"),
    "sent_bytes": _Single("sent_bytes", "Bytes sent to clients"),
    "received_bytes": _Single("received_bytes", "Bytes received from clients"),
    "messages_received": _Single("messages_received", "Messages received from clients"),
}
SPLITS = (
    _Split(
        "connection_refused",
        "Connections refused before the upgrade",
        "reason",
        {
            "full": "refused_full",
            "descriptors": "refused_descriptors",
            "origin": "refused_origin",
            "not_http": "not_http",
            "timeout": "handshake_timeouts",
        },
    ),
    _Split(
        "client_disconnects",
        "Clients the edge closed",
        "reason",
        {
            "slow": "slow_closed",
            "no_pong": "no_pong_closed",
            "protocol": "protocol_errors",
            "policy": "policy_closed",
        },
    ),
    _Split(
        "messages_skipped",
        "Publications a slow subscriber did not get",
        "policy",
        {"latest": "skipped_latest", "keyframe": "skipped_keyframe", "ring": "skipped_ring"},
    ),
    _Split(
        "client_recover",
        "Subscriptions that resumed from a position",
        "recovered",
        {"true": "recovered", "false": "not_recovered"},
    ),
)


class _Family(NamedTuple):
    """A metric of the interaction plane; its values come by the labels' values."""

    about: str
    labels: tuple[str, ...] = ()


INTERACTION = {
    "chat_lines": _Family("Lines of chat by what became of them", ("outcome",)),
    "questions": _Family("Questions, and votes for them, by what became of them", ("outcome",)),
    "reactions": _Family("Reactions by how they came", ("source",)),
    "rpc_granted": _Family("What a limit let pass", ("limit",)),
    "rpc_refused": _Family("What a limit refused", ("limit",)),
    "hook_calls": _Family("Calls of hooks by what they said", ("hook", "outcome")),
    "webhook_deliveries": _Family("Webhooks by what became of them", ("outcome",)),
    "kept_rows_lost": _Family("Rows of chat and questions that were too many for the database"),
}
INTERACTION_GAUGES = {"webhook_waiting": _Family("Webhooks that are not delivered yet")}

# Shown by shard, in seconds.
BY_SHARD_ONLY = frozenset({"cpu_us"})
NAMED = GAUGES.keys() | COUNTERS.keys() | LARGEST.keys() | BY_SHARD_ONLY
NAMED |= {counter for split in SPLITS for counter in split.counters.values()}


class EdgeCollector(Collector):
    """Metrics of one edge: the sums over its shards, and the balance between them."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def describe(self) -> list[Metric]:
        """Nothing: the registry must not read an edge that has not started."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every counter of the core, read now; those without a name of their own keep theirs."""
        counters = self._edge.stats()
        for counter, (name, about) in GAUGES.items():
            yield GaugeMetricFamily(f"ngage_{name}", about, counters[counter])
        for counter, (name, about) in COUNTERS.items():
            yield CounterMetricFamily(f"ngage_{name}", about, counters[counter])
        for split in SPLITS:
            family = CounterMetricFamily(f"ngage_{split.name}", split.about, labels=[split.label])
            for value, counter in split.counters.items():
                family.add_metric([value], counters[counter])
            yield family
        for counter in sorted(counters.keys() - NAMED):
            about = counter.replace("_", " ").capitalize()
            yield CounterMetricFamily(f"ngage_{counter}", about, counters[counter])
        for counter, (name, about) in LARGEST.items():
            yield GaugeMetricFamily(f"ngage_{name}", about, counters[counter] / 1e6)
        yield GaugeMetricFamily("ngage_channels", "Channels", len(self._edge.channels))
        yield from self._collect_shards()
        yield self._collect_delays()

    def _collect_shards(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily(
            "ngage_shard_connections", "Connections of a shard", labels=["shard"]
        )
        cpu = CounterMetricFamily(
            "ngage_shard_cpu_seconds", "CPU time of a shard's thread", labels=["shard"]
        )
        for index, counters in enumerate(self._edge.shard_stats()):
            connections.add_metric([str(index)], counters["connections"])
            cpu.add_metric([str(index)], counters["cpu_us"] / 1e6)
        yield connections
        yield cpu

    def _collect_delays(self) -> Metric:
        family = HistogramMetricFamily(
            *("ngage_video_delay_seconds", "Age of pictures and sound when published, by stage"),
            labels=["channel", "stage"],
        )
        bounds = [*map(str, BOUNDS_SECONDS), "+Inf"]
        for name, channel in self._edge.channels.items():
            if isinstance(channel.owner, VideoChannel):
                for stage, histogram in channel.owner.delays.histograms.items():
                    buckets = list(zip(bounds, histogram.counts, strict=True))
                    family.add_metric([name, stage], buckets, histogram.seconds)
        return family


class InteractionCollector(Collector):
    """Metrics of chat, questions, reactions, limits, hooks and webhooks, as `read` tells them."""

    def __init__(self, read: Figures) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        """Nothing, as above."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every figure, read now."""
        figures = self._read()
        for kind, families in (
            (CounterMetricFamily, INTERACTION),
            (GaugeMetricFamily, INTERACTION_GAUGES),
        ):
            for name, (about, labels) in families.items():
                family = kind(f"ngage_{name}", about, labels=labels)
                for values, figure in figures.get(name, {}).items():
                    family.add_metric(values, figure)
                yield family


class Metrics:
    """A registry of its own for one edge, so that embedding programs keep theirs."""

    def __init__(self, edge: Edge, version: str, interaction: Figures | None = None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(EdgeCollector(edge))
        if interaction:
            self._registry.register(InteractionCollector(interaction))
        ProcessCollector(registry=self._registry)
        Info("ngage_build", "Version", registry=self._registry).info({"version": version})

    def text(self) -> bytes:
        """The exposition in Prometheus' text format."""
        return generate_latest(self._registry)

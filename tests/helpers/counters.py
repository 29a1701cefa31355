"""Readings of /metrics that tests ask for by what they mean."""

from tests.helpers.daemon import Daemon

# They return to zero when all clients have gone.
GAUGES = (
    *("client_connections", "client_subscriptions", "inbound_states", "outboxes", "held_bytes"),
    "http_waiting",
)


def gauges(daemon: Daemon) -> dict[str, float]:
    metrics = daemon.metrics()
    return {name: metrics[f"ngage_{name}"] for name in GAUGES}


def all_zero(daemon: Daemon) -> bool:
    return not any(gauges(daemon).values())


def refused(daemon: Daemon, reason: str) -> float:
    """Handshakes that came to nothing."""
    return daemon.metrics()[f'ngage_connection_refused_total{{reason="{reason}"}}']


def disconnected(daemon: Daemon, reason: str) -> float:
    """Clients that the edge has closed."""
    return daemon.metrics()[f'ngage_client_disconnects_total{{reason="{reason}"}}']


def skipped(daemon: Daemon, policy: str) -> float:
    """Publications that slow subscribers did not get."""
    return daemon.metrics()[f'ngage_messages_skipped_total{{policy="{policy}"}}']

"""What must fit together in a scenario: names, addresses, times.

Each check is given the values and the nodes they come from, and raises ScenarioError at the key.
"""

import re
from collections.abc import Container, Sequence
from urllib.parse import urlsplit

from ngage.mob.hints import did_you_mean
from ngage.mob.model import Fault, Poll, Scenario, Stimulus
from ngage.mob.scenario.arrivals import LATEST_SECONDS
from ngage.mob.scenario.nodes import Node

TARGETS_MAX = 64  # what a Swarm takes
ADMIN = ".admin"
REFERENCE = re.compile(r"\{([^{}]*)\}")


def check_names(root: Node, scenario: Scenario, proxy_faults: Container[str]) -> None:
    """Servers and proxies have one name each, and are there when somebody names them.

    proxy_faults: what is done to proxies; everything else is done to servers.
    """
    servers = [server.name for server in scenario.servers]
    proxies = [proxy.name for proxy in scenario.proxies]
    taken: set[str] = set()
    for node in [*root.child("servers").children(), *root.child("proxies").children()]:
        name = str(node.child("name").value)
        if name in taken:
            raise node.child("name").error(f"{name} is taken")
        taken.add(name)
    for node, proxy in zip(root.child("proxies").children(), scenario.proxies, strict=True):
        if proxy.server not in servers:
            reason = f"unknown server{did_you_mean(proxy.server, servers)}"
            raise node.child("server").error(reason)
    for node, fault in zip(root.child("faults").children(), scenario.faults, strict=True):
        kind, names = ("proxy", proxies) if fault.do in proxy_faults else ("server", servers)
        if fault.what not in names:
            reason = f"{fault.do} is for a {kind}, and it is none{did_you_mean(fault.what, names)}"
            raise node.child("what").error(reason)


def check_urls(root: Node, scenario: Scenario) -> None:
    """Addresses are complete, but for names of servers and proxies in braces."""
    names = [server.name for server in scenario.servers]
    names += [proxy.name for proxy in scenario.proxies]
    names += [server.name + ADMIN for server in scenario.servers]
    target = root.child("mob").child("target")
    if len(scenario.targets) > TARGETS_MAX:
        raise target.error(f"there are at most {TARGETS_MAX} targets")
    _check_addresses(target, scenario.targets, ("ws",), names)
    if scenario.publish:
        url = root.child("publish").child("url")
        _check_addresses(url, scenario.publish.urls, ("http", "ws"), names)
    if poll := scenario.poll:
        node = root.child("poll")
        if not poll.url and not (poll.number and poll.tally):
            raise node.error("it needs the url of an edge's admin, or a number and a tally")
        for key, given in (("url", poll.url), ("tally", poll.tally)):
            if given:
                _check_addresses(node.child(key), (given,), ("http",), names)


def _check_addresses(
    node: Node, urls: Sequence[str], schemes: Sequence[str], names: Sequence[str]
) -> None:
    # One address may stand for a list of one
    places = node.children() if isinstance(node.value, list) else [node]
    for place, url in zip(places, urls, strict=True):
        for name in REFERENCE.findall(url):
            if name not in names:
                raise place.error(f"{{{name}}} is no server or proxy{did_you_mean(name, names)}")
        try:
            parts = urlsplit(REFERENCE.sub("127.0.0.1:1", url))
            complete = parts.scheme in schemes and bool(parts.hostname and parts.port)
        except ValueError:
            complete = False
        if not complete:
            ways = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
            raise place.error(f"{url!r} does not begin with {ways}")


def check_times(root: Node, scenario: Scenario) -> None:
    """Something arrives, in time, and nothing happens after the end."""
    phases = root.child("phases")
    if not any(phase.arrival_rate or phase.ramp_to for phase in scenario.phases):
        raise phases.error("missing: at least one phase needs an arrival_rate or a ramp_to")
    end = 0.0
    for node, phase in zip(phases.children(), scenario.phases, strict=True):
        end += phase.duration
        if (phase.arrival_rate or phase.ramp_to) and end > LATEST_SECONDS:
            raise node.child("duration").error(f"arrivals must end within {LATEST_SECONDS} s")
    if scenario.poll:
        _check_poll_times(root.child("poll"), scenario.poll, end)
    tables: list[tuple[str, Sequence[Stimulus | Fault]]] = [
        ("stimuli", scenario.stimuli),
        ("faults", scenario.faults),
    ]
    for table, events in tables:
        for node, event in zip(root.child(table).children(), events, strict=True):
            if event.at > end:
                raise node.child("at").error(f"the last phase ends at {end:g} s")


def _check_poll_times(node: Node, poll: Poll, end: float) -> None:
    closes = end if poll.closes is None else poll.closes
    if closes > end:
        raise node.child("closes").error(f"the last phase ends at {end:g} s")
    if poll.opens >= closes:
        raise node.child("opens").error(f"it closes at {closes:g} s")

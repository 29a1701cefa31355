"""What a scenario starts around its crowd, and the addresses it gets: servers and proxies."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ngage.errors import ScenarioError
from ngage.mob.model import Scenario
from ngage.mob.scenario.fitting import REFERENCE
from ngage.mob.world.proxy import Proxy
from ngage.mob.world.servers import ServerProcess, serving

SECRET_BYTES = 32
SECRET_VARIABLE = "NGAGE_SECRET"  # of the edges that are started here


@dataclass(frozen=True, slots=True)
class World:
    """targets and publish_urls are complete URLs, in the scenario's order.

    edges: for each publish URL, the numbers of the targets that its publications reach, so that
    positions which the one tells hold for the others. secret: what tickets are signed with, in
    hexadecimal; "": nobody here knows it.
    """

    servers: Mapping[str, ServerProcess]
    proxies: Mapping[str, Proxy]
    targets: tuple[str, ...]
    publish_urls: tuple[str, ...]
    edges: tuple[tuple[int, ...], ...]
    poll_url: str = ""
    tally_url: str = ""
    secret: str = ""


@contextlib.asynccontextmanager
async def built(scenario: Scenario, environment: Mapping[str, str]) -> AsyncIterator[World]:
    """Everything is started and ready inside, and gone outside. Raises ServerError."""
    secret = scenario.secret
    if shows_tickets(scenario) and scenario.servers:
        secret = secret or secrets.token_hex(SECRET_BYTES)
        environment = {**environment, SECRET_VARIABLE: secret}
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(serving(scenario.servers, environment))
        proxies = {
            proxy.name: await stack.enter_async_context(Proxy(*servers[proxy.server].public))
            for proxy in scenario.proxies
        }
        places: dict[str, tuple[str, int]] = {}
        for name, server in servers.items():
            places[name] = server.public
            if server.admin:
                places[f"{name}.admin"] = server.admin
        places |= {name: proxy.address for name, proxy in proxies.items()}
        publish_urls = scenario.publish.urls if scenario.publish else ()
        yield World(
            servers,
            proxies,
            tuple(_complete(url, places) for url in scenario.targets),
            tuple(_complete(url, places) for url in publish_urls),
            tuple(_reached(scenario, url) for url in publish_urls),
            _complete(scenario.poll.url, places) if scenario.poll else "",
            _complete(scenario.poll.tally, places) if scenario.poll else "",
            secret,
        )


def shows_tickets(scenario: Scenario) -> bool:
    """Whether some of its fans speak a protocol that knows who they are."""
    return any(persona.protocol != "raw" for persona in scenario.personas)


def _complete(url: str, places: Mapping[str, tuple[str, int]]) -> str:
    for name in REFERENCE.findall(url):
        if name not in places:
            raise ScenarioError(f"{url}: {name} did not say where it listens")
        host, port = places[name]
        url = url.replace(f"{{{name}}}", f"{host}:{port}")
    return url


def _reached(scenario: Scenario, publish_url: str) -> tuple[int, ...]:
    """By the names of servers; where there are none, one address belongs to one publish URL."""
    behind = {proxy.name: proxy.server for proxy in scenario.proxies}
    places = [urlsplit(url).netloc for url in scenario.targets]
    assert scenario.publish
    if REFERENCE.search(publish_url) is None:
        alone = len(set(places)) == 1 and len(scenario.publish.urls) == 1
        return tuple(range(len(places))) if alone else ()
    server = urlsplit(publish_url).netloc.strip("{}").removesuffix(".admin")
    names = [place.strip("{}") for place in places]
    return tuple(i for i, name in enumerate(names) if behind.get(name, name) == server)

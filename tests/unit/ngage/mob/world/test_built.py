"""The addresses a scenario gets, and which targets a publish URL reaches."""

import sys

import pytest

from ngage.errors import ScenarioError
from ngage.mob.model import Phase, Proxy, Publish, Scenario, Server
from ngage.mob.world.built import World, built

READY = "print('ready public=http://127.0.0.1:11{admin}', flush=True); import time; time.sleep(99)"


def scenario(targets: tuple[str, ...], publish: tuple[str, ...], admin: str = "") -> Scenario:
    command = (sys.executable, "-c", READY.format(admin=admin))
    return Scenario(
        name="s",
        targets=targets,
        fans=1,
        phases=(Phase(name="p", duration=1.0),),
        publish=Publish(urls=publish) if publish else None,
        servers=(Server(name="a", command=command), Server(name="b", command=command)),
        proxies=(Proxy(name="link", server="a"),),
    )


async def world_of(scenario: Scenario) -> World:
    async with built(scenario, {}) as world:
        return world


async def test_names_become_addresses() -> None:
    targets = ("ws://{a}/ws/x", "ws://{link}/ws/x", "ws://{b}/ws/y?z=1")
    publish = ("http://{a.admin}", "http://{b.admin}")
    world = await world_of(scenario(targets, publish, " admin=http://127.0.0.1:12"))
    host, port = world.proxies["link"].address
    assert world.targets == (
        "ws://127.0.0.1:11/ws/x",
        f"ws://{host}:{port}/ws/x",
        "ws://127.0.0.1:11/ws/y?z=1",
    )
    assert world.publish_urls == ("http://127.0.0.1:12",) * 2
    assert world.edges == ((0, 1), (2,)), "a proxy is its server"
    assert not any(server.running for server in world.servers.values())


async def test_a_server_without_an_admin_address_cannot_be_published_to() -> None:
    with pytest.raises(ScenarioError, match=r"a\.admin did not say where it listens"):
        await world_of(scenario(("ws://{a}/",), ("http://{a.admin}",)))


@pytest.mark.parametrize(
    ("targets", "publish", "edges"),
    [
        (("ws://127.0.0.1:1/a", "ws://127.0.0.1:1/b"), ("http://127.0.0.1:2",), ((0, 1),)),
        (("ws://127.0.0.1:1/a", "ws://127.0.0.1:3/a"), ("http://127.0.0.1:2",), ((),)),
        (("ws://127.0.0.1:1/a",), ("http://127.0.0.1:2", "http://127.0.0.1:4"), ((), ())),
        (("ws://127.0.0.1:1/a",), (), ()),
    ],
)
async def test_without_names_one_address_belongs_to_one(
    targets: tuple[str, ...], publish: tuple[str, ...], edges: tuple[tuple[int, ...], ...]
) -> None:
    """Else a position that one tells could be taken for another's."""
    assert (await world_of(scenario(targets, publish))).edges == edges

"""The channels of an event on a real edge."""

from collections.abc import AsyncIterator

import pytest

from ngage.api import Edge
from ngage.errors import EventError
from ngage.interaction.native import CHANNELS, EdgeCore
from ngage.settings import Settings


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with Edge(Settings(listen="127.0.0.1:0", shards=1)) as started:
        yield started


async def test_channels_of_an_event(edge: Edge) -> None:
    core = EdgeCore(edge, lambda client, command, answer: None, list)
    core.check("gala")
    outlets = core.outlets("gala")
    assert set(edge.channels) == {f"{kind}:gala" for kind in CHANNELS}
    assert outlets.viewers() == (0, 0)
    outlets.chat("1")
    outlets.state("2")
    core.check("gala")
    assert core.outlets("gala").said == ["1"]


@pytest.mark.parametrize("kind", CHANNELS)
async def test_a_channel_of_somebody_else_is_no_event_s(edge: Edge, kind: str) -> None:
    edge.channel(f"{kind}:gala")
    core = EdgeCore(edge, lambda client, command, answer: None, list)
    with pytest.raises(EventError, match=f"{kind}:gala"):
        core.check("gala")

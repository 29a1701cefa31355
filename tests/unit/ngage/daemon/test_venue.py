"""The events of an edge are there before it listens; their pages say where it is found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ngage.api import Edge
from ngage.daemon.venue import Venue
from ngage.errors import StartError
from ngage.interaction.data import prepare
from ngage.interaction.model import Event
from tests.helpers.protocol import SECRET


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[tuple[Edge, Venue]]:
    """Open, on an edge that does not listen yet."""
    edge = Edge(listen="127.0.0.1:0", shards=1)
    edge.prepare()
    venue = Venue(edge, prepare(str(data)))
    try:
        await venue.start(venue.protocol(SECRET, version="test"))
        yield edge, venue
    finally:
        await venue.close()
        edge.close()


def page(edge: Edge, path: str) -> tuple[int, str]:
    got = httpx.get(f"http://127.0.0.1:{edge.address[1]}{path}", trust_env=False)
    return got.status_code, got.text


async def test_all_of_an_event_is_there_when_the_edge_listens(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, venue):
        assert venue.events
        await venue.events.create(Event(number=0, id="gala", title="Gala"), "a test")
    async with opened(tmp_path) as (edge, venue):
        assert {"event:gala", "chat:gala", "tally:gala"} <= set(edge.channels)
        edge.listen()
        asked = asyncio.ensure_future(asyncio.to_thread(page, edge, "/stage/gala"))
        await asyncio.sleep(0)
        venue.serve_pages()
        status, text = await asked
        assert status == 200
        assert f"{edge.public_url}/e/gala" in text
        assert edge.address[1]


async def test_pages_say_what_a_reload_has_changed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (edge, venue):
        assert venue.events
        edge.listen()
        venue.serve_pages()
        await venue.events.create(Event(number=0, id="gala", title="Gala"), "a test")
        edge.reload(replace(edge.settings, public_url="https://gala.example"))
        venue.configure(edge.settings)
        _, text = await asyncio.to_thread(page, edge, "/stage/gala")
        assert "https://gala.example/e/gala" in text


async def test_pages_outlive_a_stop(tmp_path: Path) -> None:
    """As it is during an upgrade."""
    async with opened(tmp_path) as (edge, venue):
        assert venue.events
        edge.listen()
        venue.serve_pages()
        await venue.events.create(Event(number=0, id="gala", title="Gala"), "a test")
        await venue.stop()
        assert (await asyncio.to_thread(page, edge, "/e/gala"))[0] == 200


async def test_two_edges_do_not_have_the_same_events(tmp_path: Path) -> None:
    """An upgrade stops the one before it starts the other."""
    async with opened(tmp_path) as (_, first):
        with pytest.raises(StartError, match="another ngage-edge uses data = "):
            async with opened(tmp_path):
                raise AssertionError
        await first.stop()
        async with opened(tmp_path) as (_, second):
            assert second.events is not None

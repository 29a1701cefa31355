"""An edge's polls on a store of the test's own, with ballots in memory and a clock that is set."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ngage.interaction.model import Event
from ngage.interaction.store import Store
from tests.helpers.interaction import FakeClock, PollEdge, kept_event


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "ngage.db", busy_ms=50)
    yield opened
    await opened.close()


@pytest.fixture
async def event(store: Store) -> Event:
    return await kept_event(store)


@pytest.fixture
async def edge(
    store: Store, tmp_path: Path, clock: FakeClock, event: Event
) -> AsyncIterator[PollEdge]:
    running = PollEdge(store, tmp_path, clock)
    await running.polls.restore({event.id: event})
    return running

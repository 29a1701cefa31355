"""What publishes begins, ends and begins again, whatever fails meanwhile."""

import asyncio
from typing import Any

import pytest

from ngage.api import Edge
from ngage.daemon import show
from ngage.daemon.show import Show
from ngage.errors import StoreError
from tests.helpers.wait import eventually

LOCKED = StoreError("locked", "the database is locked")


class FakeVenue:
    """One that cannot be opened as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls: list[str] = []
        self.events = None

    async def start(self, protocol: object) -> None:
        if self.failures:
            self.failures -= 1
            raise LOCKED
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def close(self) -> None:
        self.calls.append("close")


def show_of(venue: Any, **settings: Any) -> Show:
    edge = Edge(listen="127.0.0.1:0", **settings)
    protocol: Any = None
    return Show(edge, venue, protocol)


async def test_what_cannot_begin_is_closed() -> None:
    venue = FakeVenue(failures=1)
    with pytest.raises(StoreError):
        async with show_of(venue):
            raise AssertionError
    assert venue.calls == ["close"]


async def test_what_has_begun_ends_when_the_next_part_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(show, "serve_pages", lambda *_: 1 / 0)
    venue = FakeVenue()
    with pytest.raises(ZeroDivisionError):
        async with show_of(venue, demo=True):
            raise AssertionError
    assert venue.calls == ["start", "stop", "close"]


async def test_what_cannot_begin_again_is_tried_until_it_can(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(show, "RETRY_SECONDS", 0)
    venue = FakeVenue()
    async with show_of(venue) as opened:
        assert opened is not None
        await opened.stop()
        venue.failures = 3
        await opened.resume()
        assert opened.trouble == "events: the database is locked"
        await eventually(lambda: not opened.trouble, "the venue")
        await opened.stop()
    assert venue.calls == ["start", "stop", "start", "stop", "close"]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


async def test_what_is_still_tried_ends_with_it() -> None:
    venue = FakeVenue()
    async with show_of(venue) as opened:
        await opened.stop()
        venue.failures = 1 << 30
        await opened.resume()
        await asyncio.wait_for(opened.stop(), 5)
        assert opened.trouble == ""
    assert venue.calls == ["start", "stop", "close"]

"""What an edge tells everybody about a poll while it is open: the channel tally:EVENT, raw."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import NamedTuple

from ngage.errors import FanError
from ngage.mob.measure.tallies import Tally
from ngage.mob.world.fan import Fan

BACK_OFF_SECONDS = 0.2


class Report(NamedTuple):
    """One aggregate. tally: of the poll, if it is in there. reactions: since the one before."""

    tally: Tally | None
    reactions: int


async def reports(url: str, poll: int) -> AsyncIterator[Report]:
    """As they come, for ever; an edge that is gone for a while is waited for."""
    fan = Fan(0, 0, url, skips=True)
    try:
        while True:
            try:
                await fan.connect()
                async for message in fan.messages():
                    yield read_report(message, poll)
            except FanError:
                pass  # it comes again, or the run ends
            await asyncio.sleep(BACK_OFF_SECONDS)
    finally:
        await fan.disconnect()


def read_report(message: bytes | str, poll: int) -> Report:
    """Raises ValueError or LookupError for what is none."""
    told = json.loads(message)
    found = told.get("polls", {}).get(str(poll))
    tally = Tally(tuple(found["counts"]), found["voters"]) if found else None
    return Report(tally, sum(told.get("reactions", ())))

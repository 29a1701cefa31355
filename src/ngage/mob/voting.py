"""The poll of a run: tickets for the fans, opening and closing, tallies as they come, the last one.

What the crowd has sent and what was acknowledged gives bounds for the final tally; a tally outside
of them has lost votes, or counted some twice. The poll closes first, so that it changes no more.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from ngage.errors import HostError
from ngage.mob.crowd import Crowd
from ngage.mob.ledger import Ledger
from ngage.mob.measure import oracle
from ngage.mob.measure.tallies import Finding, Watch, compare
from ngage.mob.model import Scenario
from ngage.mob.world.built import World, shows_tickets
from ngage.mob.world.polls import TICKET_SECONDS, EdgeApi, Host, Opened, host_of
from ngage.mob.world.tallies import Report, reports
from ngage_core.behaviour import VoteBounds

POLL_SECONDS = 0.05
ANSWER_SECONDS = 10.0  # for the last acknowledgements
COUNT_SECONDS = 3.0  # for a tally that is within bounds


class Voting:
    """Of one run; does nothing where the scenario has no poll. tell: of moments, (kind, text)."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        crowd: Crowd,
        ledger: Ledger,
        tell: Callable[[str, str], None],
    ) -> None:
        self._scenario = scenario
        self._world = world
        self._crowd = crowd
        self._ledger = ledger
        self._tell = tell
        self._poll = poll = scenario.poll
        self._host = host_of(poll, world.poll_url, world.tally_url) if poll else None
        self._opened: Opened | None = None
        self._closed = False
        self._reactions = 0  # that were counted

    async def prepare(self) -> None:
        """Before anybody arrives. Raises HostError."""
        if shows_tickets(self._scenario):
            await asyncio.to_thread(self._give_tickets)
        if self._host:
            await asyncio.to_thread(self._host.prepare)

    async def play(self) -> None:
        """Open the poll and close it, each at its time, and look at what is told meanwhile."""
        if not self._poll or not self._host:
            return
        await self._wait_until(self._poll.opens)
        self._opened = opened = await asyncio.to_thread(self._host.open)
        self._crowd.open_poll(
            opened.number,
            self._poll.choices,
            event=opened.event,
            name=self._poll.event,
            reactions=opened.reactions,
        )
        self._tell("poll", f"{opened.number} opens")
        watching = asyncio.create_task(self._watch(opened))
        try:
            closes = self._poll.closes
            await self._wait_until(self._scenario.duration if closes is None else closes)
            with contextlib.suppress(HostError):  # count() tries again, and tells
                await self._close()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def count(self) -> None:
        """After the show: wait for the last answers, then hold the tally to what was promised."""
        if not self._opened or not self._host:
            return
        try:
            await self._close()
            await self._answered()
            self._ledger.tally = found = await self._final_tally(self._host)
            registers = await asyncio.to_thread(self._host.registers)
            strangers = await asyncio.to_thread(self._crowd.audit, registers) if registers else 0
            self._judge(found, strangers)
            wrong = self._crowd.counters["violations"] + len(self._ledger.found)
            await asyncio.to_thread(self._host.end, keep=wrong > 0)
        except HostError as error:
            self._violate("tally", f"it cannot be had: {error}")

    async def _answered(self) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while (await self._bounds()).pending and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)

    async def _final_tally(self, host: Host) -> Finding:
        """Within bounds, or what it is when there was time enough."""
        deadline = time.monotonic() + COUNT_SECONDS
        while True:
            before = await self._bounds()
            tally = await asyncio.to_thread(host.tally)
            found = compare(tally, before, await self._bounds())
            if not (found.lost or found.doubled) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(POLL_SECONDS)

    # Details

    def _give_tickets(self) -> None:
        if self._world.secret:
            secret = bytes.fromhex(self._world.secret)
            self._crowd.sign_tickets(secret, int(time.time()) + TICKET_SECONDS)
        elif self._poll and self._world.poll_url:
            api = EdgeApi(self._world.poll_url, self._poll.api_key)
            self._crowd.hand_out(api.tickets(self._scenario.fans))

    async def _bounds(self) -> VoteBounds:
        return await asyncio.to_thread(self._crowd.vote_bounds)

    async def _close(self) -> None:
        if self._closed or not self._host or not self._opened:
            return
        self._crowd.close_poll()
        await asyncio.to_thread(self._host.close)
        self._closed = True
        self._tell("poll", f"{self._opened.number} is closed")

    async def _watch(self, opened: Opened) -> None:
        assert self._poll
        if not opened.tallies:
            return
        watch = Watch(self._poll.choices)
        try:
            async for report in reports(opened.tallies, opened.number):
                self._see(watch, report)
        except (ValueError, LookupError, TypeError) as error:
            self._violate("tally", f"it cannot be read: {type(error).__name__}: {error}")

    def _see(self, watch: Watch, report: Report) -> None:
        counters = self._crowd.counters
        complaint = watch.see(report.tally, counters["voters"]) if report.tally else ""
        self._reactions += report.reactions
        if not complaint and self._reactions > counters["reactions"]:
            complaint = f"{self._reactions} reactions of {counters['reactions']} that were sent"
        if complaint:
            self._violate("tally", complaint)

    def _judge(self, found: Finding, strangers: int) -> None:
        if found.lost:
            self._violate("vote_lost", f"{found.lost} votes or more are not in the tally")
        if found.doubled:
            self._violate("vote_doubled", f"{found.doubled} votes or more are too many")
        if strangers:
            self._violate("vote_doubled", f"{strangers} voters in the journal are none of the fans")

    def _violate(self, kind: str, text: str) -> None:
        number = self._opened.number if self._opened else 0
        self._ledger.found.append(
            oracle.of_server(kind, f"poll {number}", text, at=self._ledger.at)
        )

    async def _wait_until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._ledger.at))

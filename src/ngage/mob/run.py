"""One run: the crowd comes, things happen to it, everybody leaves, and it is judged.

Order: servers and proxies, one publication so that the channels exist, then arrivals, publications,
stimuli, the poll and faults by the same clock, with a sample each second. At the end the publisher
stops, the last publications may take their time, votes are counted, the crowd leaves, and the
servers must be as they were.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ngage.mob.crowd import Crowd, publication
from ngage.mob.ledger import NS, Ledger
from ngage.mob.measure import judge, oracle
from ngage.mob.measure.footprint import Footprint
from ngage.mob.measure.results import Moment, Result, Sampling, ViolationRecord
from ngage.mob.measure.totals import Counted, Totals
from ngage.mob.model import Delay, Scenario, Stimulus
from ngage.mob.scenario.arrivals import arrivals, departures
from ngage.mob.voting import Voting
from ngage.mob.world.built import World, built
from ngage.mob.world.faults import Timeline
from ngage.mob.world.health import await_answer
from ngage.mob.world.publisher import Last, Publisher
from ngage.mob.world.sample import Samples
from ngage_core.behaviour import Distribution

AT_ONCE = math.inf  # an arrival rate: as fast as the kernel lets them, before the clock starts
OPEN_SECONDS = 10.0  # for the first publication
LEAVE_SECONDS = 10.0  # for the crowd to leave, and the servers to notice
LEAVE_SPREAD_SECONDS = 1.0
SAMPLE_SECONDS = 1.0
REST_SECONDS = 1.0  # of a crowd that came at once
DEPARTURE_SECONDS = 0.1
POLL_SECONDS = 0.05
JSON = "centrifugo"  # the protocol whose publications are text
EVERYBODY = -1
FOR_GOOD = -1
NOW = Delay(Distribution.CONSTANT, 0.0)


@dataclass(slots=True)
class Watchers:
    """Who is told while the run goes on. begin is given the targets' URLs."""

    begin: Callable[[Sequence[str]], None] = lambda targets: None
    update: Callable[[Sampling, Totals], None] = lambda sampling, totals: None
    moment: Callable[[Moment], None] = lambda moment: None


async def run(
    scenario: Scenario,
    environment: Mapping[str, str],
    watchers: Watchers | None = None,
    *,
    threads: int = 0,
    interrupted: asyncio.Event | None = None,
) -> Result:
    """Run a scenario to its end, or until `interrupted` is set, which ends it in order.

    environment: of the servers it starts. Raises NgageError for what could not be started.
    """
    async with built(scenario, environment) as world:
        interrupted = interrupted or asyncio.Event()
        return await Run(scenario, world, watchers or Watchers(), threads, interrupted).result()


class Run:
    """One run of a scenario in a world that is there already."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        watchers: Watchers,
        threads: int,
        interrupted: asyncio.Event,
    ) -> None:
        self._scenario = scenario
        self._world = world
        self._watchers = watchers
        self._interrupted = interrupted
        self._ended = asyncio.Event()  # by itself, before its time
        self._crowd = Crowd(scenario, world.targets, threads)
        self._publisher = self._make_publisher()
        self._ledger = Ledger(scenario, self._crowd, self._publisher)
        self._voting = Voting(scenario, world, self._crowd, self._ledger, self._tell)

    async def result(self) -> Result:
        """From the first publication to the verdict."""
        try:
            before = await self._footprints()
            if self._publisher:
                await asyncio.to_thread(self._publisher.open, OPEN_SECONDS)
            await self._voting.prepare()
            self._watchers.begin(self._world.targets)
            at_once = self._scenario.phases[0].arrival_rate == AT_ONCE
            if at_once:
                await self._connect()
            last = await self._play(arriving=not at_once)
            await self._settle(last)
            await self._voting.count()
            self._tell("phase", "drained")
            counted = self._crowd.count()
            if at_once:
                await asyncio.sleep(REST_SECONDS)  # for who looks at the server before all leave
            await self._leave(before)
            return self._ledger.result(self._world.targets[0], counted)
        finally:
            if self._publisher:
                await asyncio.to_thread(self._publisher.stop)
            await asyncio.to_thread(self._crowd.stop)

    # The show

    async def _connect(self) -> None:
        """Everybody at once; the clock of the run starts when all are there, or were refused."""
        sampler = asyncio.create_task(self._sample())
        self._crowd.connect()
        while not (self._ended.is_set() or self._interrupted.is_set()):
            counters = self._crowd.counters
            if counters["opened"] + counters["failed"] >= self._scenario.fans:
                break
            await asyncio.sleep(POLL_SECONDS)
        self._ledger.all_connected()
        self._tell("phase", "connected")
        await asyncio.sleep(REST_SECONDS)  # the first second of the show is not to be theirs
        await _end(sampler)

    async def _play(self, *, arriving: bool) -> list[Last]:
        """The phases; the last publication of each channel."""
        scenario, ledger = self._scenario, self._ledger
        timeline = Timeline(scenario.faults, self._world.servers, self._world.proxies, self._moment)
        samples = Samples(
            scenario.samples,
            self._world.targets,
            directory=scenario.directory,
            seed=scenario.seed,
            first=scenario.fans,
            skips=scenario.skips,
        )
        arrival_us = arrivals(scenario.phases, scenario.fans, scenario.seed) if arriving else None
        ledger.begin()
        if arrival_us:
            self._crowd.arrive(ledger.start_ns, arrival_us)
        if self._publisher:
            self._publisher.start(ledger.start_ns)
        samples.start(ledger.start_ns / NS, scenario.phases[0].duration)
        script = asyncio.create_task(self._script(timeline))
        sampler = asyncio.create_task(self._sample())
        ended = asyncio.create_task(_until(self._ended))
        interrupted = asyncio.create_task(_until(self._interrupted))
        tasks = (script, sampler, ended, interrupted)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                await _end(task)
            ledger.found += await samples.stop()
        if not self._publisher:
            return [Last()] * len(self._crowd.channels)
        return await asyncio.to_thread(self._publisher.stop, scenario.settle)

    async def _script(self, timeline: Timeline) -> None:
        start = self._ledger.start_ns / NS
        await asyncio.gather(
            self._phases(),
            self._stimulate(),
            self._depart(),
            self._voting.play(),
            timeline.run(start),
        )

    async def _phases(self) -> None:
        begin = 0.0
        for phase in self._scenario.phases:
            await self._wait_until(begin)
            self._tell("phase", phase.name)
            begin += phase.duration
        await self._wait_until(begin)

    async def _stimulate(self) -> None:
        for stimulus in sorted(self._scenario.stimuli, key=lambda stimulus: stimulus.at):
            await self._wait_until(stimulus.at)
            self._tell("stimulus", stimulus.event)
            for persona, step in _reactions(self._scenario, stimulus):
                await asyncio.to_thread(
                    self._crowd.stimulate, persona, stimulus.p, stimulus.delay, step
                )

    async def _depart(self) -> None:
        """Open loop in sum: who leaves is drawn from those who are there."""
        for moment, count in _batches(departures(self._scenario.phases, self._scenario.seed)):
            await self._wait_until(moment)
            share = min(1.0, count / max(1, self._crowd.counters["open"]))
            await asyncio.to_thread(self._crowd.stimulate, EVERYBODY, share, NOW, FOR_GOOD)

    async def _sample(self) -> None:
        before = self._crowd.count()
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            now = self._crowd.count()
            sampling = self._ledger.sample(before, now)
            totals = Totals(
                now.counters, now.latency.summary(), self._crowd.closes(), now.voting.summary()
            )
            self._watchers.update(sampling, totals)
            before = now
            self._look_after_servers()
            self._look_after_thresholds(now)

    def _look_after_servers(self) -> None:
        for name, server in self._world.servers.items():
            if server.crash:
                crash = oracle.of_server("crash", name, server.crash, at=self._ledger.at)
                self._ledger.found.append(crash)
                self._ended.set()

    def _look_after_thresholds(self, counted: Counted) -> None:
        wanted = [threshold for threshold in self._scenario.thresholds if threshold.abort_on_fail]
        measured = self._ledger.measured(counted)
        failed = judge.missed(wanted, measured)
        if failed:
            self._tell("abort", f"{failed[0].metric} {failed[0].expr}: {failed[0].value:,.5g}")
            self._ended.set()

    # The end

    async def _settle(self, last: Sequence[Last]) -> None:
        """Wait for the last publications; what is missing then is a violation."""
        deadline = time.monotonic() + self._scenario.settle
        while await asyncio.to_thread(self._crowd.waiting, last):
            if time.monotonic() > deadline:
                await asyncio.to_thread(self._crowd.give_up, last)
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _leave(self, before: Mapping[str, tuple[int, Footprint]]) -> None:
        """Let all leave in order, and compare the servers with what they were."""
        if not before:
            return
        delay = Delay(Distribution.UNIFORM, 0.0, LEAVE_SPREAD_SECONDS)
        await asyncio.to_thread(self._crowd.stimulate, EVERYBODY, 1.0, delay, FOR_GOOD)
        deadline = time.monotonic() + LEAVE_SECONDS
        while True:
            there = self._crowd.counters["open"]
            left = await self._leftovers(before) if there == 0 else []
            if time.monotonic() > deadline or (there == 0 and not left):
                break
            await asyncio.sleep(POLL_SECONDS)
        self._ledger.found += left

    async def _leftovers(
        self, before: Mapping[str, tuple[int, Footprint]]
    ) -> list[ViolationRecord]:
        found = []
        for name, (pid, first) in before.items():
            server = self._world.servers[name]
            after = await server.footprint()
            if after and server.pid == pid:  # another process has another past
                fans = self._ledger.most_open
                votes = self._scenario.poll is not None
                at = self._ledger.at
                found += oracle.leftovers(name, first, after, fans, at, votes=votes)
        return found

    async def _footprints(self) -> dict[str, tuple[int, Footprint]]:
        found = {}
        for name, server in self._world.servers.items():
            if server.admin:
                await await_answer(*server.admin)
            footprint = await server.footprint()
            if footprint:
                found[name] = (server.pid, footprint)
        return found

    # Details

    def _make_publisher(self) -> Publisher | None:
        publish = self._scenario.publish
        if publish is None:
            return None

        def on_position(url: int, channel: int, sequence: int, epoch: str, offset: int) -> None:
            for target in self._world.edges[url]:
                if self._crowd.channel_of(target) == channel:
                    self._crowd.anchor(target, epoch, sequence, offset)

        text = publish.text or any(one.protocol == JSON for one in self._scenario.personas)
        resolved = replace(publish, urls=self._world.publish_urls, text=text)
        return Publisher(resolved, self._crowd.channels, publication, on_position)

    async def _wait_until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._ledger.at))

    def _tell(self, kind: str, text: str) -> None:
        self._moment(Moment(at=self._ledger.at, kind=kind, text=text))

    def _moment(self, moment: Moment) -> None:
        self._ledger.moments.append(moment)
        self._watchers.moment(moment)


def _reactions(scenario: Scenario, stimulus: Stimulus) -> Iterator[tuple[int, int]]:
    """(persona, step), as Crowd.stimulate() takes them."""
    for number, (persona, steps) in enumerate(
        zip(scenario.personas, scenario.step_names, strict=True)
    ):
        if stimulus.persona in ("", persona.name):
            yield number, FOR_GOOD if stimulus.do == "leave" else steps.index(stimulus.do)


def _batches(times: Sequence[float]) -> Iterator[tuple[float, int]]:
    """(when, how many): what is due within a tenth of a second, at the end of it."""
    for tick, count in sorted(Counts(int(at / DEPARTURE_SECONDS) + 1 for at in times).items()):
        yield tick * DEPARTURE_SECONDS, count


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel it, if it is not over; its error, if it has one, was or will be raised elsewhere."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task

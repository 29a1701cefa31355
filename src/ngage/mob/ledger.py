"""What piles up in a run: a sample each second, moments, what is wrong with servers.

The ledger knows the run's clock, and from all of it makes the result.
"""

import time
from collections import Counter as Counts
from collections.abc import Mapping
from datetime import UTC, datetime

from ngage.mob.crowd import Crowd
from ngage.mob.measure import judge, oracle
from ngage.mob.measure.footprint import own_resident_bytes
from ngage.mob.measure.hdr import encode
from ngage.mob.measure.machine import machine
from ngage.mob.measure.metrics import Measured, Trend
from ngage.mob.measure.results import (
    Connect,
    Fans,
    Generator,
    Moment,
    Result,
    Sampling,
    ViolationRecord,
    Voting,
)
from ngage.mob.measure.tallies import Finding
from ngage.mob.measure.totals import Counted
from ngage.mob.model import Scenario
from ngage.mob.world.publisher import Publisher

NS = 1_000_000_000
VIOLATIONS_TOLD = 1000
CONNECTIONS = ("opened", "closed", "lost", "left", "dropped", "failed", "refused")
RESUMES = ("recovered", "unrecovered")


class Ledger:
    """Of one run of `scenario` with this crowd and publisher; made before anybody arrives."""

    def __init__(self, scenario: Scenario, crowd: Crowd, publisher: Publisher | None) -> None:
        self.start_ns = time.monotonic_ns()
        self.moments: list[Moment] = []
        self.series: list[Sampling] = []
        self.found: list[ViolationRecord] = []
        self.tally = Finding()
        self._scenario = scenario
        self._crowd = crowd
        self._publisher = publisher
        self._started = datetime.now(UTC)
        self._cpu_seconds = time.process_time()
        self._own_bytes = own_resident_bytes()
        self._bytes_per_fan = 0.0
        self._at_first = crowd.count()
        self._connect_seconds = 0.0

    @property
    def at(self) -> float:
        """Seconds since the start of the run."""
        return (time.monotonic_ns() - self.start_ns) / NS

    @property
    def most_open(self) -> int:
        """Fans that were connected at the same time, as samples saw it."""
        return max((sample.open for sample in self.series), default=0)

    def begin(self) -> None:
        """The clock of the run starts; what was before is its prelude, at negative times."""
        now_ns = time.monotonic_ns()
        prelude = (now_ns - self.start_ns) / NS
        for sampling in self.series:
            sampling.at -= prelude
        for moment in self.moments:
            moment.at -= prelude
        self.start_ns = now_ns

    def all_connected(self) -> None:
        """The prelude in which all connected at once is over. Its lateness was asked for."""
        self._connect_seconds = self.at
        self._at_first = self._crowd.count()

    def sample(self, before: Counted, now: Counted) -> Sampling:
        """The time between two snapshots, which is kept."""
        seconds = (now.at_ns - before.at_ns) / NS
        latency = now.latency - before.latency
        counters = now.counters
        sampling = Sampling(
            at=(now.at_ns - self.start_ns) / NS,
            open=counters["open"],
            arrived=counters["arrived"],
            connects_per_second=_grown(before, now, "opened") / seconds,
            received_per_second=_grown(before, now, "received") / seconds,
            p50=latency.percentile(50),
            p99=latency.percentile(99),
            max=latency.most,
            lag_p99=(now.lag - before.lag).percentile(99),
            gaps=counters["gaps"],
            violations=counters["violations"] + len(self.found),
            closed=counters["closed"],
            votes_per_second=_grown(before, now, "votes_acknowledged") / seconds,
            vote_p99=(now.voting - before.voting).percentile(99),
        )
        if counters["open"] > self.most_open:
            grown = own_resident_bytes() - self._own_bytes
            self._bytes_per_fan = max(0.0, grown / counters["open"])
        self.series.append(sampling)
        return sampling

    def measured(self, counted: Counted) -> dict[str, Measured]:
        """Every metric, as far as the run has got."""
        return judge.measure(
            counted._replace(lag=counted.lag - self._at_first.lag),
            publish_lag=_publish_lag(self._publisher),
            connects_per_second=self._connects_per_second(),
            violations=counted.counters["violations"] + len(self.found),
            cast=judge.votes(counted.counters, self.tally),
        )

    def result(self, target: str, counted: Counted) -> Result:
        scenario, counters = self._scenario, counted.counters
        measured = self.measured(counted)
        checked = judge.check_at_end(scenario.thresholds, measured)
        verdict, reasons = judge.verdict(scenario, measured, checked, self._kinds(counters))
        closes = self._crowd.closes()
        reasons += judge.advice(counters, closes)
        lag, publish_lag = measured["lag_ms"], measured["publish_lag_ms"]
        assert isinstance(lag, Trend)
        assert isinstance(publish_lag, Trend)
        return Result(
            target=target,
            fans=Fans(
                wanted=scenario.fans,
                connected=counters["entered"],
                failed=counters["arrived"] - counters["entered"],
            ),
            connect=Connect(per_second=self._connects_per_second(), ms=counted.connect.summary()),
            messages=judge.messages(counters),
            latency_ms=counted.latency.summary(),
            votes=judge.votes(counters, self.tally),
            generator=Generator(
                lag_ms_p99=lag.percentile(99),
                publish_lag_ms_p99=publish_lag.percentile(99) if publish_lag.count else 0.0,
                cpu_seconds=time.process_time() - self._cpu_seconds,
                bytes_per_fan=self._bytes_per_fan,
            ),
            violations=self.found + self._records(),
            thresholds=checked,
            verdict=verdict,
            scenario=scenario.name,
            seed=scenario.seed,
            started=self._started.isoformat(timespec="seconds"),
            seconds=self.at,
            machine=machine(),
            reasons=reasons,
            violation_count=counters["violations"] + len(self.found),
            closes=closes,
            connections={name: counters[name] for name in (*CONNECTIONS, *RESUMES)},
            moments=self.moments,
            series=self.series,
            voting=self._voting(counted),
            histogram=encode(counted.latency),
        )

    def _records(self) -> list[ViolationRecord]:
        return [
            oracle.record(violation, self._scenario, self._crowd.paths, self.start_ns)
            for violation in self._crowd.violations()[:VIOLATIONS_TOLD]
        ]

    def _voting(self, counted: Counted) -> Voting:
        counters = counted.counters
        return Voting(
            ms=counted.voting.summary(),
            repeated=counters["votes_repeated"],
            refused=counters["votes_refused"],
            put_off=counters["votes_put_off"],
            cheats=counters["cheats"],
            reactions=counters["reactions"],
            lines=counters["lines"],
            lines_taken=counters["lines_taken"],
            lines_refused=counters["lines_refused"],
            counts=list(self.tally.counts),
        )

    def _kinds(self, counters: Mapping[str, int]) -> dict[str, int]:
        """Violations of each kind; of the crowd's, only the first ones have one."""
        seen = self._crowd.violations()
        kinds = Counts([one.kind for one in self.found] + [one.kind for one in seen])
        if counters["violations"] > len(seen):
            kinds["more"] = counters["violations"] - len(seen)
        return dict(kinds)

    def _connects_per_second(self) -> float:
        """On average while all came at once; else in the busiest second."""
        if self._connect_seconds:
            return self._at_first.counters["opened"] / self._connect_seconds
        return max((sample.connects_per_second for sample in self.series), default=0.0)


def _grown(before: Counted, now: Counted, counter: str) -> int:
    return now.counters[counter] - before.counters[counter]


def _publish_lag(publisher: Publisher | None) -> Trend:
    if publisher is None:
        return Trend(lambda _: 0.0, 0.0, 0)
    lag = publisher.lag()
    return Trend(
        lambda percent: lag.get_value_at_percentile(percent) / 1000,
        lag.get_mean_value() / 1000,
        lag.total_count,
    )

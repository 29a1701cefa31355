"""Results of runs that never were: of nothing, of a good evening, a bad one, a long one."""

import math
import random
from array import array

from ngage.mob.measure import hdr
from ngage.mob.measure.percentiles import Histogram
from ngage.mob.measure.results import (
    Connect,
    Fans,
    Generator,
    Messages,
    Moment,
    Percentiles,
    Result,
    Sampling,
    ThresholdResult,
    Verdict,
    ViolationRecord,
)
from ngage.mob.measure.totals import Totals

STEPS = 64
OCTAVES = 35


def bucket_floors() -> array:
    """Those of src/ngage_core/histogram.pxd, from its comment."""
    floors = list(range(STEPS))
    floors += [(STEPS + step) << octave for octave in range(OCTAVES - 1) for step in range(STEPS)]
    return array("Q", floors)


def histogram_of(times_ns) -> Histogram:
    """Each time is counted in the last bucket that begins at it or before."""
    floors = bucket_floors()
    counts = array("Q", bytes(8 * len(floors)))
    for time in times_ns:
        octave = max(0, int(time).bit_length() - 7)
        counts[octave * STEPS + (int(time) >> octave)] += 1
    return Histogram.of(counts, floors)


def empty_result() -> Result:
    return Result(
        target="ws://127.0.0.1:8080/ws/stage:main",
        fans=Fans(wanted=0, connected=0, failed=0),
        connect=Connect(),
        messages=Messages(),
        latency_ms=Percentiles(),
        generator=Generator(),
        violations=[],
        thresholds=[],
        verdict=Verdict.PASS,
    )


def samplings(seconds=90, fans=19_000, fault_at=math.inf) -> list[Sampling]:
    """Doors open, the crowd arrives within half a minute; after a fault a third comes again."""
    draw = random.Random(3)
    found = []
    for second in range(1, seconds + 1):
        arrived = min(fans, round(fans * (second / 30) ** 1.4))
        since = second - fault_at
        hurt = 0 <= since < 12
        gone = round(fans * 0.34 * max(0.0, 1 - since / 12)) if hurt else 0
        open_now = min(arrived, fans) - gone
        p50 = 0.9 + open_now / fans * 1.4 + draw.random() * 0.3 + (30 if hurt else 0)
        p99 = p50 * (3 + draw.random()) + (400 / (1 + since) if hurt else 0)
        found.append(
            Sampling(
                at=float(second),
                open=open_now,
                arrived=arrived,
                connects_per_second=fans * 0.04 if second < 30 or hurt else 0.0,
                received_per_second=0.0 if since == 0 else open_now * 10.0,
                p50=0.0 if since == 0 else p50,
                p99=0.0 if since == 0 else p99,
                max=0.0 if since == 0 else p99 * (1.5 + 2 * draw.random()),
                lag_p99=0.2 + draw.random() * 0.4,
                gaps=0 if since < 2 else 17,
                violations=0 if since < 2 else 17,
                closed=gone,
            )
        )
    return found


def good_result() -> Result:
    draw = random.Random(1)
    histogram = histogram_of(draw.lognormvariate(14.4, 0.55) for _ in range(100_000))
    series = samplings()
    received = round(sum(second.received_per_second for second in series))
    return Result(
        target="ws://127.0.0.1:8080/ws/stage:main",
        fans=Fans(wanted=19_000, connected=19_000, failed=0),
        connect=Connect(
            per_second=641.0,
            ms=Percentiles(p50=0.31, p90=0.62, p99=2.4, p99_9=8.8, max=14.2, count=19_000),
        ),
        messages=Messages(expected=received, received=received, bytes=received * 128),
        latency_ms=histogram.summary(),
        generator=Generator(
            lag_ms_p99=0.62, cpu_seconds=48.1, bytes_per_fan=212.0, publish_lag_ms_p99=0.18
        ),
        violations=[],
        thresholds=[
            ThresholdResult(metric="deliver_ms", expr="p(50)<50", value=1.81, ok=True),
            ThresholdResult(metric="deliver_ms", expr="p(99)<250", value=6.42, ok=True),
            ThresholdResult(metric="gaps", expr="count==0", value=0, ok=True),
        ],
        verdict=Verdict.PASS,
        scenario="kick-off-herd",
        seed=42,
        started="2026-11-23T19:30:00+00:00",
        seconds=90.0,
        machine="2 cores, 24 GiB, Linux 6.18, load 0.84",
        closes={"1001": 12},
        connections={"opened": 19_012, "lost": 0, "recovered": 12},
        servers={"edge": {"resident_bytes": 49.5e6, "descriptors": 212, "cpu_seconds": 31.4}},
        moments=[
            Moment(at=0.0, kind="phase", text="doors"),
            Moment(at=30.0, kind="phase", text="show"),
            Moment(at=45.0, kind="stimulus", text="kick-off: 80 % of flapper reconnect"),
        ],
        series=series,
        histogram=hdr.encode(histogram),
    )


def bad_result() -> Result:
    """An edge is killed at 50 s, and some of those who resume miss publications."""
    result = good_result()
    draw = random.Random(2)
    slow = histogram_of(draw.lognormvariate(19.2, 0.8) for _ in range(4_000))
    histogram = hdr.merge([result.histogram, hdr.encode(slow)])
    result.series = samplings(fault_at=50)
    result.verdict = Verdict.INVARIANT
    result.scenario = "tunnel"
    result.reasons = [
        "recovery: 1,903 fans resumed and were told that nothing is missing, but it was",
        "threshold gaps count==0: it was 3,204",
        "threshold deliver_ms p(99)<250: it was 412 ms",
    ]
    result.latency_ms = Percentiles(p50=1.9, p90=4.1, p99=412, p99_9=920, max=2410, count=104_000)
    result.messages.gaps = 3_204
    result.messages.told = 88_120
    result.messages.received -= 91_324
    result.violations = [
        ViolationRecord(
            kind="recovery",
            fan=11 * number,
            channel="stage:main",
            persona="flapper",
            expected=4_100 + number,
            got=4_117 + number,
            at=52.0 + number / 30,
            text="said that nothing is missing, but 17 publications are",
        )
        for number in range(120)
    ]
    result.violations[0] = ViolationRecord(
        kind="memory",
        fan=-1,
        channel="",
        persona="",
        expected=52_000_000,
        got=96_000_000,
        at=99.0,
        text="edge has 96 MB where it had 52 MB",
    )
    result.violation_count = 1_904
    result.thresholds[1] = ThresholdResult(
        metric="deliver_ms", expr="p(99)<250", value=412.0, ok=False
    )
    result.thresholds[2] = ThresholdResult(metric="gaps", expr="count==0", value=3204, ok=False)
    result.closes = {"1001": 12, "1012": 6_460, "503": 221}
    result.moments.append(Moment(at=50.0, kind="fault", text="kill edge"))
    result.moments.append(Moment(at=51.0, kind="fault", text="start edge again"))
    result.histogram = histogram
    return result


def long_result() -> Result:
    """Two hours, and a billion deliveries."""
    result = good_result()
    result.seconds = 7200.0
    result.series = samplings(seconds=7200)
    draw = random.Random(4)
    once = histogram_of(draw.lognormvariate(14.4, 0.55) for _ in range(10_000))
    histogram = Histogram(once.counts * 100_000, once.floors)
    result.latency_ms, result.histogram = histogram.summary(), hdr.encode(histogram)
    return result


HOSTILE = "<script>alert(1)</script>\x1b[2J\x00]]>&\"'"


def hostile_result() -> Result:
    """Every text says what a bad server would like a report to say."""
    result = bad_result()
    result.target = result.scenario = result.machine = result.started = HOSTILE
    result.reasons = [HOSTILE]
    result.closes = {HOSTILE: 1}
    result.connections = {HOSTILE: 1}
    result.servers = {HOSTILE: {HOSTILE: 1.0}}
    result.moments = [Moment(at=1.0, kind=HOSTILE, text=HOSTILE)]
    result.thresholds = [ThresholdResult(metric=HOSTILE, expr=HOSTILE, value=1, ok=False)]
    for violation in result.violations:
        violation.kind = violation.channel = violation.persona = violation.text = HOSTILE
    return result


def totals(second: Sampling) -> Totals:
    """As after this second; the sums are of no run."""
    return Totals(
        counters={
            "open": second.open,
            "arrived": second.arrived,
            "received": round(second.at) * 1_000,
            "bytes": round(second.at) * 128_000,
            "gaps": second.gaps,
            "violations": second.violations,
        },
        latency=Percentiles(p50=1.8, p90=4.0, p99=6.4, p99_9=12.0, max=31.0, count=1_000),
        closes={"1001": 12, "503": 3},
    )

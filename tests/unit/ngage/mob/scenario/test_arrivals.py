import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.model import Phase
from ngage.mob.scenario.arrivals import NEVER, arrivals, departures

RAMP = [
    Phase(name="ramp", duration=10, arrival_rate=0, ramp_to=1000, leave_rate=3),
    Phase(name="pause", duration=10),
    Phase(name="flat", duration=10, arrival_rate=500, leave_rate=50),
]

phases = st.lists(
    st.builds(
        Phase,
        name=st.just(""),
        duration=st.floats(0.001, 100),
        arrival_rate=st.sampled_from([0.0, 0.5, 7.0, 300.0]),
        ramp_to=st.sampled_from([None, 0.0, 0.5, 7.0, 7.000000001, 300.0]),
        leave_rate=st.sampled_from([0.0, 0.1, 20.0]),
    ),
    min_size=1,
    max_size=4,
)


def rate_at(plan: list[Phase], time: float) -> float:
    """The arrival rate at a time, straight from the definition."""
    for phase in plan:
        if time <= phase.duration:
            end = phase.arrival_rate if phase.ramp_to is None else phase.ramp_to
            return phase.arrival_rate + (end - phase.arrival_rate) * time / phase.duration
        time -= phase.duration
    return 0.0


def expected_until(plan: list[Phase], time: float, steps: int = 2000) -> float:
    """Arrivals expected until a time, by the midpoint rule."""
    width = time / steps
    return sum(rate_at(plan, (step + 0.5) * width) for step in range(steps)) * width


@given(phases, st.integers(1, 200), st.integers(0, 2**63 - 1))
def test_ascending_and_within_the_phases(plan: list[Phase], fans: int, seed: int) -> None:
    delays = arrivals(plan, fans, seed)
    assert (delays.typecode, len(delays)) == ("I", fans)
    assert list(delays) == sorted(delays)
    end = sum(phase.duration for phase in plan)
    came = [delay / 1e6 for delay in delays if delay != NEVER]
    assert all(time <= end for time in came)
    # A microsecond to each side: times are rounded down
    assert all(max(rate_at(plan, time), rate_at(plan, time + 1e-6)) > 0 for time in came)
    gone = departures(plan, seed)
    assert gone == sorted(gone)
    assert all(0 <= time <= end for time in gone)


def test_a_seed_means_the_same_crowd_for_ever() -> None:
    """Numbers written down once: they must be the same on every machine and numpy."""
    plan = [Phase(name="", duration=60, arrival_rate=1, ramp_to=5, leave_rate=0.1)]
    assert arrivals(plan, 5, 42) == array("I", [1627597, 1815787, 3532196, 3934026, 4294285])
    assert departures(plan, 42) == pytest.approx(
        [5.865319, 22.814847, 29.928491, 34.832492, 35.085543, 39.356257]
    )


def test_seeds_differ_and_leaving_is_not_arriving() -> None:
    plan = [Phase(name="", duration=100, arrival_rate=10, leave_rate=10)]
    first, second = arrivals(plan, 500, 1), arrivals(plan, 500, 2)
    assert len(set(first) & set(second)) < 5
    assert [round(time * 1e6) for time in departures(plan, 1)[:100]] != list(first[:100])


def test_more_fans_do_not_move_the_first_ones() -> None:
    assert arrivals(RAMP, 100, 7) == arrivals(RAMP, 5000, 7)[:100]


def test_the_rate_has_its_shape() -> None:
    """At each of many times, as many came as the integral of the rate says, within 5 sigma."""
    came = [delay / 1e6 for delay in arrivals(RAMP, 20_000, 3) if delay != NEVER]
    for time in (1, 2, 5, 8, 10, 15, 20, 22, 25, 30):
        expected = expected_until(RAMP, time)
        assert abs(sum(t <= time for t in came) - expected) < 5 * math.sqrt(expected), time


def test_gaps_are_exponential() -> None:
    """Coefficient of variation 1: neither a comb (0) nor lumps."""
    plan = [Phase(name="", duration=100, arrival_rate=1000)]
    delays = arrivals(plan, 50_000, 9)
    gaps = [(b - a) / 1e6 for a, b in pairwise(delays)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1 / 1000, rel=0.03)
    assert deviation / mean == pytest.approx(1, rel=0.03)


def test_fans_are_all_there_when_the_last_one_came() -> None:
    plan = [Phase(name="", duration=100, arrival_rate=10)]
    assert NEVER not in arrivals(plan, 500, 1)
    late = arrivals(plan, 5000, 1)
    assert late.count(NEVER) == pytest.approx(4000, abs=5 * math.sqrt(1000))


def test_departures_follow_their_rate() -> None:
    gone = departures(RAMP, 11)
    assert all(time <= 10 or time >= 20 for time in gone)
    assert sum(time <= 10 for time in gone) == pytest.approx(30, abs=5 * math.sqrt(30))
    assert sum(time >= 20 for time in gone) == pytest.approx(500, abs=5 * math.sqrt(500))
    assert departures([Phase(name="", duration=5, arrival_rate=1)], 11) == []

"""Reactions are one sum a tick; the viewer count is told when it changes; figures for metrics."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import RefusalCode, RefusedError
from ngage.interaction.buckets import Limits
from ngage.interaction.figures import Figures
from ngage.interaction.hooks import Hooks
from ngage.interaction.reactions import Reactions
from ngage.interaction.viewers import Viewers
from ngage.metrics import INTERACTION, INTERACTION_GAUGES, InteractionCollector
from ngage.settings import Settings
from tests.helpers.manual_clock import ManualClock


def limits(rate: str = "0") -> Limits:
    return Limits.of(Settings(reaction_rate=rate), ManualClock())


def test_both_ways_are_one_sum() -> None:
    reactions = Reactions(3, 2, limits())
    reactions.react(1, 0, 5)
    reactions.react(2, 0, 1)
    assert reactions.tick({3 << 8 | 0: 10, 3 << 8 | 1: 7, 4 << 8: 99}) == [16, 7]
    assert reactions.tick({3 << 8 | 0: 10, 3 << 8 | 1: 8}) == [0, 1]
    assert reactions.tick({3 << 8 | 0: 10, 3 << 8 | 1: 8}) is None
    assert reactions.counts == {"json": 6, "native": 18}


def test_what_was_counted_before_belongs_to_nobody() -> None:
    reactions = Reactions(3, 1, limits(), {3 << 8: 1000})
    assert reactions.tick({3 << 8: 1001}) == [1]


def test_a_core_that_starts_anew_counts_from_nothing() -> None:
    reactions = Reactions(3, 1, limits(), {3 << 8: 1000})
    assert reactions.tick({3 << 8: 4}) == [4]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), max_size=30))
def test_nothing_is_lost_between_ticks(steps: list[tuple[int, int]]) -> None:
    reactions, native, total = Reactions(1, 1, limits()), 0, 0
    for more, count in steps:
        native += more
        reactions.react(1, 0, count)
        total += sum(reactions.tick({1 << 8: native}) or [])
    assert total == native + sum(count for _, count in steps)


@pytest.mark.parametrize(
    ("kind", "count", "code"),
    [
        (2, 1, RefusalCode.NO_CHOICE),
        (-1, 1, RefusalCode.NO_CHOICE),
        (0, 0, RefusalCode.REJECTED),
        (0, 101, RefusalCode.REJECTED),
    ],
)
def test_reactions_that_are_none(kind: int, count: int, code: RefusalCode) -> None:
    with pytest.raises(RefusedError) as refusal:
        Reactions(1, 2, limits()).react(1, kind, count)
    assert refusal.value.code == code


def test_a_user_has_only_so_many() -> None:
    reactions = Reactions(1, 1, limits("50/10"))
    reactions.react(1, 0, 100)  # all that the limit can ever grant
    with pytest.raises(RefusedError, match="try again in 200 ms"):
        reactions.react(1, 0, 1)
    reactions.react(2, 0, 1)
    assert reactions.tick({}) == [51]


def test_viewers_are_told_when_they_change() -> None:
    now = (0, 0)
    viewers = Viewers(lambda: now)
    assert viewers.tick(0) == (0, 0)
    assert viewers.tick(250) is None
    now = (12, 9)
    assert viewers.tick(500) == (12, 9)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 2000))
def test_a_smoothed_count_arrives_and_never_goes_past(
    before: int, after: int, share: float, tick_ms: int
) -> None:
    now = (before, round(before * share))
    viewers = Viewers(lambda: now, smoothing_seconds=1.0)
    shown = viewers.tick(0)
    now = (after, round(after * share))
    at_ms = 0
    while shown != now and at_ms < 20_000:
        at_ms += tick_ms
        step = viewers.tick(at_ms)
        assert shown is not None and step is not None
        assert min(before, after) <= step.connections <= max(before, after)
        assert step.unique <= step.connections
        assert abs(after - step.connections) <= abs(after - shown.connections)
        shown = step
    assert shown == now
    assert viewers.exact == now


def test_figures_have_the_names_and_labels_of_their_metrics() -> None:
    hooks = Hooks()
    hooks.counts["on_chat", "late"] = 2
    figures = Figures(limits(), hooks)
    figures.chat["published"] = 3
    figures.reactions.update(Counter(native=4))
    read = figures()
    families = INTERACTION | INTERACTION_GAUGES
    assert read.keys() <= families.keys()
    for name, values in read.items():
        assert all(len(labels) == len(families[name].labels) for labels in values)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in InteractionCollector(figures).collect()
        for sample in metric.samples
    }
    assert samples["ngage_chat_lines_total", "published"] == 3
    assert samples["ngage_reactions_total", "native"] == 4
    assert samples["ngage_hook_calls_total", "on_chat", "late"] == 2
    assert samples["ngage_rpc_refused_total", "chat"] == 0

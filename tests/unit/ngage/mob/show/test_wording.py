"""Figures as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.mob.measure.results import Verdict
from ngage.mob.show import wording
from ngage_core.behaviour import VIOLATION_KINDS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.42, "420 µs"),
        (8.414, "8.41 ms"),
        (31, "31 ms"),
        (999.4, "999 ms"),
        (999.6, "1 s"),
        (1420, "1.42 s"),
        (186_000, "3.1 min"),
        (math.nan, "\u2013"),
    ],
)
def test_milliseconds(value, text):
    assert wording.milliseconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (999.9, "1 k"), (18_204, "18.2 k"), (12.4e6, "12.4 M")],
)
def test_compact(value, text):
    assert wording.compact(value) == text


def test_sizes_are_decimal():
    assert [wording.size(value) for value in (0, 212, 1.604e9)] == ["0 B", "212 B", "1.6 GB"]


def test_clocks_get_hours_when_they_need_them():
    assert [wording.clock(value) for value in (0, 42.4, 3723)] == ["0:00", "0:42", "1:02:03"]


@given(st.floats(0, 1e17))
def test_compact_is_narrow(value):
    assert len(wording.compact(value)) <= 6


@given(st.text())
def test_what_is_printable_keeps_its_length_and_commands_nothing(text):
    shown = wording.printable(text)
    assert len(shown) == len(text)
    assert all(c.isprintable() or c in "\t\n" or ord(c) > 0x9F for c in shown)


def test_every_verdict_has_its_words():
    assert wording.HEADLINES.keys() == wording.EXPLANATIONS.keys() == set(Verdict)


def test_every_kind_of_violation_has_its_words():
    of_runs = {"memory", "descriptors", "crash", "exception"}
    assert set(VIOLATION_KINDS) | of_runs == wording.INVARIANTS.keys()

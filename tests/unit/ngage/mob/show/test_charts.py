"""Axes and lines for what runs really give: nothing, one second, gaps, very much."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ngage.mob.show.charts import POINTS_MAX, Line, Mark, chart, thinned
from ngage.mob.show.scales import from_zero, nines, spread, timeline
from ngage.mob.show.wording import clock, compact, milliseconds
from tests.helpers.mob import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = st.one_of(st.just(0.0), st.floats(0.1, 1e15))
SERIES = st.lists(st.tuples(st.floats(0, 1e5), st.one_of(st.none(), FIGURES)), max_size=50)


def draw(points, *, marks=(), scale=from_zero, title="title"):
    values = [value for _, value in points if value is not None]
    lines = [Line("line", "first", points)]
    x, y = timeline(max((at for at, _ in points), default=0), clock), scale(values, compact)
    return ElementTree.fromstring(chart("id", title, "about", lines, x=x, y=y, marks=marks))


def commands(root):
    return re.findall(r"[MLh][^MLh]*", root.find(f".//{SVG}path").get("d"))


@given(st.lists(FIGURES), st.sampled_from([from_zero, spread]))
def test_every_figure_has_a_place_on_its_axis(values, scale):
    axis = scale(values, compact)
    assert all(0 <= axis.place(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks) <= 11
    assert [0 <= axis.place(tick) <= 1 for tick in axis.ticks] == [True] * len(axis.ticks)
    assert len({axis.write(tick) for tick in axis.ticks}) == len(axis.ticks)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([19_000], ["0", "5 k", "10 k", "15 k", "20 k"]),
        ([3], ["0", "1", "2", "3"]),
        ([math.inf, math.nan], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    ],
)
def test_ticks_are_round(values, ticks):
    axis = from_zero(values, compact)
    assert [axis.write(tick) for tick in axis.ticks] == ticks


def test_figures_that_differ_much_get_a_logarithmic_axis():
    axis = spread([0.9, 0.0, 310], milliseconds)
    assert [axis.write(tick) for tick in axis.ticks] == ["100 µs", "1 ms", "10 ms", "100 ms", "1 s"]
    assert axis.place(10) == pytest.approx(0.5)
    assert not spread([3, 50], milliseconds).logarithmic


@pytest.mark.parametrize(
    ("seconds", "last"), [(0, "0:01"), (9, "0:05"), (90, "1:30"), (5400, "1:30:00")]
)
def test_times_have_ticks_of_a_clock(seconds, last):
    axis = timeline(seconds, clock)
    assert axis.write(axis.ticks[-1]) == last
    assert len(axis.ticks) <= 5


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (1, ["0 %", "90 %"]),
        (2_000, ["0 %", "90 %", "99 %", "99.9 %"]),
        (1e12, ["0 %", "99 %", "99.99 %", "99.9999 %"]),
    ],
)
def test_shares_have_ticks_by_their_nines(most, ticks):
    axis = nines(most)
    assert [axis.write(tick) for tick in axis.ticks] == ticks


@given(SERIES, st.sampled_from([from_zero, spread]))
@example([(5e-324, None)], from_zero)
def test_any_series_is_a_whole_svg_within_its_area(points, scale):
    root = draw(sorted(points, key=lambda point: point[0]), scale=scale)
    numbers = re.findall(r"-?\d+\.\d", root.find(f".//{SVG}path").get("d"))
    assert all(0 <= float(number) <= 1000 for number in numbers)


def test_a_chart_says_what_it_is_to_those_who_cannot_see_it():
    root = draw([(0, 1), (1, 2)])
    title, about = (root.find(SVG + tag) for tag in ("title", "desc"))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby").split() == [title.get("id"), about.get("id")]
    assert (title.text, about.text) == ("title", "about")


def test_a_gap_ends_a_line_and_a_lone_point_is_a_dot():
    root = draw([(0, 1), (1, 1), (2, None), (3, 1), (4, math.nan), (5, 1)])
    assert [command[0] for command in commands(root)] == list("MhLMhMh")


def test_an_empty_chart_says_so_without_marks():
    root = draw([], marks=[Mark(0, 1, "fault", "kill")])
    assert "nothing to show" in [text.text for text in root.iter(SVG + "text")]
    assert root.find(f"{SVG}g") is None


def test_marks_that_are_close_share_a_number():
    marks = [Mark(at, number, "fault", HOSTILE) for number, at in enumerate([0, 1, 50, 100], 1)]
    root = draw([(0, 1), (100, 1)], marks=marks)
    groups = root.findall(f"{SVG}g")
    assert len(groups) == 4
    assert [group.findtext(SVG + "text") for group in groups] == ["1", None, "3", "4"]


def test_hostile_text_stays_text():
    assert draw([(0, 1)], title=HOSTILE).findtext(SVG + "title").startswith("<script>")


@given(st.lists(st.one_of(st.none(), FIGURES), min_size=POINTS_MAX + 1, max_size=3 * POINTS_MAX))
def test_a_long_line_keeps_its_peaks_and_its_order(values):
    points = [(float(at), value) for at, value in enumerate(values)]
    kept = thinned(points)
    assert len(kept) <= 1.5 * POINTS_MAX + 3
    assert set(kept) <= set(points)
    assert kept == sorted(kept, key=lambda point: point[0])
    known = [value for value in values if value is not None]
    if known:
        left = [value for _, value in kept if value is not None]
        assert (min(left), max(left)) == (min(known), max(known))
    assert (None in values) == any(value is None for _, value in kept)

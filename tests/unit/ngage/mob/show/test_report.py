"""The report as a file: whole, self-contained, and deaf to what hostile names ask for."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from ngage.errors import ResultError
from ngage.mob.show.report import VIOLATIONS_SHOWN, render, replay_command, write_report
from ngage.mob.show.wording import HEADLINES
from tests.helpers import mob

RESULTS = {
    "empty": mob.empty_result,
    "good": mob.good_result,
    "bad": mob.bad_result,
    "long": mob.long_result,
    "hostile": mob.hostile_result,
}
SECTIONS = [
    *("latency-over", "fans-over", "messages-over", "moments", "percentiles-over", "violations"),
    *("thresholds", "closes", "counts", "connections", "honesty", "lag-over", "run"),
]
VOID = {"meta", "link", "br"}
LOADS = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """Every element must be closed in order; keeps sections, elements, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sections, self.tags, self.attributes, self.text = [], [], set(), [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "section":
            self.sections.append(dict(attrs).get("id"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(params=RESULTS)
def result(request):
    return RESULTS[request.param]()


def test_every_section_is_there(result):
    sections = Page(render(result)).sections
    assert [name for name in sections if name] == SECTIONS
    assert sections.count(None) == len(result.servers)


def test_nothing_is_loaded_and_nothing_runs(result):
    text = render(result)
    page = Page(text)
    assert "script" not in page.tags
    assert {value for name, value in page.attributes if name in LOADS} == {"data:,"}
    assert [name for name, _ in page.attributes if name.startswith("on")] == []
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert "@import" not in style and "url(" not in style


def test_every_chart_is_well_formed(result):
    svgs = re.findall(r"<svg xmlns.*?</svg></svg>|<svg xmlns.*?</text></svg>", render(result))
    assert len(svgs) == 5
    roots = [ElementTree.fromstring(svg) for svg in svgs]
    identities = [element.get("id") for root in roots for element in root.iter()]
    named = [name for name in identities if name]
    assert len(named) == 10 == len(set(named))


def test_the_verdict_and_its_reasons_come_first(result):
    text = [part.strip() for part in Page(render(result)).text if part.strip()]
    body = text[text.index(HEADLINES[result.verdict]) :]
    assert body[0] == HEADLINES[result.verdict]
    assert [part.split("<")[0] for part in body[2 : 2 + len(result.reasons)]] == [
        reason.split("<")[0] for reason in result.reasons
    ]


def test_hostile_names_are_text_without_control_characters():
    text = render(mob.hostile_result())
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\ufffd[2J\ufffd]]&gt;&amp;&#34;&#39;" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)


def test_only_the_first_violations_are_listed():
    result = mob.bad_result()
    text = render(result)
    assert text.count('class="bad" data-label="kind"') == VIOLATIONS_SHOWN
    assert "The first 50 of 1,904." in text


@pytest.mark.parametrize(
    ("scenario", "command"),
    [
        ("tunnel", "mobsim run tunnel --fans 19000 --seed 42"),
        ("a b", "mobsim run 'a b' --fans 19000 --seed 42"),
        (
            "quick",
            "mobsim quick --target ws://127.0.0.1:8080/ws/stage:main --duration 90s "
            "--fans 19000 --seed 42",
        ),
    ],
)
def test_a_run_can_be_repeated(scenario, command):
    result = mob.good_result()
    result.scenario = scenario
    assert replay_command(result) == command


def test_the_file_holds_what_is_rendered(tmp_path):
    result = mob.good_result()
    write_report(result, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == render(result)


def test_a_broken_histogram_is_refused():
    result = mob.good_result()
    result.histogram = "AAAA"
    with pytest.raises(ResultError, match="histogram"):
        render(result)

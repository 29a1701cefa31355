"""The JUnit file, parsed back as a CI does."""

from xml.etree import ElementTree

from ngage.mob.measure.results import Verdict
from ngage.mob.show.junit import render, write_junit
from ngage.mob.show.wording import INVARIANTS
from tests.helpers.mob import bad_result, empty_result, good_result, hostile_result


def suite_of(result):
    root = ElementTree.fromstring(render(result))
    assert root.tag == "testsuites"
    (suite,) = root
    return suite


def failed(suite):
    return {
        (case.get("classname"), case.get("name")): case.find("failure")
        for case in suite
        if case.find("failure") is not None
    }


def test_there_is_a_case_for_each_threshold_invariant_and_for_honesty(tmp_path):
    result = good_result()
    write_junit(result, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    names = [(case.get("classname"), case.get("name")) for case in suite]
    assert names == [
        ("mobsim.thresholds", "deliver_ms p(50)<50"),
        ("mobsim.thresholds", "deliver_ms p(99)<250"),
        ("mobsim.thresholds", "gaps count==0"),
        *(("mobsim.invariants", kind) for kind in INVARIANTS),
        ("mobsim.generator", "honest"),
    ]
    assert suite.attrib == {
        "name": "mobsim kick-off-herd",
        "tests": str(len(names)),
        "failures": "0",
        "errors": "0",
        "skipped": "0",
        "time": "90.000",
        "timestamp": result.started,
    }
    assert failed(suite) == {}


def test_what_was_broken_fails_and_says_how():
    suite = suite_of(bad_result())
    broken = failed(suite)
    assert broken.keys() == {
        ("mobsim.thresholds", "deliver_ms p(99)<250"),
        ("mobsim.thresholds", "gaps count==0"),
        ("mobsim.invariants", "memory"),
        ("mobsim.invariants", "recovery"),
    }
    assert suite.get("failures") == "4"
    recovery = broken["mobsim.invariants", "recovery"]
    assert recovery.get("message").endswith("at least 119 violated")
    assert recovery.text.splitlines()[0].startswith("52.033 s, fan 11 stage:main: expected 4101")
    assert broken["mobsim.invariants", "memory"].text.startswith("99.000 s, server:")


def test_a_generator_that_was_late_fails_with_the_reasons():
    result = empty_result()
    result.verdict, result.reasons = Verdict.SATURATED, ["one", "two"]
    broken = failed(suite_of(result))
    assert broken.keys() == {("mobsim.generator", "honest")}
    assert broken["mobsim.generator", "honest"].text == "one\ntwo"


def test_control_characters_do_not_break_the_file():
    names = [case.get("name") for case in suite_of(hostile_result())]
    assert any("<script>alert(1)</script>\ufffd[2J\ufffd" in name for name in names)

"""A result as JUnit XML: what a CI shows as tests that passed or failed.

One test for each threshold, one for each invariant, one for the honesty of the generator.
"""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from ngage.mob.measure.results import Result, Verdict, ViolationRecord
from ngage.mob.show.wording import EXPLANATIONS, HEADLINES, INVARIANTS, milliseconds, printable

TEXTS_SHOWN = 10  # violations of one kind in the body of a failure


def write_junit(result: Result, path: Path) -> None:
    """Raises OSError if the file cannot be written."""
    path.write_bytes(render(result))


def render(result: Result) -> bytes:
    suite = ElementTree.Element("testsuite", name=printable(f"mobsim {result.scenario}".strip()))
    _thresholds(result, suite)
    _invariants(result, suite)
    _generator(result, suite)
    failures = sum(case.find("failure") is not None for case in suite)
    suite.attrib |= {
        "tests": str(len(suite)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0",
        "time": f"{result.seconds:.3f}",
    }
    if result.started:
        suite.set("timestamp", printable(result.started))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _thresholds(result: Result, suite: ElementTree.Element) -> None:
    for threshold in result.thresholds:
        case = _case(suite, "thresholds", f"{threshold.metric} {threshold.expr}")
        if not threshold.ok:
            _fail(case, f"{threshold.metric} was {threshold.value:,.5g}, not {threshold.expr}")


def _invariants(result: Result, suite: ElementTree.Element) -> None:
    listed = Counter(violation.kind for violation in result.violations)
    for kind in INVARIANTS | dict.fromkeys(listed, ""):
        case = _case(suite, "invariants", kind)
        if listed[kind]:
            shown = [found for found in result.violations if found.kind == kind][:TEXTS_SHOWN]
            more = result.violation_count > len(result.violations)
            message = f"{INVARIANTS.get(kind) or kind}: {'at least ' * more}{listed[kind]} violated"
            _fail(case, message, "\n".join(map(_sentence, shown)))


def _generator(result: Result, suite: ElementTree.Element) -> None:
    case = _case(suite, "generator", "honest")
    if result.verdict is Verdict.SATURATED:
        reasons = "\n".join(result.reasons) or EXPLANATIONS[result.verdict]
        lag = milliseconds(result.generator.lag_ms_p99)
        _fail(case, f"{HEADLINES[result.verdict]}: late by {lag} (p99)", reasons)


def _sentence(violation: ViolationRecord) -> str:
    where = f"fan {violation.fan} {violation.channel}" if violation.fan >= 0 else "server"
    return (
        f"{violation.at:.3f} s, {where}: expected {violation.expected}, got {violation.got}. "
        f"{violation.text}"
    )


def _case(suite: ElementTree.Element, group: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=f"mobsim.{group}", name=printable(name), time="0"
    )


def _fail(case: ElementTree.Element, message: str, text: str = "") -> None:
    failure = ElementTree.SubElement(
        case, "failure", type=case.get("classname", ""), message=printable(message)
    )
    failure.text = printable(text)

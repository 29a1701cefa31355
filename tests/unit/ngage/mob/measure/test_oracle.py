"""Findings in words, and what a server must give back."""

import pytest

from ngage.mob.measure import oracle
from ngage.mob.measure.footprint import Footprint
from ngage.mob.model import Persona, Phase, Scenario
from ngage_core.behaviour import VIOLATION_KINDS, Violation


@pytest.mark.parametrize(
    ("kind", "expected", "got", "text"),
    [
        ("gap", 3, 4, "publication 3 is missing, and nobody said so"),
        ("gap", 3, 6, "publications 3 to 5 are missing, and nobody said so"),
        ("tail", 3, 3, "publication 3 is missing at the end"),
        ("tail", 3, 5, "publications 3 to 5 are missing at the end"),
        ("duplicate", 4, 2, "publication 2 came again where 4 was next"),
        ("close_code", 0, 1006, "a close frame has the code 1006, which may not be sent"),
    ],
)
def test_findings_in_words(kind: str, expected: int, got: int, text: str) -> None:
    assert oracle.describe(Violation(kind, 0, 0, 0, expected, got, 0)) == text


def test_every_kind_has_words() -> None:
    assert set(oracle.TEXTS) == set(VIOLATION_KINDS)


def test_a_record_names_channel_persona_and_time() -> None:
    scenario = Scenario(
        name="s",
        targets=("ws://127.0.0.1:1/a", "ws://127.0.0.1:1/b"),
        fans=9,
        phases=(Phase(name="p", duration=1.0),),
        personas=(Persona("calm"), Persona("hasty")),
    )
    violation = Violation("gap", 7, 1, 1, 3, 4, 5_500_000_000)
    found = oracle.record(violation, scenario, ("/a", "/b"), 4_000_000_000)
    assert (found.fan, found.channel, found.persona, found.at) == (7, "/b", "hasty", 1.5)


MIB = 1 << 20


@pytest.mark.parametrize(
    ("descriptors", "resident_bytes", "kinds"),
    [
        (20, 100 * MIB, []),
        (19, 90 * MIB, []),
        (21, 100 * MIB, ["descriptors"]),
        (20, 132 * MIB + 256 * 1000, []),
        (20, 132 * MIB + 256 * 1000 + 1, ["memory"]),
        (30, 900 * MIB, ["descriptors", "memory"]),
    ],
)
def test_what_is_left_of_a_crowd(descriptors: int, resident_bytes: int, kinds: list[str]) -> None:
    before = Footprint(descriptors=20, resident_bytes=100 * MIB, cpu_seconds=0)
    after = Footprint(descriptors=descriptors, resident_bytes=resident_bytes, cpu_seconds=0)
    found = oracle.leftovers("edge", before, after, 1000, 3.0)
    assert [one.kind for one in found] == kinds
    assert all((one.fan, one.channel, one.at) == (-1, "edge", 3.0) for one in found)

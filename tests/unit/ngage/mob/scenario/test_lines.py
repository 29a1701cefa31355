import tomllib

import pytest

from ngage.mob.scenario.lines import Lines, Path

TEXT = (
    r'''# a comment with [brackets] and = signs
title = "a # b"

[mob]
name = "x = [1]"  # [not.a.table]
"quoted key" = 1
a.b.c = 2
list = [
    1,  # one
    { at = 2, to = { deep = 3 } },
    [4,
     5],
]
text = """
[phases]
quote \""" and " end"""
raw = """""two, then two"""""
literal = '''
    + """'''
# no comment
'' ends'''"""
    + r"""

[[phases]]
name = 'C:\'
[[phases]]
name = "second"
[phases.inner]
x = 1
[[phases.steps]]
y = 1
[[phases.steps]]
y = 2
when = 1979-05-27 07:32:00
[a.b]
z=[]
empty={}
"""
)

EXPECTED: dict[Path, int] = {
    ("title",): 2,
    ("mob",): 4,
    ("mob", "name"): 5,
    ("mob", "quoted key"): 6,
    ("mob", "a"): 7,
    ("mob", "a", "b", "c"): 7,
    ("mob", "list"): 8,
    ("mob", "list", 0): 9,
    ("mob", "list", 1, "at"): 10,
    ("mob", "list", 1, "to", "deep"): 10,
    ("mob", "list", 2): 11,
    ("mob", "list", 2, 1): 12,
    ("mob", "text"): 14,
    ("mob", "raw"): 17,
    ("mob", "literal"): 18,
    ("phases",): 22,
    ("phases", 0): 22,
    ("phases", 0, "name"): 23,
    ("phases", 1): 24,
    ("phases", 1, "name"): 25,
    ("phases", 1, "inner", "x"): 27,
    ("phases", 1, "steps", 0, "y"): 29,
    ("phases", 1, "steps", 1, "y"): 31,
    ("phases", 1, "steps", 1, "when"): 32,
    ("a", "b", "z"): 34,
    ("a", "b", "empty"): 35,
}


def paths(value: object, path: Path = ()) -> list[Path]:
    """Every path of a parsed text."""
    found: list[Path] = [path]
    if isinstance(value, dict):
        items: list[tuple[str | int, object]] = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
    for key, child in items:
        found += paths(child, (*path, key))
    return found


@pytest.mark.parametrize(("path", "line"), EXPECTED.items())
def test_each_key_has_its_line(path: Path, line: int) -> None:
    assert Lines(TEXT).line(path) == line


def test_no_key_is_unknown() -> None:
    known = Lines(TEXT)._lines.keys()
    assert [path for path in paths(tomllib.loads(TEXT)) if path not in known] == []


def test_an_unknown_key_has_the_line_of_what_is_around_it() -> None:
    lines = Lines(TEXT)
    assert lines.line(("phases", 1, "missing", 7)) == 24
    assert lines.line(("nothing",)) == 1

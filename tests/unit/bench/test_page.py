"""RESULTS.md is written part by part: nothing outside of a part is touched, nor is a torn page."""

import re
from pathlib import Path

import pytest

from bench.page import PAGE, PageError, check, comments, write
from bench.peers.results import PART as PEERS
from bench.scale.report import PART as MILLION

TEXT = """# Results

<!-- begin one -->

## One

<!-- end one -->

between

<!-- begin two -->

## Two

<!-- end two -->
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "PAGE.md"
    file.write_text(TEXT)
    return file


def test_a_part_is_replaced_and_nothing_else(page: Path) -> None:
    write("one", "\n## New\n\n| 1 | µs |\n\n", page)
    assert page.read_text() == TEXT.replace("## One", "## New\n\n| 1 | µs |")
    assert [file.name for file in page.parent.iterdir()] == [page.name]


def test_writing_the_same_again_changes_nothing(page: Path) -> None:
    write("two", "## Two", page)
    assert page.read_text() == TEXT


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TEXT.replace("<!-- begin one -->", ""), "'<!-- begin one -->' once, and has it 0 times"),
        (TEXT.replace("<!-- end one -->", ""), "'<!-- end one -->' once, and has it 0 times"),
        (TEXT + TEXT, "'<!-- begin one -->' once, and has it 2 times"),
        ("<!-- end one --><!-- begin one -->", "'<!-- end one -->' before '<!-- begin one -->'"),
        ("<!-- begin one --><!-- end two --><!-- end one -->", "another part within one"),
    ],
)
def test_a_page_without_a_clear_place_is_left_alone(page: Path, text: str, complaint: str) -> None:
    page.write_text(text)
    with pytest.raises(PageError, match=re.escape(complaint)):
        check("one", page)
    with pytest.raises(PageError, match=re.escape(complaint)):
        write("one", "new", page)
    assert page.read_text() == text


def test_the_page_in_the_repository_has_both_parts_and_lists_them() -> None:
    text = PAGE.read_text()
    for name in (MILLION, PEERS):
        check(name)
        begin, end = comments(name)
        part = text.partition(begin)[2].partition(end)[0]
        title = part.strip().partition("\n")[0].removeprefix("## ")
        anchor = title.lower().replace(" ", "-")
        assert f"[{title}](#{anchor})" in text

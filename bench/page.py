"""RESULTS.md: one page of parts, each rewritten by a command of its own.

A part is what stands between the two comments with its name. What is outside of all parts is
written by hand.
"""

import os
from pathlib import Path

from ngage.errors import NgageError

PAGE = Path(__file__).parent / "RESULTS.md"
BEGIN, END = "<!-- begin ", "<!-- end "


class PageError(NgageError):
    """The page has no place for a part; the message says what is wrong with its comments."""


def comments(name: str) -> tuple[str, str]:
    return f"{BEGIN}{name} -->", f"{END}{name} -->"


def write(name: str, content: str, page: Path = PAGE) -> None:
    """The part is `content` from now on: whoever reads meanwhile finds the old page or the new."""
    text = page.read_text()
    start, stop = _place(text, name, page)
    new = page.with_name(f"{page.name}.new")
    new.write_text(f"{text[:start]}\n\n{content.strip()}\n\n{text[stop:]}")
    os.replace(new, page)


def check(name: str, page: Path = PAGE) -> None:
    """Raises PageError if the part could not be written: to be asked before a long measurement."""
    _place(page.read_text(), name, page)


def _place(text: str, name: str, page: Path) -> tuple[int, int]:
    begin, end = comments(name)
    for comment in (begin, end):
        if (times := text.count(comment)) != 1:
            raise PageError(f"{page.name} must have {comment!r} once, and has it {times} times")
    start, stop = text.index(begin) + len(begin), text.index(end)
    if stop < start:
        raise PageError(f"{page.name} has {end!r} before {begin!r}")
    if BEGIN in text[start:stop] or END in text[start:stop]:
        raise PageError(f"{page.name} has another part within {name}")
    return start, stop

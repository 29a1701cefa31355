"""Where each key of a TOML text stands.

tomllib tells no lines, and an error without one is hard to follow. This walks a text that tomllib
has accepted, so it checks nothing: it only finds where keys, array elements and values begin.
"""

import re
from bisect import bisect_right

Path = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACE = re.compile(r"[ \t]*")
BARE = re.compile(r"[A-Za-z0-9_-]+")
# Longest opening first; a basic string may hold an escaped quote
STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
SCALAR = re.compile(r"[^,\]}#\r\n]+")


class Lines:
    """The lines, from 1, of the keys in a TOML text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[Path, int] = {(): 1}
        self._lengths: dict[Path, int] = {}  # of arrays of tables, by their path
        self._walk()

    def line(self, path: Path) -> int:
        """The line of this key, or of the nearest table or array around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _walk(self) -> None:
        table: Path = ()
        while self._skip(BLANK):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        line = self._line()
        self._at += brackets
        *parents, last = self._key()
        path: Path = ()
        for name in parents:
            path = self._newest((*path, name))
            self._lines.setdefault(path, line)
        path = (*path, last)
        if brackets == 2:
            self._lines.setdefault(path, line)
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = self._newest(path)
        self._lines[path] = line
        self._at += brackets
        return path

    def _newest(self, path: Path) -> Path:
        """A header names the last table of an array by the name of the array."""
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for name in self._key():
            path = (*path, name)
            self._lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._skip(SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        """A dotted key, and the space around it."""
        names = []
        while True:
            self._skip(SPACE)
            match = BARE.match(self._text, self._at) or STRING.match(self._text, self._at)
            assert match
            names.append(match[0].strip("\"'"))
            self._at = match.end()
            self._skip(SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, path: Path) -> None:
        opening = self._text[self._at]
        if opening in "[{":
            self._at += 1
            index = 0
            while self._skip(BLANK) and self._text[self._at] not in "]}":
                if opening == "{":
                    self._pair(path)
                else:
                    self._lines[(*path, index)] = self._line()
                    self._value((*path, index))
                    index += 1
                self._skip(BLANK)
                if self._text[self._at] == ",":
                    self._at += 1
            self._at += 1
            return
        match = STRING.match(self._text, self._at) or SCALAR.match(self._text, self._at)
        assert match
        self._at = match.end()

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Whether anything follows."""
        match = pattern.match(self._text, self._at)
        assert match
        self._at = match.end()
        return self._at < len(self._text)

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

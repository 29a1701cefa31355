"""Style that no linter knows: sizes of files, words that must not appear, stubs for modules."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE_MAX = 100
LINES_MAX = {".pxd": 400, ".pyx": 500, ".py": 400, ".h": 200, ".sh": 150}
TEXT = {*LINES_MAX, ".pyi", ".toml", ".md", ".c", ".js", ".css", ".html", ".conf", ".service"}

# Spelled so that this file does not find itself.
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATHS = re.compile(r"/(work|root|home/\w+|tmp/\w+_jobs)/")


def tracked() -> Iterator[tuple[str, Path]]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        path = ROOT / name
        if path.is_file() and (path.suffix in TEXT or path.name == "Makefile"):
            yield name, path


if not ((ROOT / ".git").exists() and shutil.which("git")):
    pytest.skip("not a git checkout: nothing to tidy", allow_module_level=True)

FILES = dict(tracked())
CODE = {name: path for name, path in FILES.items() if path.suffix != ".md"}
CORE = {name: path for name, path in CODE.items() if name.startswith("src/ngage_core/")}


def test_lines_are_short() -> None:
    long = [
        f"{name}:{number}: {len(line)} columns"
        for name, path in CODE.items()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LINE_MAX and path.suffix not in {".html", ".css", ".js"}
    ]
    assert long == []


def test_files_are_short() -> None:
    sizes = {
        name: len(path.read_text().splitlines())
        for name, path in CODE.items()
        if path.suffix in LINES_MAX
    }
    over = {name: size for name, size in sizes.items() if size > LINES_MAX[Path(name).suffix]}
    assert over == {}


@pytest.mark.parametrize("words", [LEFTOVERS, MACHINE_PATHS], ids=["leftovers", "machine paths"])
def test_words_that_do_not_belong(words: re.Pattern[str]) -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, path in FILES.items()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


def test_the_core_never_takes_the_gil() -> None:
    assert [name for name, path in CORE.items() if "with gil" in path.read_text()] == []


def test_every_function_without_the_gil_is_noexcept() -> None:
    """Otherwise each call is followed by taking the GIL to look for an exception."""
    signature = re.compile(r"^cdef [^\n(]*\([^)]*\)([^:\n]*)\bnogil:", re.MULTILINE)
    for name, path in CORE.items():
        for qualifiers in signature.findall(path.read_text()):
            assert "noexcept" in qualifiers, name


def test_every_extension_has_a_stub() -> None:
    missing = [
        name
        for name, path in CORE.items()
        if path.suffix == ".pyx" and not path.with_suffix(".pyi").exists()
    ]
    assert missing == []

"""What the packages offer: public names that exist, stubs that tell the truth, a whole sdist."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools.command.egg_info import FileList

from ngage_core.errors import CloseCode

ROOT = Path(__file__).parents[2]
# What Cython adds, and constructors, whose parameters it does not show.
GENERATED = r"""
ngage_core\..*\.__test__
ngage_core\..*\.__pyx_capi__
ngage_core\..*\.__init__
"""
EXTENSIONS = sorted(path.stem for path in (ROOT / "src/ngage_core").glob("*.pyx"))


def test_public_names() -> None:
    ngage = importlib.import_module("ngage")
    assert sorted(ngage.__all__) == list(ngage.__all__)
    for name in ngage.__all__:
        assert inspect.getdoc(getattr(ngage, name)), name


def test_importing_ngage_starts_nothing() -> None:
    """No event loop, no web framework, no encoder until somebody asks for them."""
    heavy = {"uvicorn", "starlette", "av", "uvloop"}
    code = f"import ngage, sys; print(*sorted({heavy} & sys.modules.keys()))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert run.stdout.strip() == ""


def test_extensions_are_compiled() -> None:
    for name in EXTENSIONS:
        module = importlib.import_module(f"ngage_core.{name}")
        assert module.__file__
        assert module.__file__.endswith(".so")


def test_close_codes_are_those_of_the_core() -> None:
    """codes.pxd and errors.py name the same numbers."""
    text = (ROOT / "src/ngage_core/codes.pxd").read_text()
    numbers = {int(line.split("=")[1]) for line in text.splitlines() if "    CLOSE_" in line}
    assert numbers - {1005} <= {int(code) for code in CloseCode}


@pytest.mark.timeout(180)
def test_stubs_match_the_extensions(tmp_path: Path) -> None:
    modules = [f"ngage_core.{name}" for name in EXTENSIONS]
    allowlist = tmp_path / "allowlist"
    allowlist.write_text(GENERATED)
    stubtest = [sys.executable, "-m", "mypy.stubtest", "--concise", "--ignore-unused-allowlist"]
    run = subprocess.run(
        [*stubtest, "--allowlist", str(allowlist), *modules],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, ""), run.stdout + run.stderr


def test_sdist_carries_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """With cythonize(build_dir=...) setuptools forgets .pyx and .pxd; MANIFEST.in remembers."""
    monkeypatch.chdir(ROOT)
    manifest = FileList()
    for line in Path("MANIFEST.in").read_text().splitlines():
        manifest.process_template_line(line)
    sources = [
        str(path)
        for ending in ("pyx", "pxd", "pyi", "h")
        for path in Path("src/ngage_core").rglob(f"*.{ending}")
    ]
    assert sorted(set(sources) - set(manifest.files)) == []
